"""HTTP/1 from and to a socket: one request off a stream, one answer into bytes.

Source of the rules: libevent 2.1.12's http.c, which the real server stands on.
"""

import re
from collections.abc import Callable
from typing import BinaryIO

from lightclient.standin.protocol import REASONS, Answer, Request

BODY_BYTES = 64 * 1024 * 1024
HEAD_BYTES = 64 * 1024
SERVER = "lightclient-standin"
_VERSION = re.compile(r"HTTP/1\.([0-9])")
_BODILESS = ("HEAD", "TRACE")
_DIGITS = re.compile(r"[0-9]+")
_CHUNK_SIZE = re.compile(r"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?")


class WireError(Exception):
    """A request that cannot be read; it is answered with `status`, and the connection closed."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Incoming:
    """One request on its way in: `read` takes it off the stream."""

    def __init__(self, stream: BinaryIO, send: Callable[[bytes], object]) -> None:
        self.stream = stream
        self.send = send
        self.minor = 1
        self.headers: dict[str, str] = {}

    def read(self, first_line: bytes) -> Request:
        """The request, its first line read already.

        Raises WireError, EOFError if the client left midway, OSError.
        """
        method, _, rest = _text(first_line, HEAD_BYTES).partition(" ")
        target, _, version = rest.strip(" ").rpartition(" ")
        found = _VERSION.fullmatch(version)
        if not found or not target:
            raise WireError(400)
        self.minor = int(found[1])
        self._read_headers()
        body = b"" if method in _BODILESS else self._body()
        return Request(method, target, self.headers, body)

    @property
    def keep_alive(self) -> bool:
        """Whether the client wants to send another request."""
        wish = self.headers.get("connection", "").lower()
        return wish != "close" if self.minor else wish == "keep-alive"

    def _read_headers(self) -> None:
        left = HEAD_BYTES
        while line := _text(self.stream.readline(left), left):
            left = max(0, left - len(line) - 2)
            name, colon, value = line.partition(":")
            if not colon or not name:
                raise WireError(400)
            self.headers.setdefault(name.strip().lower(), value.strip())

    def _body(self) -> bytes:
        chunked = self.headers.get("transfer-encoding", "").lower() == "chunked"
        length = 0 if chunked else self._length()
        if not chunked and not length:
            return b""
        self._answer_expectation()
        return self._chunks() if chunked else self._exactly(length)

    def _length(self) -> int:
        text = self.headers.get("content-length", "0")
        if not _DIGITS.fullmatch(text) or len(text) > 19:
            raise WireError(400)
        if int(text) > BODY_BYTES:
            raise WireError(413)
        return int(text)

    def _answer_expectation(self) -> None:
        expected = self.headers.get("expect", "").lower() if self.minor else ""
        if expected == "100-continue":
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        elif expected:
            raise WireError(417)

    def _exactly(self, length: int) -> bytes:
        data = self.stream.read(length)
        if len(data) < length:
            raise EOFError
        return data

    def _chunks(self) -> bytes:
        body = bytearray()
        while size := self._chunk_size():
            if len(body) + size > BODY_BYTES:
                raise WireError(413)
            body += self._exactly(size)
            if self.stream.readline(3).strip(b"\r\n"):
                raise WireError(400)
        while _text(self.stream.readline(HEAD_BYTES), HEAD_BYTES):
            pass  # trailers
        return bytes(body)

    def _chunk_size(self) -> int:
        found = _CHUNK_SIZE.fullmatch(_text(self.stream.readline(HEAD_BYTES), HEAD_BYTES))
        if not found:
            raise WireError(400)
        return int(found[1], 16)


def _text(line: bytes, limit: int) -> str:
    """A line read with this limit, without its end."""
    if not line.endswith(b"\n"):
        if len(line) >= limit:
            raise WireError(400)
        raise EOFError
    return line.rstrip(b"\r\n").decode("latin-1")


def answer_bytes(answer: Answer, *, minor: int, keep_alive: bool, bodiless: bool) -> bytes:
    """Head and body in one piece; to HEAD only the head."""
    lines = [
        f"HTTP/1.{minor} {answer.status} {REASONS[answer.status]}",
        f"Content-Type: {answer.content_type}",
        f"Content-Length: {len(answer.body)}",
        f"Server: {SERVER}",
    ]
    if not keep_alive:
        lines.append("Connection: close")
    elif minor == 0:
        lines.append("Connection: keep-alive")
    head = "\r\n".join(lines) + "\r\n\r\n"
    return head.encode("latin-1") + (b"" if bodiless else answer.body)
