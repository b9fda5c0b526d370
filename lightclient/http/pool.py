"""urllib3's connection pool for one server, reached directly or through a proxy."""

import os
import queue
import ssl
import time
from contextlib import suppress
from typing import Any, cast
from urllib.parse import unquote

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError
from urllib3.util import make_headers, parse_url

from lightclient.http.exchange import Exchange
from lightclient.http.response import StrictResponse
from lightclient.http.sockets import TimedSocket, dial

# A connection is not used for longer, so that a server which is added behind a DNS name gets its
# share of the calls.
_MOST_SECONDS = 300


class _Connection(HTTPConnection):
    """Is opened within the deadline, and knows when to be used no more."""

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
        exchange = cast(Exchange, self.timeout)
        try:
            super().connect()  # with a proxy's tunnel and the TLS handshake, where there are any
        except BaseException:
            # Older ones of urllib3 and Python leave the answer of a proxy open, and so the socket.
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
        with suppress(BrokenPipeError, ConnectionResetError):
            self.send(b"".join(unsent))

    def send(self, data: Any) -> None:
        """Send bytes, or hold them back while `request` puts a request together."""
        if self._unsent is None:
            super().send(data)
        else:
            self._unsent.append(data)

    @property
    def is_connected(self) -> bool:
        process, since = self._opened
        if self.sock is None or self.sock.fileno() < 0 or process != os.getpid():
            return False  # a child process never uses a connection of its parent
        return time.monotonic() - since < _MOST_SECONDS and super().is_connected


class _TLSConnection(_Connection, HTTPSConnection):
    """The same over https: here, `super()` in `_Connection` is an HTTPSConnection."""


class _Idle:
    """The idle connections of a pool, in place of the queue.LifoQueue that urllib3 takes.

    It has no size, so that urllib3 never warns that its pool is full. It has no lock either: if a
    thread held one while another thread forks, the child would wait for it for ever.
    """

    def __init__(self, maxsize: int = 0) -> None:
        self._idle: list[Any] = []

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        try:
            return self._idle.pop()
        except IndexError:
            raise queue.Empty from None

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        if item is not None:  # urllib3 puts None for a connection that is broken
            self._idle.append(item)

    def close(self) -> None:
        with suppress(queue.Empty):  # not `while self._idle`: other threads take from it too
            while True:
                self.get().close()


class _PlainPool(HTTPConnectionPool):
    ConnectionCls: Any = _Connection
    QueueCls: Any = _Idle


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls: Any = _TLSConnection
    QueueCls: Any = _Idle


def open_pool(origin: str, context: ssl.SSLContext | None, proxy: str | None) -> HTTPConnectionPool:
    """The pool for a server, which connects at the first request. `context`: for https."""
    options: dict[str, Any] = {} if context is None else {"ssl_context": context}
    if proxy is None:
        manager = PoolManager(**options)
    else:
        user = unquote(parse_url(proxy).auth or "", "latin-1")  # byte by byte
        manager = ProxyManager(proxy, proxy_headers=make_headers(proxy_basic_auth=user), **options)
    manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TLSPool}
    return manager.connection_from_url(origin)
