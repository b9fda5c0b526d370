"""urllib3's connections and pools, on our sockets and stricter about what they read."""

import http.client
import os
import queue
import re
import time
from contextlib import suppress
from typing import Any, cast

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError

from lightclient.http.exchange import Exchange
from lightclient.http.sockets import TimedSocket, dial

# A server that is added behind a DNS name gets its share of the calls after this time.
_MOST_SECONDS = 300
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?\r?\n")


class MalformedAnswer(http.client.HTTPException):
    """An answer that breaks the rules of HTTP, or that TensorFlow Serving never gives."""


class StrictResponse(http.client.HTTPResponse):
    """http.client's reader of answers, which lets nothing pass that could become a wrong answer.

    Alone, it takes a head that is cut short for a whole one, waits until the deadline where a
    header is broken, sets memory aside for whatever length is announced, and drops what comes
    beyond the end of an answer.
    """

    def __init__(self, sock: Any, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self._exchange: Exchange = sock.gettimeout()

    def begin(self) -> None:
        """Read status and headers.

        Raises:
            http.client.HTTPException: they are broken. OSError: they do not come.
        """
        start = self.fp.peek(5)[:5]
        if not b"HTTP/".startswith(start):
            # Told at once: a gRPC port sends no line end, for which http.client would wait.
            raise http.client.BadStatusLine(start.decode("latin-1"))
        try:
            super().begin()
        except http.client.HTTPException:
            self._refuse_the_end()
            raise
        self._refuse_the_end()
        self._check_head()

    def _refuse_the_end(self) -> None:
        """The last line of a head is empty, and so http.client takes the end of the data for it."""
        if self._exchange.ended:
            raise http.client.IncompleteRead(b"")

    def _check_head(self) -> None:
        if self.status < 200:
            raise MalformedAnswer(f"an interim answer of status {self.status}")
        if self.headers.defects or self.headers.get_payload():
            raise MalformedAnswer("a line of the head is no header")
        coding, length = self.headers.get("transfer-encoding"), self.headers.get("content-length")
        if coding is not None and not self.chunked:
            raise MalformedAnswer("an unknown transfer coding")
        if coding is not None and length is not None:
            # Somebody on the way may take it for two answers (RFC 9112, 6.3): use it once only.
            self.will_close = True
        elif length is not None and self.length is None:
            raise MalformedAnswer("a length that is none")
        self._exchange.expect(self.length or 0)

    def _read_next_chunk_size(self) -> int:
        """Strictly: int() takes signs and underscores, and a negative size reads on for ever."""
        line = self.fp.readline(65536)
        found = _CHUNK_LINE.fullmatch(line)
        if not found:
            self._refuse_the_end()
            raise MalformedAnswer("a chunk size that is none")
        size = int(found[1], 16)
        self._exchange.expect(size)
        return size

    def _close_conn(self) -> None:
        if isinstance(self.status, int):  # not so in the answer of a proxy to CONNECT
            self._exchange.complete()
            with suppress(OSError):  # it broke, and will not be used again
                self._exchange.surplus = bool(self.fp.peek(1))
        super()._close_conn()  # type: ignore[misc]


class _Kept:
    """For a connection class: connects under the deadline, and knows when not to be used again."""

    response_class: Any = StrictResponse
    _opened: tuple[int, float] = (0, 0.0)
    _unsent: list[bytes] | None = None

    def _new_conn(self) -> TimedSocket:
        connection = cast(HTTPConnection, self)
        exchange = cast(Exchange, connection.timeout)
        exchange.dialled = exchange.connecting = True
        self._opened = (os.getpid(), time.monotonic())
        try:
            return dial(connection._dns_host, connection.port, exchange)
        except OSError as error:
            # Not as it is: urllib3 passes over a reset, as one of a request that is being sent.
            raise NewConnectionError(connection, "nobody answers") from error

    def connect(self) -> None:
        """Open the connection, through a proxy and a TLS handshake where there is one."""
        super().connect()  # type: ignore[misc]
        cast(Exchange, cast(HTTPConnection, self).timeout).connecting = False

    def request(self, *args: Any, **options: Any) -> None:
        """Send a request, head and body in one write, which saves a packet and a wake-up."""
        unsent: list[bytes] = []
        self._unsent = unsent
        try:
            super().request(*args, **options)  # type: ignore[misc]
        finally:
            self._unsent = None
        self.send(b"".join(unsent))

    def send(self, data: Any) -> None:
        """Send bytes, or hold them back while `request` puts a request together."""
        if self._unsent is None:
            super().send(data)  # type: ignore[misc]
        else:
            self._unsent.append(data)

    @property
    def is_connected(self) -> bool:
        """Whether another request may be sent on it. If not, urllib3 connects anew."""
        connection = cast(HTTPConnection, self)
        process, since = self._opened
        if connection.sock is None or process != os.getpid():
            return False  # a child process never uses a connection of its parent
        # What came beyond an answer would become the answer to the next request. Over TLS it may
        # lie decrypted inside the ssl module, where a look at the socket does not find it.
        if cast(Exchange, connection.timeout).surplus or _pending(connection.sock):
            return False
        return time.monotonic() - since < _MOST_SECONDS and super().is_connected  # type: ignore[misc]


def _pending(sock: Any) -> int:
    count: int = getattr(sock, "pending", int)()
    return count


class _PlainConnection(_Kept, HTTPConnection):
    pass


class _TLSConnection(_Kept, HTTPSConnection):
    pass


class IdleConnections:
    """The idle connections of a pool, as urllib3 keeps them in a queue.LifoQueue.

    Without a size, so that urllib3 never has to warn that its pool is full; and without a lock,
    which a thread could hold while another one forks, so that the child waited for it for ever.
    """

    def __init__(self, maxsize: int = 0) -> None:
        self._idle: list[Any] = []

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """The one that was used last.

        Raises:
            queue.Empty: there is none.
        """
        try:
            return self._idle.pop()
        except IndexError:
            raise queue.Empty from None

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Keep a connection. urllib3 gives None for one that is broken."""
        if item is not None:
            self._idle.append(item)

    def qsize(self) -> int:
        """How many there are."""
        return len(self._idle)

    def close(self) -> None:
        """Close them all; those that are in use come back later."""
        with suppress(queue.Empty):  # not `while self._idle`: other threads take from it too
            while True:
                self.get().close()


class PlainPool(HTTPConnectionPool):
    """Connections over http."""

    ConnectionCls: Any = _PlainConnection
    QueueCls: Any = IdleConnections


class TLSPool(HTTPSConnectionPool):
    """Connections over https."""

    ConnectionCls: Any = _TLSConnection
    QueueCls: Any = IdleConnections
