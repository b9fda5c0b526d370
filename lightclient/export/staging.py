"""OUT_DIR: what is half-written never has a name that a server would load."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lightclient.errors import ExportError, InputError

_HIGHEST = 2**63 - 1
_MARGIN = 32 * 2**20


@dataclass(frozen=True)
class Staging:
    """Where an export is written before it gets its place, in OUT_DIR itself: the same disk.

    `version`: the SavedModel's folder, not made yet. `bundle`: an empty folder.
    """

    out_dir: Path
    folder: Path

    @property
    def version(self) -> Path:
        """The SavedModel's folder."""
        return self.folder / "version"

    @property
    def bundle(self) -> Path:
        """The bundle's folder."""
        return self.folder / "bundle"

    def check_space(self, size: int) -> None:
        """Check that `size` bytes of weights have room.

        Raises:
            ExportError: they have not.
        """
        free = shutil.disk_usage(self.folder).free
        if free < size + _MARGIN:
            raise ExportError(
                f"{self.out_dir} has {free / 1e6:.0f} MB free, the model needs "
                f"{(size + _MARGIN) / 1e6:.0f} MB"
            )


@contextmanager
def staging(out_dir: Path) -> Iterator[Staging]:
    """Make OUT_DIR and a folder in it to write to; take both away again, if nothing came of it.

    TensorFlow Serving passes over every name that is no number
    (sources/storage_path/file_system_storage_path_source.cc).
    """
    made = [folder for folder in (out_dir, *out_dir.parents) if not folder.exists()]
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".lightclient-export-", dir=out_dir))
        try:
            stage = Staging(out_dir, folder)
            stage.bundle.mkdir()
            yield stage
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        for folder in made:
            with suppress(OSError):  # it holds the export, or was never made
                folder.rmdir()


def choose_version(out_dir: Path, version: int | None) -> int:
    """The version to write: the one asked for, else one above the highest that is there.

    Not the first gap: a server loads the highest number only.

    Raises:
        InputError: it is taken, or there is no such number.
    """
    taken = versions(out_dir)
    if version is None:
        version = max(taken, default=0) + 1
    if version in taken:
        raise InputError(
            f"{out_dir / str(version)} is there already; leave the version out, or give "
            f"{max(taken) + 1}"
        )
    if not 1 <= version <= _HIGHEST:
        raise InputError(f"version must be a number from 1 to 2**63 - 1, not {version}")
    return version


def versions(out_dir: Path) -> dict[int, Path]:
    """What has the name of a version, by its number."""
    entries = out_dir.iterdir() if out_dir.is_dir() else ()
    return {int(entry.name): entry for entry in entries if is_version(entry)}


def is_version(folder: Path) -> bool:
    """Whether a server takes this name for a version's."""
    return folder.name.isascii() and folder.name.isdigit()


def place(stage: Staging, version: int, files: tuple[str, ...]) -> Path:
    """Give the version its name, then the bundle's files theirs; all of it or nothing.

    By then everything is written to this disk: only renames are left, which need no space. The
    version comes first, for the server takes longer to load it than the files take to follow.

    Args:
        stage: what was written.
        version: one that is free.
        files: the names a bundle may have; one that the new bundle has not is removed.
    """
    target, old = stage.out_dir / str(version), stage.folder / "old"
    old.mkdir()
    for name in files:
        if (stage.out_dir / name).exists():
            shutil.copy2(stage.out_dir / name, old / name)
    try:
        stage.version.rename(target)
        _move(stage.bundle, stage.out_dir, files)
    except BaseException:
        _move(old, stage.out_dir, files)
        if not stage.version.exists():
            target.rename(stage.version)
        raise
    return target


def _move(folder: Path, out_dir: Path, files: tuple[str, ...]) -> None:
    for name in files:
        if (folder / name).exists():
            os.replace(folder / name, out_dir / name)
        else:
            (out_dir / name).unlink(missing_ok=True)
