"""Rows with their answers, as a table, JSON, JSON lines or CSV."""

import json
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TextIO

from lightclient.classification import Classification, Threshold
from lightclient.cli.lines import RowError
from lightclient.cli.rows import Row
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
    are shown, since the model may have fewer. `errors`: whether there is a column for errors.
    `threshold`: if there is one, a column holds the labels at or above it.
    """

    prefix: str = ""
    top_k: int = 1
    labels: int = 1
    errors: bool = False
    threshold: Threshold | None = None

    @cached_property
    def columns(self) -> list[str]:
        """Their names in CSV."""
        ranks = range(2, self.labels + 1)
        more = [name for rank in ranks for name in (f"label_{rank}", f"score_{rank}")]
        return self._named("label", "score", *more, *self._reached, "truncated")

    @cached_property
    def keys(self) -> list[str]:
        """Their names in JSON."""
        scores = ["scores"][: self.top_k - 1]
        return self._named("label", "score", *scores, *self._reached, "truncated")

    @property
    def _reached(self) -> list[str]:
        return [] if self.threshold is None else ["labels"]

    def _named(self, *names: str) -> list[str]:
        return [self.prefix + name for name in (*names, *["error"][: self.errors])]

    def cells(self, outcome: Outcome) -> list[str]:
        """Their cells in CSV; empty where there is no answer."""
        cells = [""] * (len(self.columns) - self.errors)
        if isinstance(outcome, Classification):
            best = outcome.scores[: self.labels]
            found = [cell for label, score in best for cell in (label, repr(score))]
            found += [""] * (2 * self.labels - len(found))
            if self.threshold is not None:  # as JSON, because a label may hold any character
                names = [label for label, _ in outcome.above(self.threshold)]
                found.append(json.dumps(names, ensure_ascii=False))
            cells = [*found, str(outcome.truncated).lower()]
        return [*cells, *[_error_name(outcome) or ""][: self.errors]]

    def members(self, outcome: Outcome) -> dict[str, Any]:
        """Their values in JSON; null where there is no answer."""
        found: list[Any] = [None] * (len(self.keys) - self.errors)
        if isinstance(outcome, Classification):
            scores = [score._asdict() for score in outcome.scores[: self.top_k]]
            more = [scores][: self.top_k - 1]
            if self.threshold is not None:
                more.append([score._asdict() for score in outcome.above(self.threshold)])
            found = [outcome.label, outcome.score, *more, outcome.truncated]
        return dict(zip(self.keys, [*found, *[_error_name(outcome)][: self.errors]], strict=True))


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
        self._keys = added.keys
        _check_names(header, self._keys, "the header")

    def beginning(self, row: Row) -> str:
        """How the record of this row begins, whatever its answer is."""
        _check_names(row.names, self._keys, row.place)
        own = row.as_object()[:-1].rstrip(" \t\r\n")
        label = json.dumps(self._keys[0], ensure_ascii=False)
        return f"{own}{'' if own == '{' else ', '}{label}: "

    def record(self, row: Row, outcome: Outcome) -> str:
        """A line."""
        label, *rest = self.added.members(outcome).items()
        members = json.dumps(dict(rest), ensure_ascii=False).removeprefix("{")
        return f"{self.beginning(row)}{json.dumps(label[1], ensure_ascii=False)}, {members}\n"


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
        return "".join(f"{csv_cell(cell)}," for cell in row.as_cells(self._header))

    def record(self, row: Row, outcome: Outcome) -> str:
        """A row, which may be of several lines."""
        return self.beginning(row) + csv_line(self.added.cells(outcome))


def csv_line(cells: Iterable[str]) -> str:
    """A row."""
    return ",".join(map(csv_cell, cells)) + "\n"


def csv_cell(text: str) -> str:
    """One cell, in quotes if it needs them."""
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
