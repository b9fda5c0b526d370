"""HTTP/1 from and to a socket: one request off a stream, the head of one answer into bytes.

Source of the rules: libevent 2.1.12's http.c, which the real server stands on.
"""

import re
from collections.abc import Callable, Mapping
from typing import BinaryIO

from lightclient.standin.protocol import REASONS, Answer, Request

BODY_BYTES = 64 * 1024 * 1024
HEAD_BYTES = 1024 * 1024  # the real server has no limit, which nothing here could bear
_VERSION = re.compile(r"HTTP/1\.([0-9])")
_FOLD = re.compile(r"\n[ \t]+")
_BODILESS = ("HEAD", "TRACE")  # libevent reads no body after them, whatever their headers say
_DIGITS = re.compile(r"[0-9]{1,19}")  # Python refuses to read numbers of thousands of digits
_CHUNK_SIZE = re.compile(r"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?")


class WireError(Exception):
    """A request that cannot be read; it is answered with `status`, and the connection closed."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def read_request(stream: BinaryIO, send: Callable[[bytes], object]) -> Request:
    """Read a request off the stream.

    If the client waits for a word before it sends the body, this is passed to `send`. Raises
    WireError if this is no request, EOFError if the client left before its end, and OSError.
    """
    first_line = _line(stream, HEAD_BYTES)
    method, _, rest = first_line.partition(" ")
    target, _, version = rest.strip(" ").rpartition(" ")
    found = _VERSION.fullmatch(version)
    if not found or not target:
        raise WireError(400)
    minor, headers = int(found[1]), _read_headers(stream, HEAD_BYTES - len(first_line))
    framing = {} if method in _BODILESS else headers
    chunked = framing.get("transfer-encoding", "").lower() == "chunked"
    length = 0 if chunked else _length(framing)
    # curl waits a second for this word before it sends a long body.
    if (chunked or length) and minor and headers.get("expect", "").lower() == "100-continue":
        send(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = _read_chunks(stream) if chunked else _read_exactly(stream, length)
    return Request(method, target, headers, body, minor)


def _read_headers(stream: BinaryIO, left: int) -> dict[str, str]:
    """Read the header lines, of `left` bytes at most. Of two with one name, the first counts."""
    lines = []
    while line := _line(stream, left):
        left = max(0, left - len(line) - 2)
        lines.append(line)
    headers: dict[str, str] = {}
    # A line that begins with a space continues the value before it (evhttp_append_to_last_header).
    for line in _FOLD.sub(" ", "\n".join(lines)).split("\n") if lines else ():
        name, colon, value = line.partition(":")
        if not colon or not name[:1].strip():
            raise WireError(400)
        headers.setdefault(name.strip().lower(), value.strip())
    return headers


def _length(headers: Mapping[str, str]) -> int:
    text = headers.get("content-length", "0")
    if not _DIGITS.fullmatch(text):
        raise WireError(400)
    if int(text) > BODY_BYTES:
        raise WireError(413)
    return int(text)


def _read_exactly(stream: BinaryIO, length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data


def _read_chunks(stream: BinaryIO) -> bytes:
    body = bytearray()
    while size := _chunk_size(stream):
        if len(body) + size > BODY_BYTES:
            raise WireError(413)
        body += _read_exactly(stream, size)
        if stream.readline(3).strip(b"\r\n"):
            raise WireError(400)
    while _line(stream, HEAD_BYTES):
        pass  # trailers, which nothing here looks at
    return bytes(body)


def _chunk_size(stream: BinaryIO) -> int:
    found = _CHUNK_SIZE.fullmatch(_line(stream, HEAD_BYTES))
    if not found:
        raise WireError(400)
    return int(found[1], 16)


def _line(stream: BinaryIO, limit: int) -> str:
    """The next line, of `limit` bytes at most, without its end."""
    line = stream.readline(limit)
    if not line.endswith(b"\n"):
        if len(line) >= limit:
            raise WireError(400)
        raise EOFError
    return line.rstrip(b"\r\n").decode("latin-1")


def head_bytes(answer: Answer, *, minor: int, keep_alive: bool) -> bytes:
    """Write the head of an answer; the body comes right after it."""
    lines = [
        f"HTTP/1.{minor} {answer.status} {REASONS[answer.status]}",
        f"Content-Type: {answer.content_type}",
        f"Content-Length: {len(answer.body)}",
        "Server: lightclient-standin",
    ]
    if not keep_alive:
        lines.append("Connection: close")
    elif minor == 0:
        lines.append("Connection: keep-alive")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
