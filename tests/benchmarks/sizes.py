"""What an installation weighs: `python -m tests.benchmarks.sizes`, from the checkout.

Installs the checkout with pip into empty folders and adds up the files, byte code included. Needs
the package index.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
DEPENDENCIES = ("tokenizers", "numpy", "urllib3")


def main() -> None:
    """Print the table of the README."""
    with tempfile.TemporaryDirectory() as folder:
        full, alone, wheels = (Path(folder) / name for name in ("full", "alone", "wheels"))
        pip("install", "--target", str(full), str(ROOT))
        pip("install", "--no-deps", "--target", str(alone), str(ROOT), *DEPENDENCIES)
        pip("wheel", "--no-deps", "--wheel-dir", str(wheels), str(ROOT))
        print("| what | MB |")
        print("|---|---|")
        print(f"| `pip install .` | {megabytes(full):.0f} |")
        print(f"| `pip install --no-deps . tokenizers numpy urllib3` | {megabytes(alone):.0f} |")
        print(f"| lightclient itself | {megabytes(alone / 'lightclient'):.1f} |")
        print(f"| its wheel | {megabytes(wheels):.1f} |")


def pip(*arguments: str) -> None:
    """Run pip quietly."""
    subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments],
        check=True,
    )


def megabytes(folder: Path) -> float:
    """The size of all files below a folder, in units of 10**6 bytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


if __name__ == "__main__":
    main()
