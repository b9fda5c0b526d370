"""The rows of a file, of stdin or of the command line, one at a time."""

import csv
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from operator import itemgetter
from typing import Any, BinaryIO

from lightclient.errors import InputError
from lightclient.messages import short_repr

_LARGEST_CELL = 2**31 - 1
_NUMBER = re.compile("[1-9][0-9]{0,5}")
_JSON_SPACE = " \t\r\n"
_SEMICOLONS = (
    "; it seems to be separated by semicolons. This makes commas of them: python3 -c 'import csv, "
    'sys; csv.writer(sys.stdout).writerows(csv.reader(sys.stdin, delimiter=";"))\' < IN > OUT.csv'
)


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
            InputError: it has a key that the header does not have.
        """
        if not self.raw:
            return self.values
        if more := [name for name in self.names if name not in header]:
            raise InputError(
                f"{self.place} has the key {short_repr(more[0])}, for which the first record made "
                "no column: use --format jsonl"
            )
        found = _members(self.raw)
        return [found.get(name, "") for name in header]


def apply_missing(row: Row, rule: str, name: str) -> Row:
    """Do with a row that has no text what `--missing` says: skip, empty or error.

    Raises:
        InputError: it is an error; `name` is that of the file.
    """
    if row.text is not None or rule == "skip":
        return row
    if rule == "empty":
        return replace(row, text="")
    raise InputError(
        f"{name}: {row.place} {row.lack}; --missing skip leaves such rows without an answer, and "
        "--missing empty classifies the empty text"
    )


class Lines:
    """The lines of a UTF-8 stream, with their ends; a BOM before the first is dropped.

    `name`: of the file. `bytes`: how many have been read. `first`: the first line.

    Raises:
        InputError: a line is not UTF-8, or cannot be read; the message names it.
    """

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self.name = name
        self.bytes = 0
        self.first = ""
        self._stream = stream

    def __iter__(self) -> Iterator[str]:
        number = 0
        try:
            for number, line in enumerate(self._stream, 1):
                self.bytes += len(line)
                decoded = line.decode("utf-8-sig" if number == 1 else "utf-8")
                self.first = self.first or decoded
                yield decoded
        except UnicodeDecodeError as error:
            raise InputError(
                f"{self.name}: line {number} is not UTF-8 ({error.reason}); convert the file "
                "first, as with `iconv -f latin1 -t utf-8`"
            ) from error
        except OSError as error:
            raise InputError(f"{self.name} cannot be read: {error.strerror}") from error


class Source:
    """Where the rows come from; iterate over it to read them.

    `name`: of the file. `header`: the names of the columns, None if each row has its own.
    `notice`: what the user should know about how it is read. `read`: how many rows have been read.
    """

    def __init__(
        self,
        name: str,
        header: tuple[str, ...] | None,
        rows: Iterator[Row],
        *,
        notice: str = "",
        count: int | None = None,
    ) -> None:
        self.name, self.header, self.notice = name, header, notice
        self.read = 0
        self._rows, self._count = rows, count
        self._lines: Lines | None = None
        self._size: int | None = None

    def __iter__(self) -> Iterator[Row]:
        return self

    def __next__(self) -> Row:
        row = next(self._rows)
        self.read += 1
        return row

    def first_names(self) -> tuple[str, ...]:
        """The header, or the names of the first row, which is read for that."""
        if self.header is not None:
            return self.header
        first = next(self._rows, None)
        if first is None:
            return ()
        self._rows = chain([first], self._rows)
        return first.names

    def measure(self, lines: Lines, stream: BinaryIO) -> None:
        """Remember the size of a regular file, from which `total` is estimated."""
        try:
            self._size = os.fstat(stream.fileno()).st_size or None
        except OSError:
            return  # it has no file below it
        self._lines = lines

    def total(self) -> tuple[int, bool] | None:
        """How many rows there are, and whether that is exact; None if nobody knows."""
        if self._count is not None:
            return self._count, True
        if not (self._lines and self._size and self._lines.bytes and self.read):
            return None
        return max(round(self.read * self._size / self._lines.bytes), self.read), False


def read_texts(texts: list[str]) -> Source:
    """The texts of a command line."""
    rows = (_plain_row(f"text {at}", text) for at, text in enumerate(texts, 1))
    return Source("the command line", ("text",), rows, count=len(texts))


def read_rows(
    stream: BinaryIO, name: str, kind: str, column: str | None = None, *, has_header: bool = True
) -> Source:
    """The rows of a stream of UTF-8 text.

    Args:
        stream: the bytes.
        name: what messages call it.
        kind: `txt`: a text a line. `csv`, `tsv`: a header, then rows. `jsonl`: an object a line.
            Empty lines of these three hold no row and are passed over.
        column: the column or key that holds the text; or the number of a column, from 1.
        has_header: False if the first line is a row. The columns are column_1, column_2 and so on.

    Raises:
        InputError: there is no such column, or a line is not what it must be.
    """
    if column is None and kind != "txt":
        raise InputError(f"{name}: say which column holds the text: --column NAME")
    if column is not None and kind == "txt":
        raise InputError(f"{name}: plain lines have no columns; leave --column out")
    lines = Lines(stream, name)
    source = _READERS[kind](lines, column or "", has_header)
    source.measure(lines, stream)
    return source


def _row(place: str, text: str | None, lack: str, **own: Any) -> Row:
    if text is not None and not text.strip():
        text, lack = None, lack or "is empty"
    return Row(place, text, "" if text is not None else lack, **own)


def _ended(line: str) -> str:
    return line.removesuffix("\n").removesuffix("\r")


def _plain(lines: Lines, column: str, has_header: bool) -> Source:
    numbered = enumerate(map(_ended, lines), 1)
    rows = (_plain_row(f"line {number}", line) for number, line in numbered)
    return Source(lines.name, ("text",), rows)


def _plain_row(place: str, text: str) -> Row:
    return _row(place, text, "is empty", names=("text",), values=(text,))


def _csv(lines: Lines, column: str, has_header: bool) -> Source:
    return _table(_csv_records(lines), lines, column, has_header)


def _csv_records(lines: Lines) -> Iterator[list[str]]:
    csv.field_size_limit(_LARGEST_CELL)
    reader = csv.reader(iter(lines), strict=True)
    try:
        yield from reader
    except csv.Error as error:
        hint = _SEMICOLONS if reader.line_num == 1 and ";" in lines.first else ""
        raise InputError(
            f"{lines.name}: line {reader.line_num} is broken CSV: {error}{hint}"
        ) from error


def _tsv(lines: Lines, column: str, has_header: bool) -> Source:
    """Tab-separated values know no quotes (IANA, text/tab-separated-values)."""
    ended = map(_ended, lines)
    return _table((line.split("\t") if line else [] for line in ended), lines, column, has_header)


def _table(records: Iterator[list[str]], lines: Lines, column: str, has_header: bool) -> Source:
    numbered: Iterator[tuple[int, list[str]]] = filter(itemgetter(1), enumerate(records, 1))
    first = next(numbered, (1, []))
    names = tuple(first[1])
    if not has_header:
        names = tuple(f"column_{at}" for at in range(1, len(names) + 1))
        numbered = chain([first] if names else [], numbered)
        if not names:
            return Source(lines.name, names, iter(()))
    _check_names(names, lines.name)
    at = _find(column, names, lines)
    notice = ""
    if has_header and names[at] != column:
        notice = (
            f"the first line was taken for a header: column {column} is {short_repr(names[at])}; "
            "--no-header if it is a row"
        )
    return Source(lines.name, names, _table_rows(numbered, names, at, lines.name), notice=notice)


def _check_names(names: tuple[str, ...], name: str) -> None:
    if len(set(names)) < len(names):
        twice = dict.fromkeys(column for column in names if names.count(column) > 1)
        raise InputError(
            f"{name}: the first row names more than one column "
            f"{', '.join(map(short_repr, twice))}: rename them, or give --no-header if it is a row"
        )


def _find(column: str, names: tuple[str, ...], lines: Lines) -> int:
    if column in names:
        return names.index(column)
    if _NUMBER.fullmatch(column) and int(column) <= len(names):
        return int(column) - 1
    raise InputError(
        f"{lines.name}: no column {short_repr(column)} in the first row, which has "
        f"{', '.join(map(short_repr, names[:20])) or 'nothing'}"
        + (_SEMICOLONS if ";" in lines.first else "; a number counts the columns from 1")
    )


def _table_rows(
    numbered: Iterator[tuple[int, list[str]]], names: tuple[str, ...], at: int, name: str
) -> Iterator[Row]:
    column, width = short_repr(names[at]), len(names)
    for number, cells in numbered:
        if len(cells) > width:
            raise InputError(
                f"{name}: row {number} has {len(cells)} cells, but there are {width} columns"
            )
        lack = f"has an empty {column}" if at < len(cells) else f"has no cell for {column}"
        values = (*cells, *[""] * (width - len(cells)))
        yield _row(f"row {number}", values[at], lack, names=names, values=values)


class _RepeatedKeyError(Exception):
    """An object has a key twice."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _RepeatedKeyError(next(key for key in keys if keys.count(key) > 1))
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
    except _RepeatedKeyError as error:
        raise ValueError(f"an object has the key {short_repr(error.args[0])} twice") from error


