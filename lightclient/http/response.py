"""http.client's reader of answers, strict about what it reads."""

import http.client
import re
from contextlib import suppress
from typing import Any

_LONGEST_LINE, _MOST_HEADERS = 65536, 100  # as in http.client
_STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]+)[ \t]+([1-9][0-9]{2})([ \t][^\r\n]*)?\r?\n")
_HEADER_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n]*?)[ \t]*\r?\n")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?\r?\n")
_LENGTH = re.compile(r"[0-9]{1,18}")
# Numbers, because Python 3.11 takes longer to look a member of HTTPStatus up than to compare it.
_CONTINUE, _BODILESS = 100, (204, 304)


class MalformedAnswer(http.client.HTTPException):
    """An answer that breaks the rules of HTTP, or that TensorFlow Serving never gives."""


class _Headers(http.client.HTTPMessage):
    """The headers of an answer, whose values are given as they came."""

    def items(self) -> list[tuple[str, Any]]:
        """Name and value of each. HTTPMessage would check each value as that of a mail."""
        return list(self.raw_items())


class StrictResponse(http.client.HTTPResponse):
    """Reads the head of an answer itself, and has http.client read the body (RFC 9112, 4 to 7).

    http.client takes a head that was cut short for a whole one, waits until the deadline where a
    header is broken, sets aside as much memory as the answer announces, and drops what comes beyond
    its end. It also reads a head by the rules of mail, for a tenth of the time of a short call.
    """

    def __init__(self, sock: Any, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self._sock, self._exchange = sock, sock.gettimeout()
        if self._exchange.connecting:
            self._exchange.reader = self.fp

    def begin(self) -> None:
        """Read status and headers; raises HTTPException where they are broken."""
        # A gRPC port never sends the end of a line, so it would be waited for.
        if not b"HTTP/".startswith(self.fp.peek(5)[:5]):
            raise http.client.BadStatusLine("")
        self._read_head()
        while self.status == _CONTINUE:  # the answer itself follows
            self._read_head()
        if self.status < 200:
            raise MalformedAnswer(f"an interim answer of status {self.status}")
        self._read_framing()

    def _read_line(self) -> bytes:
        line = self.fp.readline(_LONGEST_LINE)
        if line.endswith(b"\n"):
            return line
        if len(line) == _LONGEST_LINE:
            raise MalformedAnswer("a line that is too long")
        raise http.client.IncompleteRead(b"")  # the server has closed the connection

    def _read_head(self) -> None:
        found = _STATUS_LINE.fullmatch(self._read_line())
        if found is None:
            raise http.client.BadStatusLine("")  # does not quote it, as it may hold the text
        self.version = 10 if found[1] == b"0" else 11
        self.code = self.status = int(found[2])
        self.reason = (found[3] or b"").decode("latin-1").strip()
        self.headers = self.msg = self._read_headers()

    def _read_headers(self) -> http.client.HTTPMessage:
        lines: list[bytes] = []
        while (line := self._read_line()) not in (b"\r\n", b"\n"):
            if line[:1] in (b" ", b"\t") and lines:  # the header before goes on (RFC 9112, 5.2)
                line = lines.pop().rstrip() + line
            lines.append(line)
            if len(lines) > _MOST_HEADERS:
                raise MalformedAnswer("a head that is too long")
        headers = _Headers()
        for found in map(_HEADER_LINE.fullmatch, lines):
            if found is None:
                raise MalformedAnswer("a line of the head is no header")
            headers.set_raw(found[1].decode("ascii"), found[2].decode("latin-1"))
        return headers

    def _read_framing(self) -> None:
        """How the end of the body is found, and whether the connection can be used again."""
        codings = [coding.lower() for coding in self.headers.get_all("transfer-encoding", [])]
        lengths = set(self.headers.get_all("content-length", []))
        if codings not in ([], ["chunked"]):
            raise MalformedAnswer("an unknown transfer coding")
        if len(lengths) > 1 or not all(map(_LENGTH.fullmatch, lengths)):
            raise MalformedAnswer("a length that is none")
        self.chunked, self.chunk_left = bool(codings), None
        self.length = int(lengths.pop()) if lengths and not codings else None
        if self.status in _BODILESS:
            self.length = 0
        closes: bool = self._check_close()  # type: ignore[attr-defined]
        self.will_close = closes or (self.length is None and not codings)
        if lengths and codings:
            # A proxy may take this for two answers (RFC 9112, 6.3). Use the connection only once.
            self.will_close = True
            del self.headers["content-length"]  # urllib3 would warn about it
        self._exchange.announce(self.length or 0)

    def _read_next_chunk_size(self) -> int:
        """Read a chunk's size strictly: int() takes signs, and a negative size never ends."""
        found = _CHUNK_LINE.fullmatch(self._read_line())
        if found is None:
            raise MalformedAnswer("a chunk size that is none")
        size = int(found[1], 16)
        self._exchange.announce(size)
        return size

    def _close_conn(self) -> None:
        if isinstance(self.status, int):  # not so in the answer of a proxy to CONNECT
            self._exchange.complete = True
            # What came beyond the answer would become the answer to the next request. Over TLS it
            # may lie decrypted inside the ssl module, where a look at the socket does not find it.
            with suppress(OSError):  # nothing can be read after a wait that was too long
                if self.fp.peek(1) or getattr(self._sock, "pending", int)():
                    self._sock.close()
        super()._close_conn()  # type: ignore[misc]
