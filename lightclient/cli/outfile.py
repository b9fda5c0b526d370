"""The file of `--output`: begun, or gone on with after an abort."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from lightclient.cli.output import csv_cell, csv_header
from lightclient.errors import InputError

if sys.platform != "win32":
    import fcntl

_BY_LINE = 1
_ERRORS = "backslashreplace"  # as on stdout


def open_output(path: Path, *, resume: bool) -> TextIO:
    """Open the file to append to it, line by line, with nobody else doing so.

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
        raise InputError(
            f"{path} exists already: give another --output, or go on with what --file began by "
            "--resume"
        ) from error
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


class JsonLines:
    """What `--format jsonl` writes: nothing first, then a line a record."""

    header = b""

    def __init__(self, top_k: int, labels: int) -> None:
        self.options = f"--format jsonl --top-k {top_k}"
        self._scores = min(top_k, labels) if top_k > 1 else 0

    def split(self, stream: BinaryIO) -> Iterator[bytes]:
        """The records; the last may be a part of one."""
        return iter(stream)

    def is_whole(self, record: bytes) -> bool:
        """Whether it has come to its end."""
        return record.endswith(b"\n")

    def fits(self, record: bytes) -> bool:
        """Whether a whole record has the shape that the options give it."""
        try:
            found: Any = json.loads(record)
        except (ValueError, RecursionError):
            return False
        if not isinstance(found, dict) or not found.keys() >= {"text", "label"}:
            return False
        scores = found.get("scores", [])
        return isinstance(scores, list) and len(scores) == self._scores

    def beginning(self, text: str) -> bytes:
        """How the record of this text begins."""
        opened = json.dumps({"text": text}, ensure_ascii=False).removesuffix("}")
        return _encoded(opened + ', "label": ')


class Csv:
    """What `--format csv` writes: a header, then rows, which may be of several lines."""

    def __init__(self, top_k: int, labels: int) -> None:
        self.options = f"--format csv --top-k {top_k}"
        self.header = _encoded(csv_header(min(top_k, labels)))

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

    def fits(self, record: bytes) -> bool:
        """Whether a whole record has the shape that the options give it: the header has."""
        return True

    def beginning(self, text: str) -> bytes:
        """How the record of this text begins."""
        return _encoded(csv_cell(text) + ",")


Layout = JsonLines | Csv
LAYOUTS: dict[str, type[Layout]] = {"jsonl": JsonLines, "csv": Csv}


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", _ERRORS)


@dataclass
class Begun:
    """How far an output file has come.

    `texts`: those that have no answer in it yet; `answers`: how many it holds; `end`: the bytes
    that they take, header included.
    """

    texts: Iterator[str]
    answers: int = 0
    end: int = 0


def pass_over(path: Path, texts: Iterator[str], layout: Layout) -> Begun:
    """Compare what the file holds with the texts, one by one.

    Raises:
        InputError: it holds no answers to these texts, or none with these options.
    """
    begun = Begun(texts)
    try:
        with path.open("rb") as stream:
            _pass_over(layout.split(stream), begun, layout, path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    return begun


def _pass_over(records: Iterator[bytes], begun: Begun, layout: Layout, path: Path) -> None:
    begun.end = _header_end(next(records, b""), layout, path) if layout.header else 0
    for record in records:
        text = next(begun.texts, None)
        if text is None:
            raise _other_input(path, begun)
        if not layout.is_whole(record):
            _check_part(record, layout.beginning(text), begun, path)
            begun.texts = chain([text], begun.texts)
            break
        _check_record(record, text, begun, layout, path)
        begun.answers += 1
        begun.end += len(record)


def _header_end(first: bytes, layout: Layout, path: Path) -> int:
    """The header's length; 0 if it is not there whole, and so nothing after it."""
    if first == layout.header:
        return len(first)
    if layout.header.startswith(_written(first)):
        return 0
    raise _other_options(f"{path}: its first row", layout)


def _check_record(record: bytes, text: str, begun: Begun, layout: Layout, path: Path) -> None:
    if not layout.fits(record):
        raise _other_options(f"{path}: its answer {begun.answers + 1}", layout)
    if not record.startswith(layout.beginning(text)):
        raise _other_input(path, begun)


def _check_part(part: bytes, beginning: bytes, begun: Begun, path: Path) -> None:
    """It will be cut off, so it must be ours."""
    written = _written(part)
    if not (written.startswith(beginning) or beginning.startswith(written)):
        raise _other_input(path, begun)


def _written(part: bytes) -> bytes:
    """After a power loss, zeros may stand for what never came to the disk."""
    return part.rstrip(b"\0")


def _other_input(path: Path, begun: Begun) -> InputError:
    return InputError(
        f"{path} belongs to another input: its answer {begun.answers + 1} is none to the text at "
        "that place; give the --file and --column that it was begun with, or another --output"
    )


def _other_options(what: str, layout: Layout) -> InputError:
    return InputError(
        f"{what} is not as {layout.options} writes it; give the --format, --top-k and --bundle "
        "that it was begun with, or another --output"
    )
