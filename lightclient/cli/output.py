"""Rows with their answers, as a table, JSON, JSON lines or CSV."""

import csv
import io
import json
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, BinaryIO, TextIO

from lightclient.classification import Classification, Score, Threshold
from lightclient.cli.lines import RowError
from lightclient.cli.rows import Row, decode
from lightclient.errors import LightClientError
from lightclient.messages import printable, short_repr

Outcome = Classification | LightClientError | None  # None: the row has no text
_SPECIAL = re.compile('[",\r\n]')


def shorten(text: str, room: int | None = None) -> str:
    """One printable line of at most `room` characters, the terminal's width if left out."""
    room = shutil.get_terminal_size().columns - 10 if room is None else room
    room = max(room, 10)
    line = "".join(char if char.isprintable() else " " for char in text[: room + 1])
    return line if len(line) <= room else line[: room - 1] + "…"


def bar(score: float, width: int = 40) -> str:
    """A probability as a bar."""
    return "█" * round(score * width)


@dataclass(frozen=True)
class Added:
    """The columns that are put behind a row's own.

    `prefix`: stands before their names. `top_k`: how many labels were asked for. `labels`: how many
    are shown, since the model may have fewer. `threshold`: if there is one, a column holds the
    labels at or above it. `windows`: whether there is a column for how many a long text was read
    in. `errors`: whether there is one for errors.
    """

    prefix: str = ""
    top_k: int = 1
    labels: int = 1
    threshold: Threshold | None = None
    windows: bool = False
    errors: bool = False

    @cached_property
    def columns(self) -> list[str]:
        """Their names in CSV."""
        return list(self.cells(None))

    @cached_property
    def keys(self) -> list[str]:
        """Their names in JSON."""
        return list(self.members(None))

    def cells(self, outcome: Outcome) -> dict[str, str]:
        """Their names and cells in CSV; empty where there is no answer."""
        answer = outcome if isinstance(outcome, Classification) else None
        scores = answer.scores if answer else ()
        found: dict[str, str] = {}
        for rank in range(1, self.labels + 1):
            label, score = scores[rank - 1] if rank <= len(scores) else ("", "")
            tail = f"_{rank}" if rank > 1 else ""
            found |= {f"label{tail}": label, f"score{tail}": str(score)}
        if self.threshold is not None:
            names = answer and [label for label, _ in answer.above(self.threshold)]
            # As JSON, because a label may hold any character.
            found["labels"] = json.dumps(names, ensure_ascii=False) if answer else ""
        found["truncated"] = str(answer.truncated).lower() if answer else ""
        if self.windows:
            found["windows"] = str(answer.windows) if answer else ""
        if self.errors:
            found["error"] = _error_name(outcome) or ""
        return self._prefixed(found)

    def members(self, outcome: Outcome) -> dict[str, Any]:
        """Their names and values in JSON; null where there is no answer."""
        answer = outcome if isinstance(outcome, Classification) else None
        found: dict[str, Any] = {"label": answer and answer.label, "score": answer and answer.score}
        if self.top_k > 1:
            found["scores"] = answer and _objects(answer.scores[: self.top_k])
        if self.threshold is not None:
            found["labels"] = answer and _objects(answer.above(self.threshold))
        found["truncated"] = answer and answer.truncated
        if self.windows:
            found["windows"] = answer and answer.windows
        if self.errors:
            found["error"] = _error_name(outcome)
        return self._prefixed(found)

    def _prefixed(self, found: dict[str, Any]) -> dict[str, Any]:
        return {self.prefix + name: value for name, value in found.items()}


def _objects(scores: Iterable[Score]) -> list[dict[str, Any]]:
    return [score._asdict() for score in scores]


def _error_name(outcome: Outcome) -> str | None:
    return type(outcome).__name__ if isinstance(outcome, LightClientError) else None


def _check_names(names: Iterable[str], added: list[str], where: str) -> None:
    """Check that a row's own columns have other names than the added ones.

    Raises:
        RowError: they have not; the message names the way out.
    """
    if both := [name for name in names if name in added]:
        raise RowError(
            f"{where} has {', '.join(map(short_repr, both))} already, as the answers' columns are "
            "called",
            option="--prefix lc_",
        )


class Table:
    """`label  score  text`, a line each, for the eyes; cut to the terminal's width.

    The labels are the best ones, or those at or above the threshold if there is one.
    """

    opening = between = closing = empty = ""

    def __init__(self, added: Added, header: tuple[str, ...]) -> None:
        self._top_k, self._threshold = added.top_k, added.threshold

    def record(self, row: Row, outcome: Outcome) -> str:
        """A line."""
        found = _error_name(outcome) or "(no text)"
        if isinstance(outcome, Classification):
            width = max(len(label) for label, _ in outcome.scores)
            best = outcome.scores[: self._top_k]
            if self._threshold is not None:
                best = outcome.above(self._threshold)
            found = "  ".join(f"{printable(label):<{width}} {score:.5f}" for label, score in best)
            found = found or "(no label)"
        room = shutil.get_terminal_size().columns - len(found) - 2
        return f"{found}  {shorten(row.text or '', room)}".rstrip() + "\n"


