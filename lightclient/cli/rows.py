"""The rows of a file, of stdin or of the command line, one at a time."""

import csv
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from operator import itemgetter
from typing import Any, BinaryIO

from lightclient.cli.lines import Lines, RowError
from lightclient.errors import InputError
from lightclient.messages import short_repr

_LARGEST_CELL = 2**31 - 1
_NUMBER = re.compile("[1-9][0-9]{0,5}")
_JSON_SPACE = " \t\r\n"
_SEMICOLONS = (
    "; it seems to be separated by semicolons. This makes commas of them: python3 -c 'import csv, "
    'sys; csv.writer(sys.stdout).writerows(csv.reader(sys.stdin, delimiter=";"))\' < IN > OUT.csv'
)
_TABS = "; it seems to be separated by tabs: --format-in tsv"
_LOOKED_AT = 64  # rows, of which one must have the key


@dataclass(frozen=True)
class Row:
    """One record of the input.

    `place`: what messages call it, like "row 4". `text`: None if it has none, and then `lack` says
    why. `names`: its own columns. `values`: their cells, but an object of JSON has none: it has
    its line, `raw`.
    """

    place: str
    text: str | None
    lack: str
    names: tuple[str, ...]
    values: tuple[str, ...] = ()
    raw: str = ""

    def as_object(self) -> str:
        """Its own columns as an object of JSON; one that was read as JSON is kept as it is."""
        if self.raw:
            return self.raw
        return json.dumps(dict(zip(self.names, self.values, strict=True)), ensure_ascii=False)

    def as_cells(self, header: tuple[str, ...]) -> Iterable[str]:
        """Its own columns as cells below a header; a key that it does not have is empty.

        Raises:
            RowError: it has a key that the header does not have.
        """
        if not self.raw:
            return self.values
        if more := [name for name in self.names if name not in header]:
            raise RowError(
                f"{self.place} has the key {short_repr(more[0])}, for which the first record made "
                "no column",
                option="--format jsonl",
            )
        found = _members(self.raw)
        return [found.get(name, "") for name in header]


class Source:
    """Where the rows come from; iterate over it to read them.

    `name`: of the file. `header`: the names of the columns, None if each row has its own.
    `notice`: what the user should know about how it is read. `missing`: what becomes of a row
    without a text, as `--missing` says it. `read`: how many rows have been read.
    """

    def __init__(
        self,
        name: str,
        header: tuple[str, ...] | None,
        rows: Iterator[Row],
        notice: str = "",
        *,
        lines: Lines | None = None,
        count: int | None = None,
    ) -> None:
        self.name, self.header, self.notice = name, header, notice
        self.missing, self.read = "skip", 0
        self._rows, self._lines, self._count = rows, lines, count
        self._next: Row | None = None

    def __iter__(self) -> Iterator[Row]:
        return self

    def __next__(self) -> Row:
        row, self._next = self.peek(), None
        if row is None:
            raise StopIteration
        self.read += 1
        return row

    def peek(self) -> Row | None:
        """The next row, which stays the next one; None at the end.

        Raises:
            RowError: it has no text, and `missing` calls that an error.
        """
        if self._next is None and (row := next(self._rows, None)):
            self._next = self._with_text(row)
        return self._next

    def _with_text(self, row: Row) -> Row:
        if row.text is not None or self.missing == "skip":
            return row
        if self.missing == "empty":
            return replace(row, text="")
        raise RowError(
            f"{self.name}: {row.place} {row.lack}",
            option="--missing skip to leave such rows without an answer, or --missing empty to "
            "classify the empty text",
        )

    def first_names(self) -> tuple[str, ...]:
        """The header, or the names of the first row, which is read for that."""
        if self.header is not None:
            return self.header
        first = self.peek()
        return first.names if first else ()

    def total(self) -> tuple[int, bool] | None:
        """How many rows there are, and whether that is exact; None if nobody knows."""
        if self._count is not None:
            return self._count, True
        share = self._lines.share() if self._lines else 0
        return (max(round(self.read / share), self.read), False) if share and self.read else None


def read_texts(texts: list[str]) -> Source:
    """The texts of a command line."""
    rows = (_plain_row(f"text {at}", text) for at, text in enumerate(texts, 1))
    file = next(filter(os.path.isfile, texts), None)
    notice = "" if file is None else f"{short_repr(file)} is taken for a text: --file reads a file"
    return Source("the command line", ("text",), rows, notice, count=len(texts))


