"""The virtual environments that the sides run in."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
# Neither TensorFlow nor PyTorch: the article's client starts faster without them.
_ARTICLE = ("transformers>=4.57,<5", "requests", "numpy")
_PACKAGES = ("lightclient", "numpy", "tokenizers", "urllib3", "transformers", "requests",
             "tensorflow")  # fmt: skip
_VERSIONS = """
import importlib.metadata, json, sys
found = {item.metadata["Name"]: item.version for item in importlib.metadata.distributions()}
print(json.dumps({name: found[name] for name in sys.argv[1:] if name in found}))
"""
_VOCABULARY = """
import os, lightclient
package = os.path.dirname(os.path.abspath(lightclient.__file__))
for parent in (package, os.path.dirname(package)):
    folder = os.path.join(parent, "vocab", "distilbert-base-uncased-finetuned-sst-2-english")
    if os.path.isdir(folder):
        print(folder)
        break
"""


class Environments:
    """Made when first asked for, and kept in `folder`; the checkout is installed anew each run.

    `client`: a Python that has lightclient already, to try the suite with.
    """

    def __init__(self, folder: Path, client: str | None = None) -> None:
        self._folder = folder
        self._pythons = {"client": client} if client else {}

    def python(self, name: str) -> str:
        """The interpreter of `client`, `article` or `server`."""
        if name not in self._pythons:
            self._pythons[name] = self._make(name)
        return self._pythons[name]

    def _make(self, name: str) -> str:
        print(f"environment: {name}", file=sys.stderr)
        folder = self._folder / name
        python = str(folder / "bin" / "python")
        if not (folder / "pyvenv.cfg").exists():
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        if name == "article":
            pip(python, "install", *_ARTICLE)
        else:
            pip(python, "install", str(ROOT) + ("[export]" if name == "server" else ""))
            pip(python, "install", "--force-reinstall", "--no-deps", str(ROOT))
        return python

    def vocabulary(self) -> Path:
        """The folder of the bundle that ships with the client's package."""
        return Path(self._say("client", _VOCABULARY).strip())

    def versions(self) -> dict[str, dict[str, str]]:
        """The packages of those environments that were used."""
        return {name: json.loads(self._say(name, _VERSIONS, *_PACKAGES)) for name in self._pythons}

    def _say(self, name: str, code: str, *arguments: str) -> str:
        command = [self.python(name), "-E", "-s", "-c", code, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def pip(python: str, *arguments: str) -> None:
    """Run an environment's pip quietly."""
    command = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True, stdout=sys.stderr)
