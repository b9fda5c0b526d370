"""The virtual environments that the sides run in."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
# The line of tokenizers in each environment that lightclient is measured in.
LINES = {"client": "0.x", "client-1.0": "1.0"}
_LAMBDA = "awslambdaric>=4.2"  # Lambda's own runtime client
# The article's client gets neither TensorFlow nor PyTorch: it starts faster without them.
_REQUIREMENTS = {
    "client": [f"lightclient @ {ROOT.as_uri()}", "tokenizers==0.23.3", _LAMBDA],
    "client-1.0": [f"lightclient @ {ROOT.as_uri()}", "tokenizers==1.0.0rc3"],
    "server": [f"lightclient[export] @ {ROOT.as_uri()}"],
    "article": ["transformers>=4.57,<5", "requests", "numpy", _LAMBDA],
}
_SHOWN = ("lightclient", "numpy", "tokenizers", "urllib3", "transformers", "requests",
          "tensorflow", "awslambdaric")  # fmt: skip
_VERSIONS = """
import importlib.metadata, json, sys
found = {item.metadata["Name"]: item.version for item in importlib.metadata.distributions()}
print(json.dumps({name: found[name] for name in sys.argv[1:] if name in found}))
"""


class Environments:
    """`client`, `client-1.0`, `article` and `server`: each is made when it is first asked for.

    Args:
        folder: where they are kept. The checkout is installed anew into those that are there.
        pythons: interpreters to use as they are, by the environment's name.
    """

    def __init__(self, folder: Path, pythons: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._pythons = dict(pythons or {})

    def python(self, name: str) -> str:
        """The environment's interpreter."""
        if name not in self._pythons:
            self._pythons[name] = self._make(name)
        return self._pythons[name]

    def _make(self, name: str) -> str:
        print(f"making the environment {name} …", file=sys.stderr)
        folder = self._folder / name
        python = str(folder / "bin" / "python")
        if not (folder / "pyvenv.cfg").exists():
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip(python, "install", *_REQUIREMENTS[name])
        return python

    def versions(self) -> dict[str, dict[str, str]]:
        """The packages of those environments that were used."""
        return {
            name: self._installed(self._pythons[name])
            for name in _REQUIREMENTS
            if name in self._pythons
        }

    def _installed(self, python: str) -> dict[str, str]:
        command = [python, "-E", "-s", "-c", _VERSIONS, *_SHOWN]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found: dict[str, str] = json.loads(printed)
        return found


def machine(environments: Environments) -> dict[str, Any]:
    """What was measured on."""
    return {
        "cores": os.cpu_count(),
        "system": f"{platform.machine()} {platform.system()}",
        "python": platform.python_version(),
        "packages": environments.versions(),
    }


def pip(python: str, *arguments: str) -> None:
    """Run an environment's pip quietly."""
    command = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True, stdout=sys.stderr)
