"""What an installation weighs, byte code included, and zipped as for a Lambda."""

import sys
import zipfile
from pathlib import Path

from tests.benchmarks.environments import ROOT, pip
from tests.benchmarks.figures import Row, single
from tests.benchmarks.session import Session

_REQUIREMENTS = ("tokenizers", "numpy", "urllib3")


def sizes(session: Session) -> list[Row]:
    """Install the checkout with what it needs into empty folders."""
    full = _install(session.folder / "full", ROOT)
    alone = _install(session.folder / "alone", "--no-deps", ROOT, *_REQUIREMENTS)
    wheels = session.folder / "wheels"
    pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", str(wheels), str(ROOT))
    return [
        single("installed size", "MB", _megabytes(full)),
        single("installed size, zipped", "MB", _zipped(full)),
        single("installed size with `--no-deps`", "MB", _megabytes(alone), "≤ 90"),
        single("installed size with `--no-deps`, zipped", "MB", _zipped(alone)),
        single("installed size of lightclient itself", "MB", _megabytes(alone / "lightclient")),
        single("the wheel", "MB", _megabytes(wheels), "≤ 2.5"),
    ]


def _install(folder: Path, *what: object) -> Path:
    pip(sys.executable, "install", "--target", str(folder), *map(str, what))
    return folder


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def _zipped(folder: Path) -> float:
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for path in sorted(folder.rglob("*")):
            opened.write(path, path.relative_to(folder))
    return archive.stat().st_size / 1e6
