"""The way to a server: straight, or through a proxy."""

import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from urllib3 import HTTPConnectionPool, ProxyManager, make_headers
from urllib3.util import parse_url

from lightclient.http.connection import PlainPool, TLSPool

_POOLS = {"http": PlainPool, "https": TLSPool}


@dataclass(frozen=True)
class Route:
    """`pool`: urllib3's, for one server. `prefix`: what stands before the path in a request."""

    pool: HTTPConnectionPool
    prefix: str

    def target(self, path: str) -> str:
        """What a request asks for: the path, or behind a proxy for http the whole URL."""
        return self.prefix + path

    def close(self) -> None:
        """Close the idle connections."""
        idle: Any = self.pool.pool
        idle.close()


def open_route(origin: str, context: ssl.SSLContext | None, proxy: str | None) -> Route:
    """The way to `origin`; no connection is made before the first request.

    Args:
        origin: scheme, host and port.
        context: for https.
        proxy: the URL of a proxy, None for the straight way. It carries http requests on, and
            opens a tunnel for https (RFC 9110, 7.6 and 9.3.6).
    """
    url = parse_url(origin)
    scheme, host = str(url.scheme), str(url.host).strip("[]")
    options: dict[str, Any] = {} if context is None else {"ssl_context": context}
    if proxy is None:
        return Route(_POOLS[scheme](host, url.port, **options), "")
    manager = ProxyManager(proxy, proxy_headers=_credentials(proxy), **options)
    manager.pool_classes_by_scheme = _POOLS
    pool = manager.connection_from_host(host, url.port, scheme)
    return Route(pool, "" if scheme == "https" else origin)


def _credentials(proxy: str) -> dict[str, str]:
    """The Proxy-Authorization that the URL of a proxy asks for (RFC 7617)."""
    user = parse_url(proxy).auth
    return dict(make_headers(proxy_basic_auth=unquote(user))) if user else {}
