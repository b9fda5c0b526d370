"""urllib3's connection pool for one server, reached directly or through a proxy."""

import queue
import ssl
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, ProxyManager
from urllib3.util import make_headers, parse_url

from lightclient.http.connection import PlainConnection, TLSConnection


class IdleConnections:
    """The idle connections of a pool, in place of the queue.LifoQueue that urllib3 takes.

    It has no size, so that urllib3 never warns that its pool is full. It has no lock either: if a
    thread held one while another thread forks, the child would wait for it for ever.
    """

    def __init__(self, maxsize: int = 0) -> None:
        self._idle: list[Any] = []

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take the one that was used last.

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

    def close(self) -> None:
        """Close the idle ones. Those that are in use come back later."""
        with suppress(queue.Empty):  # not `while self._idle`: other threads take from it too
            while True:
                self.get().close()


class _PlainPool(HTTPConnectionPool):
    ConnectionCls: Any = PlainConnection
    QueueCls: Any = IdleConnections


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls: Any = TLSConnection
    QueueCls: Any = IdleConnections


_POOLS: dict[str, type[HTTPConnectionPool]] = {"http": _PlainPool, "https": _TLSPool}


def open_pool(origin: str, context: ssl.SSLContext | None, proxy: str | None) -> HTTPConnectionPool:
    """Make the pool for a server; no connection is made before the first request.

    Args:
        origin: scheme, host and port of the server.
        context: for https.
        proxy: the URL of a proxy; None: the server is reached directly.
    """
    url = parse_url(origin)
    scheme, host = str(url.scheme), str(url.host).strip("[]")
    options: dict[str, Any] = {} if context is None else {"ssl_context": context}
    if proxy is None:
        return _POOLS[scheme](host, url.port, **options)
    user = unquote(parse_url(proxy).auth or "", "latin-1")  # byte by byte
    manager = ProxyManager(proxy, proxy_headers=make_headers(proxy_basic_auth=user), **options)
    manager.pool_classes_by_scheme = _POOLS
    pool: HTTPConnectionPool = manager.connection_from_host(host, url.port, scheme)
    return pool
