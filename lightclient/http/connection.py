"""urllib3's connections, on our sockets and stricter about what they read."""

import http.client
import os
import re
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError

from lightclient.http.exchange import Exchange
from lightclient.http.sockets import TimedSocket, dial

# A connection is not used for longer, so that a server which is added behind a DNS name gets its
# share of the calls.
_MOST_SECONDS = 300
_LENGTH = re.compile(r"[0-9]{1,18}")
_HEADER_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n]*?)[ \t]*\r?\n")
_LONGEST_LINE = 65536
_MOST_HEADERS = 100  # as in http.client
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?\r?\n")

if TYPE_CHECKING:
    _Base = HTTPConnection
else:
    _Base = object


class MalformedAnswer(http.client.HTTPException):
    """An answer that breaks the rules of HTTP, or that TensorFlow Serving never gives."""


class _Headers(http.client.HTTPMessage):
    """Headers as they came. HTTPMessage itself looks all of them over again at each question."""

    def items(self) -> list[tuple[str, str]]:
        return list(self.raw_items())


class StrictResponse(http.client.HTTPResponse):
    """http.client's reader of answers, with a strict reading of their heads.

    http.client itself takes a head that was cut short for a whole one, waits until the deadline
    where a header is broken, sets aside as much memory as the answer announces, and drops what
    comes beyond the end of an answer. It also reads a head by the rules of mail, which takes a
    tenth of the time of a short call.
    """

    def __init__(self, sock: Any, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self._exchange: Exchange = sock.gettimeout()
        self._exchange.reader = self.fp

    def begin(self) -> None:
        """Read status and headers (RFC 9112, 4 to 6).

        Raises:
            http.client.HTTPException: they are broken. OSError: they do not come.
        """
        start = self.fp.peek(5)[:5]
        if not b"HTTP/".startswith(start):
            # http.client would wait for the end of the line, and a gRPC port never sends one.
            raise http.client.BadStatusLine(start.decode("latin-1"))
        try:
            self._read_status_line()
            self.headers = self.msg = self._read_headers()
            while self.status == HTTPStatus.CONTINUE:  # the answer itself follows
                self._read_status_line()
                self.headers = self.msg = self._read_headers()
        except http.client.HTTPException:
            self._refuse_the_end()
            raise
        if self.status < 200:
            raise MalformedAnswer(f"an interim answer of status {self.status}")
        self._read_framing()

    def _read_status_line(self) -> None:
        version, self.status, reason = self._read_status()  # type: ignore[attr-defined]
        if not version.startswith("HTTP/1."):
            raise http.client.UnknownProtocol(version)
        self.version = 10 if version == "HTTP/1.0" else 11
        self.code, self.reason = self.status, reason.strip()

    def _read_headers(self) -> http.client.HTTPMessage:
        lines: list[bytes] = []
        while (line := self.fp.readline(_LONGEST_LINE)) not in (b"\r\n", b"\n"):
            if line[:1] in (b" ", b"\t") and lines:  # the header before goes on (RFC 9112, 5.2)
                line = lines.pop().rstrip() + line
            lines.append(line)
            if not line.endswith(b"\n") or len(lines) > _MOST_HEADERS:
                raise MalformedAnswer("a head that is too long, or does not end")
        found = _Headers()
        for header in map(_HEADER_LINE.fullmatch, lines):
            if header is None:
                raise MalformedAnswer("a line of the head is no header")
            found.set_raw(header[1].decode("ascii"), header[2].decode("latin-1"))
        return found

    def _refuse_the_end(self) -> None:
        """Refuse an answer that was cut short: the end of the data is not its end."""
        if self._exchange.ended:
            raise http.client.IncompleteRead(b"")

    def _read_framing(self) -> None:
        """How the end of the body is found, and whether the connection can be used again."""
        codings = [coding.lower() for coding in self.headers.get_all("transfer-encoding", [])]
        lengths = set(self.headers.get_all("content-length", []))
        if codings and codings != ["chunked"]:
            raise MalformedAnswer("an unknown transfer coding")
        if len(lengths) > 1 or not all(map(_LENGTH.fullmatch, lengths)):
            raise MalformedAnswer("a length that is none")
        self.chunked, self.chunk_left = bool(codings), None
        self.length = int(lengths.pop()) if lengths and not codings else None
        if self.status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
            self.length = 0
        self.will_close = self._check_close()  # type: ignore[attr-defined]
        if not self.chunked and self.length is None:
            self.will_close = True
        if codings and "content-length" in self.headers:
            # A proxy may take this for two answers (RFC 9112, 6.3). Use the connection only once.
            self.will_close = True
            del self.headers["content-length"]  # urllib3 would warn about it
        self._exchange.expect(self.length or 0)

    def _read_next_chunk_size(self) -> int:
        """Read a chunk's size strictly: int() takes signs, and a negative size never ends."""
        line = self.fp.readline(_LONGEST_LINE)
        found = _CHUNK_LINE.fullmatch(line)
        if not found:
            self._refuse_the_end()
            raise MalformedAnswer("a chunk size that is none")
        size = int(found[1], 16)
        self._exchange.expect(size)
        return size

    def _close_conn(self) -> None:
        if isinstance(self.status, int):  # not so in the answer of a proxy to CONNECT
            self._exchange.complete = True
            try:
                self._exchange.surplus = bool(self.fp.peek(1))
            except OSError:
                self._exchange.surplus = True  # it broke
        super()._close_conn()  # type: ignore[misc]


class _Kept(_Base):
    """Makes a connection class connect within the deadline, and know when to be used no more."""

    response_class: Any = StrictResponse
    _opened: tuple[int, float] = (0, 0.0)
    _unsent: list[bytes] | None = None

    def _new_conn(self) -> TimedSocket:
        exchange = cast(Exchange, self.timeout)
        exchange.dialled = exchange.connecting = True
        self._opened = (os.getpid(), time.monotonic())
        try:
            return dial(self._dns_host, self.port, exchange)
        except OSError as error:
            # urllib3 would ignore a bare reset, as if it came while a request is being sent.
            raise NewConnectionError(self, "nobody answers") from error

    def connect(self) -> None:
        """Open the connection, through a proxy and a TLS handshake where there is one."""
        exchange = cast(Exchange, self.timeout)
        try:
            super().connect()
        except BaseException:
            # Python 3.10 leaves the answer of a proxy open, and with it the socket.
            if exchange.reader is not None:
                exchange.reader.close()
            raise
        exchange.connecting = False

    def request(self, *args: Any, **options: Any) -> None:
        """Send a request, head and body in one write, which saves a packet and a wake-up."""
        unsent: list[bytes] = []
        self._unsent = unsent
        try:
            super().request(*args, **options)
        finally:
            self._unsent = None
        # The server may have answered before it closed the connection, so the answer is read.
        try:
            self.send(b"".join(unsent))
        except (BrokenPipeError, ConnectionResetError):
            return

    def send(self, data: Any) -> None:
        """Send bytes, or hold them back while `request` puts a request together."""
        if self._unsent is None:
            super().send(data)
        else:
            self._unsent.append(data)

    @property
    def is_connected(self) -> bool:
        """Whether another request may be sent on it. If not, urllib3 connects again."""
        process, since = self._opened
        if self.sock is None or process != os.getpid():
            return False  # a child process never uses a connection of its parent
        # What came beyond an answer would become the answer to the next request. Over TLS it may
        # lie decrypted inside the ssl module, where a look at the socket does not find it.
        pending = getattr(self.sock, "pending", int)()
        if pending or cast(Exchange, self.timeout).surplus:
            return False
        return time.monotonic() - since < _MOST_SECONDS and super().is_connected


class PlainConnection(_Kept, HTTPConnection):
    """A connection over http."""


class TLSConnection(_Kept, HTTPSConnection):
    """A connection over https."""
