"""The file of `--output`: begun, or gone on with after an abort."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf, isclose
from pathlib import Path
from typing import Any, TextIO

from lightclient.classification import Classification, Threshold, least_scores
from lightclient.cli.output import CONTINUING, Csv, JsonLines, Outcome
from lightclient.cli.rows import Row, Source
from lightclient.cli.tally import Tally
from lightclient.errors import InputError

if sys.platform != "win32":
    import fcntl

_BY_LINE = 1
_ERRORS = "backslashreplace"  # as on stdout
# A server's answers to one text differ by about 1e-6, as its neighbours in a request do.
_TOLERANCE = 1e-3


def open_output(path: Path, form: str, *, resume: bool) -> TextIO:
    """Open the file to append to it, line by line, with nobody else doing so.

    `form`: the name of its format.

    Raises:
        InputError: it exists and `resume` is not asked for, or it is no file that can be written.
    """
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is no regular file: give another --output")
    try:
        out = path.open(
            "a" if resume else "x", _BY_LINE, encoding="utf-8", errors=_ERRORS, newline=""
        )
    except FileExistsError as error:
        hint = ", or go on with what is in it by --resume" if form in CONTINUING else ""
        raise InputError(f"{path} exists already: give another --output{hint}") from error
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error
    _lock(out, path)
    return out


def _lock(out: TextIO, path: Path) -> None:
    if sys.platform == "win32":
        return
    try:
        fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        out.close()
        raise InputError(
            f"{path} is being written by another run: wait for its end, or give another --output"
        ) from error
    except OSError:
        pass  # a file system without locks


@dataclass(frozen=True)
class Found:
    """What stands behind a row's own columns: an answer, an error's name, or neither.

    `windows`: 1 if there is no column for them. `reached`: the labels at or above the threshold;
    None if there is no answer or no threshold.
    """

    label: str
    score: float | None
    truncated: bool
    windows: float
    error: str
    reached: frozenset[bytes] | None

    def fits(self, row: Row, threshold: Threshold | None) -> bool:
        """Whether it can stand behind this row: one without a text has neither.

        The best label is in `reached` if, and only if, its score reaches the threshold. Another
        threshold than that of the run before shows in this.
        """
        if (self.score is not None) + bool(self.error) != (row.text is not None):
            return False
        if self.score is None or threshold is None:
            return self.reached is None
        least = threshold.get(self.label, inf) if isinstance(threshold, Mapping) else threshold
        has_reached = self.score >= least
        return self.reached is not None and (_encoded(self.label) in self.reached) == has_reached

    def is_like(self, outcome: Outcome, threshold: Threshold | None) -> bool:
        """Whether it is this answer, apart from the server's float noise."""
        if not isinstance(outcome, Classification) or self.score is None:
            return False
        # The noise can make another label the best one, so this label's own score counts as well.
        own = [score for label, score in outcome.scores if _encoded(label) == _encoded(self.label)]
        if not own or not all(_is_near(score, self.score) for score in (outcome.score, *own)):
            return False
        return threshold is None or self._has_reached(outcome, threshold)

    def _has_reached(self, outcome: Classification, threshold: Threshold) -> bool:
        """Whether `reached` is what is above the threshold now, apart from the noise."""
        highest = dict(reversed(outcome.scores))  # two labels may have one name
        least = least_scores(threshold, highest)
        return self.reached is not None and all(
            (_encoded(label) in self.reached) == (score >= least[label])
            or _is_near(score, least[label])
            for label, score in highest.items()
        )


def _is_near(score: float, other: float) -> bool:
    return isclose(score, other, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)


_KINDS = {"label": str, "score": float, "truncated": bool, "windows": float, "error": str}


def _read(record: bytes, row: Row, form: Csv | JsonLines) -> Found | None:
    """What stands behind a row in its record; None if this form writes the record otherwise."""
    beginning, prefix = _encoded(form.beginning(row)), form.added.prefix
    if not record.startswith(beginning):
        return None
    try:
        values = form.read(record[len(beginning) :].decode())
    except ValueError:
        return None
    label, score, truncated, windows, error = (values.get(prefix + name) for name in _KINDS)
    if not all(isinstance(values.get(prefix + name), kind | None) for name, kind in _KINDS.items()):
        return None
    reached = _read_reached(values.get(f"{prefix}labels"))
    found = Found(label or "", score, truncated is True, windows or 1, error or "", reached)
    return found if found.fits(row, form.added.threshold) else None


def _read_reached(labels: Any) -> frozenset[bytes] | None:
    """The names in a list of labels, which are objects in JSON and strings in CSV."""
    if not isinstance(labels, list):
        return None
    names = (item.get("label") if isinstance(item, dict) else item for item in labels)
    return frozenset(_encoded(name) for name in names if isinstance(name, str))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", _ERRORS)


@dataclass
class Begun:
    """How far an output file has come.

    `end`: the bytes of the rows that are in it, header included; `last`: the last of those that
    have an answer, and what it is; if there are long texts, the last of the longest, since only
    their answers tell one way to join windows from another.
    """

    end: int = 0
    last: tuple[Row, Found] | None = None


def pass_over(path: Path, source: Source, form: Csv | JsonLines, tally: Tally) -> Begun:
    """Compare what the file holds with the rows, one by one, and count them.

    Raises:
        InputError: it holds other rows than these, or not as these options write them.
    """
    try:
        with path.open("rb") as stream:
            return _pass_over(form.split(stream), source, form, path, tally)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def _pass_over(
    records: Iterator[tuple[bytes, bool]],
    source: Source,
    form: Csv | JsonLines,
    path: Path,
    tally: Tally,
) -> Begun:
    begun = Begun()
    if header := _encoded(form.opening):
        first, _ = next(records, (b"", False))
        if not _is_part(first, header):
            raise _unlike(path, "its first row")
        begun.end = len(header) if first == header else 0
    for record, is_whole in records:
        row = source.peek()
        if row and not is_whole and _is_part(record, _encoded(form.beginning(row))):
            break
        found = _read(record, row, form) if row and is_whole else None
        if row is None or found is None:
            raise _unlike(path, f"its record {tally.rows + 1}")
        next(source)
        tally.add(row, truncated=found.truncated, error=found.error)
        tally.begun += 1
        begun.end += len(record)
        longest = begun.last[1].windows if begun.last else 1
        if found.score is not None and found.windows >= longest:
            begun.last = row, found
    return begun


def _is_part(piece: bytes, beginning: bytes) -> bool:
    """Whether an abort can have left this of what begins so; it will be cut off."""
    written = piece.rstrip(b"\0")  # for what never came to the disk, after a power loss
    return written.startswith(beginning) or beginning.startswith(written)


def _unlike(path: Path, what: str) -> InputError:
    return InputError(
        f"{path}: {what} is not what this command writes for this input; give the input and the "
        "--format, --format-in, --top-k, --threshold, --prefix, --missing, --long-texts, "
        "--on-error, --column, --no-header, --url and --bundle that it was begun with, or another "
        "--output"
    )


def check_last(
    path: Path, row: Row, found: Found, outcome: Outcome, threshold: Threshold | None
) -> None:
    """Check that a row's answer in the file is the one that it gets now.

    Raises:
        InputError: it is another one.
    """
    if not found.is_like(outcome, threshold):
        raise InputError(
            f"{path} was begun in another way: the answer to {row.place} in it is not what this "
            "command gets now. Another --column, --function, --labels, --long-texts, --threshold, "
            "--url or --bundle may have been given, or the server has a new version of the model: "
            "give what it was begun with, or another --output"
        )
