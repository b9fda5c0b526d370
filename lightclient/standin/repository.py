"""A folder of SavedModels, version by version, watched while it is served.

The source of the rules: tensorflow_serving/sources/storage_path/file_system_storage_path_source.cc.
"""

import contextlib
import logging
import os
import threading
from collections.abc import Mapping
from pathlib import Path

from lightclient.errors import InputError
from lightclient.standin.models import Repository, ServedModel, VersionState, check_name
from lightclient.standin.savedmodel import Version, read_saved_model, tensorflow
from lightclient.standin.status import StatusError

POLL_SECONDS = 1.0  # between two looks at the folder
LOG = logging.getLogger("lightclient.standin")
_Marks = frozenset[tuple[str, int, int]]


class SavedModels(Repository):
    """A folder of SavedModels for `StandIn`, run by TensorFlow (the extra `export` has it).

        with StandIn(SavedModels("OUT_DIR", labels={"stable": 1})) as url: ...

    `folder` holds OUT_DIR/1/saved_model.pb, OUT_DIR/2/saved_model.pb, …, or is a SavedModel itself,
    served as version 1. `name`: the model's name, by default the folder's. `labels`: label →
    version number. Every version can be asked for; the newest answers when none is named.

    A version whose folder appears later is loaded. One whose folder vanishes is unloaded, unless it
    is the last. One that cannot be loaded is logged and skipped, and tried again when its files
    change.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        name: str | None = None,
        labels: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__({})
        self._folder = Path(folder)
        if not self._folder.is_dir():
            raise InputError(
                f"{folder}: no such folder; give the one that holds the versions, such as "
                "OUT_DIR for OUT_DIR/1/saved_model.pb"
            )
        self._name = self._folder.resolve().name if name is None else name
        check_name("name is", self._name)
        self._labels = dict(labels or {})
        self._versions: dict[int, Version] = {}
        self._states: dict[int, VersionState] = {}
        self._tried: dict[int, _Marks] = {}
        self._ended = threading.Event()
        self._watcher: threading.Thread | None = None

    def start(self) -> None:
        """Load every version and start to watch the folder.

        Raises InputError if no version can be served, or a label names one that is not there.
        """
        if self._watcher is not None:
            return
        tensorflow()  # first, since without it every version would be told to be broken
        try:
            self._look()
        except OSError as error:
            raise InputError(f"{self._folder} cannot be read ({error.strerror})") from error
        if not self._versions:
            reasons = [f"version {n}: {state.message}" for n, state in self._states.items()]
            mend = f"put a SavedModel at {self._folder / '1' / 'saved_model.pb'}"
            raise InputError(f"{self._folder}: nothing to serve; {'; '.join(reasons) or mend}")
        self._publish()
        self._ended.clear()
        self._watcher = threading.Thread(
            target=self._watch, name="lightclient-standin-versions", daemon=True
        )
        self._watcher.start()

    def close(self) -> None:
        """Stop watching, once the version that is being loaded is done. What is loaded stays."""
        watcher, self._watcher = self._watcher, None
        self._ended.set()
        if watcher is not None:
            watcher.join()

    def _watch(self) -> None:
        while not self._ended.wait(POLL_SECONDS):
            # The folder is out of reach, or changes under our eyes: what is loaded goes on serving.
            with contextlib.suppress(OSError):
                self._look()

    def _look(self) -> None:
        """Load what has come, newest first, then unload what has gone."""
        found = versions_in(self._folder)
        new = sorted(found.keys() - self._versions.keys(), reverse=True)
        # Before they are loaded: what is written meanwhile counts as a change.
        marks = {number: _marks(found[number]) for number in new}
        for number in new:
            if self._tried.get(number) != marks[number]:
                self._load(number, found[number])
        self._tried = marks
        for number in sorted(self._versions.keys() - found.keys()):
            if len(self._versions) > 1:  # the last one goes on serving
                del self._versions[number]
                LOG.info("version %s of %s is unloaded", number, self._name)
                self._tell(number, VersionState("END"))

    def _load(self, number: int, folder: Path) -> None:
        self._tell(number, VersionState("LOADING"))
        try:
            self._versions[number] = read_saved_model(folder)
        except StatusError as error:
            LOG.warning("version %s of %s is skipped: %s", number, self._name, error)
            self._tell(number, VersionState("END", error.code, error.message))
        else:
            LOG.info("version %s of %s is loaded", number, self._name)
            self._tell(number, VersionState("AVAILABLE"))

    def _tell(self, number: int, state: VersionState) -> None:
        self._states[number] = state
        if self._models:  # at the start, a label may stand for a version that is not looked at yet
            self._publish()

    def _publish(self) -> None:
        # A new model in place of the old one, so that a request sees all of a change or nothing.
        versions = self._versions.items()
        model = ServedModel(
            versions={number: version.signatures for number, version in versions},
            labels=self._labels,
            unavailable=dict(self._states),  # those that are loaded are told as available anyway
            definitions={number: version.definitions for number, version in versions},
        )
        self._models = {self._name: model}


def versions_in(folder: Path) -> dict[int, Path]:
    """The folders whose names are numbers, by number; raises OSError.

    A SavedModel itself is its own version 1. Of "1" and "01", the last in name order counts.
    """
    if (folder / "saved_model.pb").is_file():
        return {1: folder}
    paths = sorted(path for path in folder.iterdir() if _is_number(path.name) and path.is_dir())
    return {int(path.name): path for path in paths}


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdecimal() and int(name) < 2**63  # a version has 64 bits


def _marks(folder: Path) -> _Marks:
    """What is different once somebody has written in the folder; raises OSError."""
    files = [(str(path), path.lstat()) for path in folder.rglob("*")]
    return frozenset((name, stat.st_mtime_ns, stat.st_size) for name, stat in files)
