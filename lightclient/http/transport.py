"""Bytes to the server and its reply back, inside one deadline."""

import random
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from urllib3 import BaseHTTPResponse, Retry

from lightclient.errors import (
    CannotConnect,
    ConnectionLost,
    LightClientError,
    NotTensorFlowServing,
    RedirectRefused,
)
from lightclient.http.deadline import Deadline
from lightclient.http.exchange import Exchange
from lightclient.http.failures import FAILURES, failure_of, too_large, would_recur
from lightclient.http.headers import request_headers
from lightclient.http.pool import open_pool
from lightclient.http.tls import tls_context

MAX_REPLY_BYTES = 64 * 1024 * 1024
REPEATED_STATUSES = frozenset({429, 503})
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0
# Processes that are restored from one snapshot share the state of the random module, and would all
# come back at the same moment.
_RANDOM = random.SystemRandom()
# urllib3's own repeats recurse, and each one is a warning in the log.
_NO_RETRIES = Retry(False, redirect=False)


@dataclass(frozen=True)
class Reply:
    """What came back: the HTTP status and the whole body.

    `url`: what was asked; `attempts`: how often; `retry_after`: the seconds that the server asks
    to wait, None if it does not say.
    """

    status: int
    body: bytes
    url: str
    attempts: int = 1
    retry_after: float | None = None


class Transport:
    """Exchanges requests for replies with one server, over connections that urllib3 keeps.

    Threads may share one.

    Args:
        origin: the server's scheme, host and port, like `http://host:8501`.
        headers: sent with every request; they win over ours.
        token: sent as a bearer token.
        ca_certs, client_cert: for https, as in `tls_context`.
        proxy: the URL of a proxy, with its credentials; None: there is none.
        retries: how often an exchange is repeated, inside its deadline, after 429, 503 or a
            broken connection. Predicting has no side effects, so that a repeat is safe.
        max_reply_bytes: a longer answer is refused.

    Raises:
        InputError: a header, the token or a certificate file is not what it must be.
    """

    def __init__(
        self,
        origin: str,
        *,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
        ca_certs: str | Path | None = None,
        client_cert: str | Path | tuple[str, str] | None = None,
        proxy: str | None = None,
        retries: int = 3,
        max_reply_bytes: int = MAX_REPLY_BYTES,
    ) -> None:
        self._origin = origin
        self._headers = request_headers(headers, token)
        self._retries = retries
        self._max_reply_bytes = max_reply_bytes
        secure = origin.startswith("https:")
        context = tls_context(ca_certs, client_cert) if secure else None
        self._pool = open_pool(origin, context, proxy)
        # A proxy gets the whole URL of an http request. For https, it opens a tunnel to the server
        # (RFC 9112, 3.2.2 and 3.2.3).
        self._prefix = origin if proxy and not secure else ""

    def close(self) -> None:
        """Close the idle connections; a later call opens new ones."""
        idle: Any = self._pool.pool
        idle.close()

    def get(self, path: str, deadline: Deadline) -> Reply:
        """Get `path`; raises what `send` does."""
        return self.send("GET", path, None, deadline)

    def post(self, path: str, body: bytes, deadline: Deadline) -> Reply:
        """Post `body`, JSON, to `path`; raises what `send` does."""
        return self.send("POST", path, body, deadline)

    def send(self, method: str, path: str, body: bytes | None, deadline: Deadline) -> Reply:
        """Send a request and return the reply, whatever its status says.

        Raises:
            TimedOut: the deadline passed first.
            CannotConnect, ConnectionLost: at each attempt.
            RedirectRefused, ReplyTooLarge: at once.
            NotTensorFlowServing: what answers does not speak HTTP.
        """
        attempt = 0
        while True:
            attempt += 1
            try:
                reply = self._attempt(method, path, body, deadline)
                pause = _pause_after(reply, attempt)
                if pause is None or attempt > self._retries or not deadline.allows(pause):
                    return replace(reply, attempts=attempt)
            except (CannotConnect, ConnectionLost) as error:
                pause = _backoff(attempt)
                last = attempt > self._retries or not deadline.allows(pause)
                if last or would_recur(error):
                    error.attempts = attempt
                    raise
            deadline.pause(pause)

    def _attempt(self, method: str, path: str, body: bytes | None, deadline: Deadline) -> Reply:
        while True:
            exchange = Exchange(deadline, self._max_reply_bytes)
            try:
                reply = self._exchange(method, path, body, exchange)
                if reply.status != HTTPStatus.REQUEST_TIMEOUT or exchange.dialled:
                    return reply
                # The server gave the idle connection up as the request was on its way.
            except ConnectionLost:
                # A kept connection that died while it was idle, as after the freeze of a Lambda,
                # says nothing about the server. Take the next one at once; it is no repeat.
                if exchange.dialled:
                    raise

    def _exchange(self, method: str, path: str, body: bytes | None, exchange: Exchange) -> Reply:
        url = self._origin + path
        failure: LightClientError | None = None
        try:
            response = self._pool.urlopen(
                method,
                self._prefix + path,
                body,
                dict(self._headers),  # a copy: tracing adds headers of its own to it
                retries=_NO_RETRIES,
                redirect=False,
                assert_same_host=False,
                timeout=exchange,
                decode_content=False,
            )
        except FAILURES as error:
            failure = failure_of(error, url, exchange)
        if failure is not None:
            # Raised here and not above, because a traceback would show the foreign error, which
            # may quote what the server sent. Deleted, because it would hold on to this frame.
            try:
                raise failure
            finally:
                del failure
        _refuse_redirect(response, url)
        content = _body(response, url, exchange.most_bytes)
        return Reply(response.status, content, url, retry_after=_retry_after(response))


