"""An HTTP/1.1 answer, read strictly from a socket (RFC 9112): first its head, then its body.

Not by http.client: that reads a head as an e-mail, which takes a quarter of a call's time, and it
takes the end of the stream for the end of the head, an interim answer for the answer, and a
negative chunk size for a size.
"""

import re
from collections.abc import Callable
from errno import ECONNRESET
from typing import NamedTuple

_VERSION = b"HTTP/"
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9]\d\d)(?: .*)?")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?")
_LONGEST_LINE = 65_536
_MOST_FIELDS = 100
_PIECE = 65_536


class MalformedError(ValueError):
    """It is HTTP/1.1, but broken."""


class NotHTTPError(MalformedError):
    """It is not HTTP/1.1 at all."""


class OverBudgetError(OSError):
    """More bytes come than one exchange may have."""


class Head(NamedTuple):
    """`fields`: by name, in lower case. `keeps_open`: the server will take another request."""

    status: int
    fields: dict[str, str]
    keeps_open: bool


class Stream:
    """The bytes of one answer; `receive` gives the next ones, none at the end.

    What runs beyond the end raises ConnectionResetError.
    """

    def __init__(self, receive: Callable[[int], bytes]) -> None:
        self._receive = receive
        self._data = b""

    @property
    def surplus(self) -> bool:
        """Whether more came than was taken."""
        return bool(self._data)

    def begins_with(self, start: bytes) -> bool:
        """Whether the next bytes are these."""
        while len(self._data) < len(start) and start.startswith(self._data):
            self._more()
        return self._data.startswith(start)

    def line(self) -> bytes:
        """The next line, without its end."""
        while (end := self._data.find(b"\n", 0, _LONGEST_LINE)) < 0:
            if len(self._data) >= _LONGEST_LINE:
                raise MalformedError("a line without end")
            self._more()
        line, self._data = self._data[:end], self._data[end + 1 :]
        return line.removesuffix(b"\r")

    def exactly(self, size: int) -> bytes:
        """So many bytes."""
        pieces, missing = [self._data], size - len(self._data)
        while missing > 0:
            pieces.append(self._next())
            missing -= len(pieces[-1])
        data = b"".join(pieces)
        self._data = data[size:]
        return data[:size]

    def rest(self) -> bytes:
        """All bytes up to the end."""
        pieces, self._data = [self._data], b""
        while piece := self._receive(_PIECE):
            pieces.append(piece)
        return b"".join(pieces)

    def _more(self) -> None:
        self._data += self._next()

    def _next(self) -> bytes:
        piece = self._receive(_PIECE)
        if not piece:
            raise ConnectionResetError(ECONNRESET, "it ended too early")
        return piece


def read_head(stream: Stream) -> Head:
    """Read status and fields; 100 announces the answer and is passed over.

    Raises:
        MalformedError: it is none.
        OSError: the stream breaks off.
    """
    head = _read_head(stream)
    while head.status == 100:
        head = _read_head(stream)
    return head


def _read_head(stream: Stream) -> Head:
    found = stream.begins_with(_VERSION) and _STATUS_LINE.fullmatch(stream.line())
    if not found:
        raise NotHTTPError("no status line")
    fields = _read_fields(stream)
    return Head(int(found[2]), fields, _keeps_open(found[1] == b"1", fields))


def _read_fields(stream: Stream) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = None
    for _ in range(_MOST_FIELDS):
        line = stream.line()
        if not line:
            return fields
        if name and line[:1] in b" \t":  # one value on several lines, as servers once wrote
            fields[name] += " " + line.strip().decode("latin-1")
        else:
            name, value = _field(line)
            fields[name] = f"{fields[name]}, {value}" if name in fields else value
    raise MalformedError("too many fields")


def _field(line: bytes) -> tuple[str, str]:
    found = _FIELD.fullmatch(line)
    if not found:
        raise MalformedError("a line of the head is no field")
    return found[1].decode("ascii").lower(), found[2].decode("latin-1")


def _keeps_open(newer: bool, fields: dict[str, str]) -> bool:
    options = {option.strip() for option in fields.get("connection", "").lower().split(",")}
    # By one of the two: with both, somebody on the way may take it for two answers (RFC 9112, 6.3).
    framed = ("content-length" in fields) != ("transfer-encoding" in fields)
    return framed and "close" not in options and (newer or "keep-alive" in options)


def read_body(stream: Stream, head: Head, most: int) -> bytes:
    """Read what comes after the head.

    Raises:
        MalformedError: its length is not told as it must be.
        OverBudgetError: it has more than `most` bytes.
        OSError: the stream breaks off.
    """
    if head.status in (204, 304):
        return b""
    coding, length = head.fields.get("transfer-encoding"), head.fields.get("content-length")
    if coding is not None:
        if coding.lower() != "chunked":
            raise MalformedError("an unknown transfer coding")
        return _read_chunks(stream, most)
    if length is None:
        body = stream.rest()
        _bounded(len(body), most)
        return body
    return stream.exactly(_bounded(_size(length), most))


def _size(length: str) -> int:
    """A list of equal lengths is one (RFC 9112, 6.3)."""
    stated = {part.strip() for part in length.split(",")}
    size = stated.pop()
    if stated or not size.isdecimal() or not size.isascii() or len(size) > 18:
        raise MalformedError("a length that is none")
    return int(size)


def _bounded(size: int, most: int) -> int:
    if size > most:
        raise OverBudgetError
    return size


def _read_chunks(stream: Stream, most: int) -> bytes:
    pieces, room = [], most
    while size := _chunk_size(stream.line()):
        room -= _bounded(size, room)
        pieces.append(stream.exactly(size))
        if stream.line():
            raise MalformedError("a chunk without its end")
    while stream.line():
        pass  # trailers say nothing that is wanted
    return b"".join(pieces)


def _chunk_size(line: bytes) -> int:
    found = _CHUNK_LINE.fullmatch(line)
    if not found:
        raise MalformedError("a chunk size that is none")
    return int(found[1], 16)