def read_rows(
    stream: BinaryIO, name: str, kind: str, column: str | None = None, *, has_header: bool = True
) -> Source:
    """The rows of a stream of UTF-8 text.

    Args:
        stream: the bytes.
        name: what messages call it.
        kind: `txt`: a text a line. `csv`, `tsv`: a header, then rows. `jsonl`: an object a line.
            Empty lines of these three hold no row and are passed over; but where a table has a
            single column, they are rows with an empty cell.
        column: the column or key that holds the text; or the number of a column, from 1.
        has_header: False if the first line is a row. The columns are column_1, column_2 and so on.

    Raises:
        InputError: there is no such column, or a line is not what it must be. As for JSON, the
            rows tell it: a key is wrong if none of the first 64 has it.
    """
    if column is None and kind == "jsonl":
        raise InputError(f"{name}: say which key holds the text: --column NAME")
    if column is not None and kind == "txt":
        raise InputError(f"{name}: plain lines have no columns; leave --column out")
    return _READERS[kind](Lines(stream, name), column, has_header)


def _row(place: str, text: str | None, lack: str, **own: Any) -> Row:
    has_text = text is not None and text.strip()
    return Row(place, text if has_text else None, "" if has_text else lack, **own)


def _ended(line: str) -> str:
    return line.removesuffix("\n").removesuffix("\r")


def _plain(lines: Lines, column: str | None, has_header: bool) -> Source:
    numbered = enumerate(map(_ended, lines), 1)
    rows = (_plain_row(f"line {number}", line) for number, line in numbered)
    return Source(lines.name, ("text",), rows, lines=lines)


def _plain_row(place: str, text: str) -> Row:
    return _row(place, text, "is empty", names=("text",), values=(text,))


def _csv(lines: Lines, column: str | None, has_header: bool) -> Source:
    return _table(_csv_records(lines), lines, column, has_header)


def _csv_records(lines: Lines) -> Iterator[list[str]]:
    csv.field_size_limit(_LARGEST_CELL)
    reader = csv.reader(iter(lines), strict=True)
    try:
        yield from reader
    except csv.Error as error:
        hint = _SEMICOLONS if reader.line_num == 1 and ";" in lines.first else ""
        raise RowError(
            f"{lines.name}: line {reader.line_num} is broken CSV: {error}{hint}"
        ) from error


def _tsv(lines: Lines, column: str | None, has_header: bool) -> Source:
    """Tab-separated values know no quotes (IANA, text/tab-separated-values)."""
    ended = map(_ended, lines)
    return _table((line.split("\t") if line else [] for line in ended), lines, column, has_header)


def _table(
    records: Iterator[list[str]], lines: Lines, column: str | None, has_header: bool
) -> Source:
    numbered: Iterator[tuple[int, list[str]]] = enumerate(records, 1)
    first = next(filter(itemgetter(1), numbered), (1, []))
    names = tuple(first[1])
    if not has_header:
        names = tuple(f"column_{at}" for at in range(1, len(names) + 1))
        blank: Iterator[tuple[int, list[str]]] = ((at, []) for at in range(1, first[0]))
        numbered = chain(blank, [first], numbered)
    if column is None:
        raise InputError(
            f"{lines.name}: say which column holds the text: --column NAME; the first row has "
            f"{_short(names)}{_separated(first[1])}"
        )
    if not (has_header or names):
        return Source(lines.name, names, iter(()))
    _check_names(names, lines.name)
    at = _find(column, names, lines.name, _separated(first[1]))
    notice = ""
    if has_header and names[at] != column:
        notice = (
            f"the first line was taken for a header: column {column} is {short_repr(names[at])}; "
            "--no-header if it is a row"
        )
    rows = _table_rows(numbered, names, at, lines.name)
    return Source(lines.name, names, rows, notice, lines=lines)


def _check_names(names: tuple[str, ...], name: str) -> None:
    if len(set(names)) < len(names):
        twice = dict.fromkeys(column for column in names if names.count(column) > 1)
        raise InputError(
            f"{name}: the first row names more than one column "
            f"{', '.join(map(short_repr, twice))}: rename them, or give --no-header if it is a row"
        )