def _pause_after(reply: Reply, attempt: int) -> float | None:
    """The seconds to wait before the next attempt; None if this reply is final."""
    if reply.status not in REPEATED_STATUSES:
        return None
    return reply.retry_after or _backoff(attempt)  # a Retry-After of 0 would repeat at once


def _backoff(attempt: int) -> float:
    # Doubling, with jitter, so that clients that failed together do not come back together.
    pause = min(_FIRST_PAUSE * 2.0 ** min(attempt - 1, 10), _LONGEST_PAUSE)
    return pause * _RANDOM.uniform(0.5, 1)


def _retry_after(response: BaseHTTPResponse) -> float | None:
    """Seconds, or a date (RFC 9110, 10.2.3); None for nonsense."""
    text = response.headers.get("retry-after")
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, float(parsedate_to_datetime(text).timestamp()) - time.time())
    except (ValueError, OverflowError):
        return None


def _refuse_redirect(response: BaseHTTPResponse, url: str) -> None:
    if 300 <= response.status < 400:
        location = response.headers.get("location", "")
        raise RedirectRefused(
            f"{url} redirects to {location.partition('?')[0]!r}; redirects are not followed, as "
            "they could carry text and credentials elsewhere: give the final URL",
            url=url,
            status=response.status,
            location=location,
        )


def _body(response: BaseHTTPResponse, url: str, most: int) -> bytes:
    """The body, which a gateway may have compressed although nobody asked for it."""
    coding = response.headers.get("content-encoding", "identity").lower()
    body = response.data
    try:
        if coding != "identity":
            body = _inflated(body, coding, most)
    except zlib.error as error:
        raise NotTensorFlowServing(
            f"{url} answered with a Content-Encoding of {coding!r} that cannot be read, and that "
            "TensorFlow Serving never sends; switch compression off in the proxy in between",
            url=url,
            status=response.status,
        ) from error
    if len(body) > most:
        raise too_large(url, most)
    return body


def _inflated(data: bytes, coding: str, most: int) -> bytes:
    """The content of a gzip file, or a little more than `most` bytes of it."""
    if coding not in ("gzip", "x-gzip"):
        raise zlib.error("not gzip")
    inflater = zlib.decompressobj(wbits=31)
    body = inflater.decompress(data, most + 1)
    if len(body) <= most and (inflater.unused_data or not inflater.eof):
        raise zlib.error("cut short, or followed by something else")
    return body
