"""What an installation weighs, byte code included, and zipped as for a Lambda."""

import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.environments import ROOT, pip
from tests.benchmarks.figures import Figure, Row, Target, value
from tests.benchmarks.session import Session

_DEPENDENCIES = ("tokenizers", "numpy", "urllib3")
_TARGETS = {"`--no-deps` install": Target("≤", 90), "wheel": Target("≤", 2.5)}


def sizes(session: Session) -> Row:
    """The checkout with what it needs, installed into empty folders."""
    full = _install(session.folder / "full", ROOT)
    alone = _install(session.folder / "alone", "--no-deps", ROOT, *_DEPENDENCIES)
    bare = _install(session.folder / "bare", "--no-deps", ROOT, "tokenizers", "urllib3")
    wheels = session.folder / "wheels"
    pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", str(wheels), str(ROOT))
    figures = [
        *_both("full install", full),
        *_both("`--no-deps` install", alone),
        *_both("the same without numpy", bare),
        _figure("lightclient itself", _megabytes(alone / "lightclient")),
        _figure("wheel", _megabytes(wheels)),
    ]
    return Row("sizes", "installed size", "MB", {}, figures)


def _both(name: str, folder: Path) -> Iterator[Figure]:
    yield _figure(name, _megabytes(folder))
    yield _figure(f"{name}, zipped", _zipped(folder))


def _figure(name: str, size: float) -> Figure:
    return value(name, "MB", [size], _TARGETS.get(name))


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