class JsonLines:
    """An object a line: the row's own members, then the added ones."""

    opening = between = closing = empty = ""

    def __init__(self, added: Added, header: tuple[str, ...]) -> None:
        self.added = added
        _check_names(header, added.keys, "the header")

    def beginning(self, row: Row) -> str:
        """How the record of this row begins, whatever its answer is."""
        _check_names(row.names, self.added.keys, row.place)
        own = row.as_object()[:-1].rstrip(" \t\r\n")
        return own if own == "{" else f"{own}, "

    def record(self, row: Row, outcome: Outcome) -> str:
        """A line."""
        members = json.dumps(self.added.members(outcome), ensure_ascii=False)
        return f"{self.beginning(row)}{members.removeprefix('{')}\n"

    def split(self, stream: BinaryIO) -> Iterator[tuple[bytes, bool]]:
        """The records of a file, and whether each is whole: the last may be a part of one."""
        return ((line, line.endswith(b"\n")) for line in stream)

    def read(self, rest: str) -> dict[str, Any]:
        """The added members, from what follows the beginning.

        Raises:
            ValueError: it has not the shape that the options give it.
        """
        found: dict[str, Any] = decode("{" + rest)
        scores = found.get(f"{self.added.prefix}scores")
        is_short = isinstance(scores, list) and len(scores) != self.added.labels
        if is_short or list(found) != self.added.keys:
            raise ValueError("other keys")
        return found


class Json(JsonLines):
    """The same objects in one array."""

    opening, between, closing, empty = "[\n", ",\n", "\n]\n", "[]\n"

    def record(self, row: Row, outcome: Outcome) -> str:
        """An item of the array."""
        return super().record(row, outcome).removesuffix("\n")


class Csv:
    """A header, then rows: their own cells, then the added ones."""

    between = closing = ""

    def __init__(self, added: Added, header: tuple[str, ...]) -> None:
        self.added = added
        self._header = header
        _check_names(header, added.columns, "the header")
        self.opening = self.empty = csv_line([*header, *added.columns])

    def beginning(self, row: Row) -> str:
        """How the record of this row begins, whatever its answer is."""
        return "".join(f"{_csv_cell(cell)}," for cell in row.as_cells(self._header))

    def record(self, row: Row, outcome: Outcome) -> str:
        """A row, which may be of several lines."""
        return self.beginning(row) + csv_line(self.added.cells(outcome).values())

    def split(self, stream: BinaryIO) -> Iterator[tuple[bytes, bool]]:
        """The records of a file, header included, and whether each is whole: see `JsonLines`."""
        lines: list[bytes] = []
        quotes = 0
        for line in stream:
            lines.append(line)
            quotes += line.count(b'"')
            # A quote in a cell is doubled, so that their number is odd while a cell is open.
            if quotes % 2 == 0:
                yield b"".join(lines), line.endswith(b"\n")
                lines.clear()
        if lines:
            yield b"".join(lines), False

    def read(self, rest: str) -> dict[str, Any]:
        """The added cells, as `JsonLines` has their values; see there."""
        try:
            [cells] = csv.reader(io.StringIO(rest, newline=""), strict=True)
        except csv.Error as error:
            raise ValueError("broken") from error
        found: dict[str, Any] = dict(zip(self.added.columns, cells, strict=True))
        for name in found:
            if name.removeprefix(self.added.prefix) in ("score", "labels", "truncated", "windows"):
                found[name] = decode(found[name] or "null")
        return found


def csv_line(cells: Iterable[str]) -> str:
    """A row."""
    return ",".join(map(_csv_cell, cells)) + "\n"


def _csv_cell(text: str) -> str:
    # csv.writer leaves a lone carriage return without quotes before Python 3.13, and cannot write
    # a NUL before 3.11.
    if not _SPECIAL.search(text):
        return text
    return '"' + text.replace('"', '""') + '"'


Form = Table | Json | JsonLines | Csv
FORMS: dict[str, type[Form]] = {"table": Table, "json": Json, "jsonl": JsonLines, "csv": Csv}
# Those whose records can be told apart, and their rows found again.
CONTINUING = ("jsonl", "csv")


def write(
    form: Form, answers: Iterator[tuple[Row, Outcome]], out: TextIO, *, goes_on: bool = False
) -> None:
    """Write rows as they come, each in one piece. `goes_on`: there are some already."""
    before, after = form.opening, form.empty
    if goes_on:
        before, after = form.between, form.closing
    for row, outcome in answers:
        out.write(before + form.record(row, outcome))
        before, after = form.between, form.closing
    out.write(after)