def _jsonl(lines: Lines, column: str, has_header: bool) -> Source:
    return Source(lines.name, None, _objects(lines, column))


def _objects(lines: Lines, column: str) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = decode(line)
        except ValueError as error:
            raise InputError(
                f"{lines.name}: line {number} cannot be read as JSON: {error}"
            ) from error
        if not isinstance(record, dict):
            raise InputError(f"{lines.name}: line {number} is no JSON object")
        yield _object_row(f"line {number}", record, column, line.strip(_JSON_SPACE))


def _object_row(place: str, record: dict[str, Any], column: str, raw: str) -> Row:
    names, value, key = tuple(record), record.get(column), short_repr(column)
    if column not in record:
        keys = ", ".join(map(short_repr, names[:20])) or "nothing"
        return _row(place, None, f"has no {key}, but {keys}", names=names, raw=raw)
    if not isinstance(value, str):
        kind = "null" if value is None else "no string"
        return _row(place, None, f"has {kind} under {key}", names=names, raw=raw)
    return _row(place, value, f"has an empty {key}", names=names, raw=raw)


def _members(raw: str) -> dict[str, str]:
    """The members of an object: strings as such, other values as they are written."""
    found = {}
    at = _after_space(raw, 1)
    while raw[at] != "}":
        key, end = _DECODER.raw_decode(raw, at)
        start = _after_space(raw, _after_space(raw, end) + 1)  # behind the colon
        value, end = _DECODER.raw_decode(raw, start)
        found[key] = value if isinstance(value, str) else raw[start:end]
        at = _after_space(raw, end)
        if raw[at] == ",":
            at = _after_space(raw, at + 1)
    return found


def _after_space(raw: str, at: int) -> int:
    while raw[at] in _JSON_SPACE:
        at += 1
    return at


_READERS: dict[str, Callable[[Lines, str, bool], Source]] = {
    "txt": _plain,
    "csv": _csv,
    "tsv": _tsv,
    "jsonl": _jsonl,
}
KINDS = tuple(_READERS)
