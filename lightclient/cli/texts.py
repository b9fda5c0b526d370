"""Texts from a file or from stdin, one at a time."""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from lightclient.errors import InputError

_LARGEST_CELL = 2**31 - 1
_NUMBER = re.compile("[1-9][0-9]{0,5}")


def read_lines(stream: BinaryIO, name: str) -> Iterator[str]:
    """The lines of UTF-8 text, without their ends. Raises as `_decoded` does."""
    yield from map(_ended, _decoded(stream, name))


def _decoded(stream: BinaryIO, name: str) -> Iterator[str]:
    """The lines of UTF-8 text with their ends; a BOM before the first is dropped.

    Raises:
        InputError: a line is not UTF-8; the message names it.
    """
    for number, line in enumerate(stream, 1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{name}: line {number} is not UTF-8 ({error.reason}); convert the file first, as "
                "with `iconv -f latin1 -t utf-8`"
            ) from error


def read_file(path: Path, column: str | None) -> Iterator[str]:
    """The texts of a `.txt`, `.csv`, `.tsv` or `.jsonl` file.

    `.txt`: a line each. `.csv` and `.tsv`: the column by its name in the first row, or by its
    number, from 1, where the file has no header. `.jsonl`: the value of that key in each line.
    Empty lines of `.csv` and `.jsonl` hold no record and are passed over.

    Raises:
        InputError: the ending or the column is unknown, or a line is not what it must be.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path}: the file must end in {', '.join(_READERS)}")
    if column is None and reader is not _plain:
        raise InputError(f"{path}: say which column holds the text: --column NAME")
    if column is not None and reader is _plain:
        raise InputError(f"{path}: a .txt file has no columns; leave --column out")
    try:
        with path.open("rb") as stream:
            yield from reader(_decoded(stream, str(path)), str(path), column or "")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def _ended(line: str) -> str:
    return line.removesuffix("\n").removesuffix("\r")


def _plain(lines: Iterator[str], name: str, column: str) -> Iterator[str]:
    yield from map(_ended, lines)


def _csv(lines: Iterator[str], name: str, column: str) -> Iterator[str]:
    csv.field_size_limit(_LARGEST_CELL)
    reader = csv.reader(lines, strict=True)
    try:
        yield from _cells(reader, name, column)
    except csv.Error as error:
        raise InputError(f"{name}: line {reader.line_num} is broken CSV: {error}") from error


def _tsv(lines: Iterator[str], name: str, column: str) -> Iterator[str]:
    """Tab-separated values know no quotes (IANA, text/tab-separated-values)."""
    yield from _cells((_ended(line).split("\t") for line in lines), name, column)


def _cells(rows: Iterable[list[str]], name: str, column: str) -> Iterator[str]:
    numbered = enumerate(rows, 1)
    if _NUMBER.fullmatch(column):
        place = int(column) - 1
    else:
        _, header = next(numbered, (0, []))
        if column not in header:
            raise InputError(
                f"{name}: no column {column!r} in the first row, which has "
                f"{', '.join(map(repr, header[:20])) or 'nothing'}; without a header, give the "
                "column's number: --column 1"
            )
        place = header.index(column)
    for number, row in numbered:
        if not row:
            continue  # an empty line, which csv.reader gives as no cell at all
        if place >= len(row):
            raise InputError(f"{name}: row {number} has {len(row)} cells, none for {column!r}")
        yield row[place]


def _jsonl(lines: Iterator[str], name: str, column: str) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record: Any = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{name}: line {number} is no JSON: {error}") from error
        text = record.get(column) if isinstance(record, dict) else None
        if not isinstance(text, str):
            raise InputError(f"{name}: line {number} has no text under {column!r}")
        yield text


_READERS: dict[str, Callable[[Iterator[str], str, str], Iterator[str]]] = {
    ".txt": _plain,
    ".csv": _csv,
    ".tsv": _tsv,
    ".jsonl": _jsonl,
}