def _find(column: str, names: tuple[str, ...], name: str, hint: str) -> int:
    if column in names:
        return names.index(column)
    if _NUMBER.fullmatch(column) and int(column) <= len(names):
        return int(column) - 1
    raise InputError(
        f"{name}: no column {short_repr(column)}; the first row has {_short(names)}"
        f"{hint or '; a number counts the columns from 1'}"
    )


def _separated(cells: list[str]) -> str:
    """A hint, if something else than commas seems to separate them."""
    if any("\t" in cell for cell in cells):
        return _TABS
    return _SEMICOLONS if any(";" in cell for cell in cells) else ""


def _table_rows(
    numbered: Iterator[tuple[int, list[str]]], names: tuple[str, ...], at: int, name: str
) -> Iterator[Row]:
    column, width = short_repr(names[at]), len(names)
    for number, found in numbered:
        if not found and width > 1:
            continue
        cells = found or [""]  # an empty cell cannot be written in another way as TSV
        if len(cells) > width:
            raise RowError(
                f"{name}: row {number} has {len(cells)} cells, but there are {width} columns; a "
                "cell with a separator in it must stand in double quotes"
            )
        lack = f"has an empty {column}" if at < len(cells) else f"has no cell for {column}"
        values = (*cells, *[""] * (width - len(cells)))
        yield _row(f"row {number}", values[at], lack, names=names, values=values)


def _short(names: tuple[str, ...]) -> str:
    return ", ".join(map(short_repr, names[:20])) or "nothing"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"an object has the key {short_repr(twice)} twice")
    return found


# Numbers are only looked at, and int() refuses those of more than 4,300 digits.
_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_int=float)


def decode(line: str) -> Any:
    """The value of a line of JSON. Integers become floats.

    Raises:
        ValueError: it is no JSON, or has a key twice in an object.
    """
    try:
        return _DECODER.decode(line)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _jsonl(lines: Lines, column: str | None, has_header: bool) -> Source:
    key = column or ""
    rows = _with_key(key, _objects(lines, key), lines.name)
    return Source(lines.name, None, rows, lines=lines)


def _with_key(key: str, rows: Iterator[Row], name: str) -> Iterator[Row]:
    """The rows, if one of the first has the key; until it comes, those before it wait."""
    begun: list[Row] = []
    for row in islice(rows, _LOOKED_AT):
        begun.append(row)
        if key in row.names:
            break
    if begun and key not in begun[-1].names:
        raise InputError(
            f"{name}: none of the first {_LOOKED_AT} rows has the key {short_repr(key)} that "
            f"--column names; {begun[0].place} has {_short(begun[0].names)}"
        )
    yield from chain(begun, rows)


def _objects(lines: Lines, column: str) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = decode(line)
        except ValueError as error:
            raise RowError(
                f"{lines.name}: line {number} cannot be read as JSON: {error}"
            ) from error
        if not isinstance(record, dict):
            raise RowError(f"{lines.name}: line {number} is no JSON object")
        yield _object_row(f"line {number}", record, column, line.strip(_JSON_SPACE))


def _object_row(place: str, record: dict[str, Any], column: str, raw: str) -> Row:
    names, value, key = tuple(record), record.get(column), short_repr(column)
    if column not in record:
        return _row(place, None, f"has no {key}, but {_short(names)}", names=names, raw=raw)
    if not isinstance(value, str):
        kind = "null" if value is None else "no string"
        return _row(place, None, f"has {kind} under {key}", names=names, raw=raw)
    return _row(place, value, f"has an empty {key}", names=names, raw=raw)


def _members(raw: str) -> dict[str, str]:
    """The members of an object: strings as such, other values as they are written."""
    found = {}
    at = _behind_space(raw, 1)
    while raw[at] != "}":
        key, end = _DECODER.raw_decode(raw, at)
        start = _behind_space(raw, end)
        value, end = _DECODER.raw_decode(raw, start)
        found[key] = value if isinstance(value, str) else raw[start:end]
        at = _behind_space(raw, end)
    return found


def _behind_space(raw: str, at: int) -> int:
    """Where the next key, value or bracket begins."""
    while raw[at] in _JSON_SPACE + ":,":
        at += 1
    return at


_READERS: dict[str, Callable[[Lines, str | None, bool], Source]] = {
    "txt": _plain,
    "csv": _csv,
    "tsv": _tsv,
    "jsonl": _jsonl,
}
KINDS = tuple(_READERS)
