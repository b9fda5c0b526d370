"""The file of `--output`: begun, or gone on with after an abort."""

import csv
import io
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from math import inf, isclose
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from lightclient.classification import Classification, Threshold, least_scores
from lightclient.cli.output import CONTINUING, Csv, JsonLines, Outcome
from lightclient.cli.rows import Row, decode
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
        InputError: it exists and `resume` is not asked for, or it cannot be written.
    """
    if resume and path.exists() and not path.is_file():
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

    `reached`: the labels at or above the threshold; None if there is no answer or no threshold.
    """

    label: str
    score: float | None
    error: str
    truncated: bool
    reached: frozenset[bytes] | None = None

    def fits(self, row: Row) -> bool:
        """Whether it can stand behind this row: one without a text has neither."""
        return (self.score is not None) + bool(self.error) == (row.text is not None)

    def keeps(self, threshold: Threshold | None) -> bool:
        """Whether the best label is in `reached` if, and only if, its score reaches the threshold.

        Another threshold than that of the run before shows in this.
        """
        if self.score is None or threshold is None:
            return self.reached is None
        least = threshold.get(self.label, inf) if isinstance(threshold, Mapping) else threshold
        has_reached = self.score >= least
        return self.reached is not None and (_encoded(self.label) in self.reached) == has_reached

    def is_like(self, outcome: Outcome, threshold: Threshold | None = None) -> bool:
        """Whether it is this answer, apart from the server's float noise."""
        if not isinstance(outcome, Classification) or self.score is None:
            return False
        # The noise can make another label the best one, so this label's own score counts as well.
        own = [score for label, score in outcome.scores if _encoded(label) == _encoded(self.label)]
        is_close = all(
            isclose(score, self.score, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
            for score in (outcome.score, *(own or [float("nan")]))
        )
        return is_close and (threshold is None or self._has_reached(outcome, threshold))

    def _has_reached(self, outcome: Classification, threshold: Threshold) -> bool:
        """Whether `reached` is what is above the threshold now, apart from the noise."""
        least = least_scores(threshold, (label for label, _ in outcome.scores))
        surely, perhaps = (
            {
                _encoded(label)
                for label, score in outcome.scores
                if score + noise * max(1, abs(score)) >= least[label]
            }
            for noise in (-_TOLERANCE, _TOLERANCE)
        )
        return self.reached is not None and surely <= self.reached <= perhaps


class JsonLinesLayout:
    """What `--format jsonl` writes: nothing first, then a line a record."""

    header = b""

    def __init__(self, form: JsonLines) -> None:
        self._form, self._added = form, form.added
        self.threshold = form.added.threshold
        self.options = _options("jsonl", form)

    def split(self, stream: BinaryIO) -> Iterator[bytes]:
        """The records; the last may be a part of one."""
        return iter(stream)

    def is_whole(self, record: bytes) -> bool:
        """Whether it has come to its end."""
        return record.endswith(b"\n")

    def beginning(self, row: Row) -> bytes:
        """How the record of this row begins."""
        return _encoded(self._form.beginning(row))

    def has_shape(self, record: bytes) -> bool:
        """Whether a whole record, of whatever row, has the shape that the options give it."""
        keys = self._added.keys
        try:
            found: Any = decode(record.decode())
        except ValueError:
            return False
        return isinstance(found, dict) and list(found)[-len(keys) :] == keys

    def read(self, rest: bytes) -> Found | None:
        """What follows the beginning; None if it has not the shape that the options give it."""
        keys = self._added.keys
        try:
            found: Any = decode('{"label": ' + rest.decode())
            reached = _read_reached(found.get(f"{self._added.prefix}labels"))
        except ValueError:
            return None
        if list(found)[1:] != keys[1:] or not self._fits(found.get(f"{self._added.prefix}scores")):
            return None
        label, score = found["label"], found[keys[1]]
        if not isinstance(label, str | None) or not isinstance(score, float | None):
            return None
        error = found.get(f"{self._added.prefix}error")
        truncated = found[f"{self._added.prefix}truncated"]
        return Found(label or "", score, str(error or ""), truncated is True, reached)

    def _fits(self, scores: Any) -> bool:
        return scores is None or (isinstance(scores, list) and len(scores) == self._added.labels)


class CsvLayout:
    """What `--format csv` writes: a header, then rows, which may be of several lines."""

    def __init__(self, form: Csv) -> None:
        self._form, self._added = form, form.added
        self.threshold = form.added.threshold
        self.options = _options("csv", form)
        self.header = _encoded(form.opening)

    def split(self, stream: BinaryIO) -> Iterator[bytes]:
        """The records, header included; the last may be a part of one."""
        lines: list[bytes] = []
        quotes = 0
        for line in stream:
            lines.append(line)
            quotes += line.count(b'"')
            if quotes % 2 == 0:
                yield b"".join(lines)
                lines.clear()
        if lines:
            yield b"".join(lines)

    def is_whole(self, record: bytes) -> bool:
        """Whether it has come to its end."""
        # A quote in a cell is doubled, so that their number is odd while a cell is open.
        return record.endswith(b"\n") and record.count(b'"') % 2 == 0

    def beginning(self, row: Row) -> bytes:
        """How the record of this row begins."""
        return _encoded(self._form.beginning(row))

    def has_shape(self, record: bytes) -> bool:
        """Whether a whole record, of whatever row, has the shape that the options give it."""
        return True  # as the header has

    def read(self, rest: bytes) -> Found | None:
        """What follows the beginning; None if it has not the shape that the options give it."""
        columns = self._added.columns
        try:
            [cells] = csv.reader(io.StringIO(rest.decode(), newline=""), strict=True)
            score = float(cells[1]) if cells[1:] and cells[1] else None
            found = dict(zip(columns, cells, strict=False))
            labels = found.get(f"{self._added.prefix}labels")
            reached = _read_reached(decode(labels)) if labels else None
        except (ValueError, csv.Error):
            return None
        truncated = found.get(f"{self._added.prefix}truncated")
        if len(cells) != len(columns) or truncated not in ("", "true", "false"):
            return None
        error = cells[-1] if self._added.errors else ""
        return Found(cells[0], score, error, truncated == "true", reached)


def _read_reached(labels: Any) -> frozenset[bytes] | None:
    """The names in a list of labels, which are objects in JSON and strings in CSV."""
    if not isinstance(labels, list):
        return None
    names = (item.get("label") if isinstance(item, dict) else item for item in labels)
    return frozenset(_encoded(name) for name in names if isinstance(name, str))


Layout = JsonLinesLayout | CsvLayout


def make_layout(form: Csv | JsonLines) -> Layout:
    """How records of this form are read back."""
    return CsvLayout(form) if isinstance(form, Csv) else JsonLinesLayout(form)


def _options(name: str, form: Csv | JsonLines) -> str:
    added = form.added
    prefix = f" --prefix {added.prefix}" if added.prefix else ""
    errors = " --on-error skip" if added.errors else ""
    least = "LABEL=T …" if isinstance(added.threshold, Mapping) else added.threshold
    threshold = "" if least is None else f" --threshold {least}"
    return f"--format {name} --top-k {added.top_k}{threshold}{prefix}{errors}"


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", _ERRORS)


@dataclass
class Begun:
    """How far an output file has come.

    `rows`: those that are not in it yet; `end`: the bytes of those that are, header included;
    `last`: the last of those that have an answer, and what it is.
    """

    rows: Iterator[Row]
    end: int = 0
    last: tuple[Row, Found] | None = None

    def has_more(self) -> bool:
        """Whether there is a row that is not in it yet."""
        first = next(self.rows, None)
        if first is None:
            return False
        self.rows = chain([first], self.rows)
        return True


def pass_over(path: Path, rows: Iterator[Row], layout: Layout, tally: Tally) -> Begun:
    """Compare what the file holds with the rows, one by one, and count them.

    Raises:
        InputError: it holds other rows than these, or not as these options write them.
    """
    begun = Begun(rows)
    try:
        with path.open("rb") as stream:
            _pass_over(layout.split(stream), begun, layout, path, tally)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    return begun


def _pass_over(
    records: Iterator[bytes], begun: Begun, layout: Layout, path: Path, tally: Tally
) -> None:
    begun.end = _header_end(next(records, b""), layout, path) if layout.header else 0
    for record in records:
        row = next(begun.rows, None)
        if row is None:
            raise _other_input(path, tally)
        if not layout.is_whole(record):
            _check_part(record, layout.beginning(row), path, tally)
            begun.rows = chain([row], begun.rows)
            break
        found = _check_record(record, row, layout, path, tally)
        tally.add(row, truncated=found.truncated, error=found.error)
        tally.begun += 1
        begun.end += len(record)
        if found.score is not None:
            begun.last = row, found


def _header_end(first: bytes, layout: Layout, path: Path) -> int:
    """The header's length; 0 if it is not there whole, and so nothing after it."""
    if first == layout.header:
        return len(first)
    if layout.header.startswith(_written(first)):
        return 0
    raise _other_options(f"{path}: its first row", layout)


def _check_record(record: bytes, row: Row, layout: Layout, path: Path, tally: Tally) -> Found:
    beginning = layout.beginning(row)
    if not record.startswith(beginning) and layout.has_shape(record):
        raise _other_input(path, tally)
    found = layout.read(record.removeprefix(beginning))
    if found is None or not (found.fits(row) and found.keeps(layout.threshold)):
        raise _other_options(f"{path}: its record {tally.rows + 1}", layout)
    return found


def _check_part(part: bytes, beginning: bytes, path: Path, tally: Tally) -> None:
    """It will be cut off, so it must be ours."""
    written = _written(part)
    if not (written.startswith(beginning) or beginning.startswith(written)):
        raise _other_input(path, tally)


def _written(part: bytes) -> bytes:
    """After a power loss, zeros may stand for what never came to the disk."""
    return part.rstrip(b"\0")


def check_last(
    path: Path, row: Row, found: Found, outcome: Outcome, threshold: Threshold | None = None
) -> None:
    """Check that a row's answer in the file is the one that it gets now.

    Raises:
        InputError: it is another one.
    """
    if not found.is_like(outcome, threshold):
        raise InputError(
            f"{path} was begun in another way: the answer to {row.place} in it is not what this "
            "command gets now. Another --column, --function, --labels, --threshold, --url or "
            "--bundle may have been given, or the server has a new version of the model: give what "
            "it was begun with, or another --output"
        )


def _other_input(path: Path, tally: Tally) -> InputError:
    return InputError(
        f"{path} belongs to another input: its record {tally.rows + 1} is not of the row at that "
        "place; give the input (and --format-in, --no-header) that it was begun with, or another "
        "--output"
    )


def _other_options(what: str, layout: Layout) -> InputError:
    return InputError(
        f"{what} is not as {layout.options} writes it for this input; give the input and the "
        "--format, --top-k, --threshold, --prefix, --missing, --on-error, --column, --no-header, "
        "--url and --bundle that it was begun with, or another --output"
    )
