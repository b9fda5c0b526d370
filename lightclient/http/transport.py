"""Bytes to the server and its reply back, inside one deadline."""

import random
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from logging import DEBUG
from pathlib import Path
from typing import Any, NamedTuple

from urllib3 import BaseHTTPResponse, Retry

from lightclient.errors import (
    CannotConnect,
    ConnectionLost,
    LightClientError,
    NotTensorFlowServing,
    RedirectRefused,
    TransportError,
)
from lightclient.http.budget import RetryBudget
from lightclient.http.deadline import Deadline
from lightclient.http.exchange import Exchange
from lightclient.http.failures import FAILURES, failure_of, too_large, would_recur
from lightclient.http.headers import Headers, HeaderSource, Token
from lightclient.http.log import LOG, Watch
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


class Reply(NamedTuple):
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
        headers, token, ca_certs, client_cert, retries: as for `Classifier`. Predicting has no side
            effects, so that a repeat is safe. The requests of a stream, whose deadline has a pace,
            are repeated until then instead, unless `retries` is 0. All repeats together are bounded
            by a `RetryBudget`, to which a connection that is opened anew is no repeat.
        proxy: the URL of a proxy, with its credentials; None: there is none.
        max_reply_bytes: a longer answer is refused.

    Raises:
        InputError: a header, the token or a certificate file is not what it must be.
    """

    def __init__(
        self,
        origin: str,
        *,
        headers: Headers | None = None,
        token: Token | None = None,
        ca_certs: str | Path | None = None,
        client_cert: str | Path | tuple[str, str] | None = None,
        proxy: str | None = None,
        retries: int = 3,
        max_reply_bytes: int = MAX_REPLY_BYTES,
    ) -> None:
        self._origin = origin
        self._headers = HeaderSource(headers, token)
        self._retries, self._budget = retries, RetryBudget()
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

    def send(self, method: str, path: str, body: bytes | None, deadline: Deadline) -> Reply:
        """Send a request and return the reply, whatever its status says.

        The log gets a record of it at level DEBUG, which `Watch` describes.

        Raises:
            TimedOut: the deadline passed first.
            CannotConnect, ConnectionLost: at each attempt.
            RedirectRefused, ReplyTooLarge: at once.
            NotTensorFlowServing: what answers does not speak HTTP.
            CredentialsError: a function that gives the token or the headers failed.
        """
        if not LOG.isEnabledFor(DEBUG):
            return self._send(method, path, body, deadline, [])
        with Watch(method, self._origin + path, body, deadline) as watch:
            reply = self._send(method, path, body, deadline, watch.repeated)
            watch.status, watch.body = reply.status, reply.body
        return reply

    def _send(
        self, method: str, path: str, body: bytes | None, deadline: Deadline, repeated: list[str]
    ) -> Reply:
        """The same without a record. `repeated` gets the reason of each repeat."""
        pace, attempt = deadline.pace, 0
        self._budget.add_call()
        while True:
            attempt += 1
            try:
                reply = self._attempt(method, path, body, deadline, attempt)
            except TransportError as error:
                may_help = isinstance(error, (CannotConnect, ConnectionLost))
                if not may_help or would_recur(error) or not self._wait(attempt, deadline):
                    _count_attempts(error, attempt)
                    raise
                repeated.append(type(error).__name__)
            else:
                if reply.status not in REPEATED_STATUSES:
                    if attempt > 1:
                        self._budget.repeat_helped()
                    if pace:
                        pace.answered()
                    return reply
                if pace:
                    pace.refused()
                if not self._wait(attempt, deadline, reply.retry_after):
                    return reply
                repeated.append(str(reply.status))

    def _wait(self, attempt: int, deadline: Deadline, asked_for: float | None = None) -> bool:
        """Pause before the next attempt, or give up; whether there is a next attempt.

        `asked_for`: the seconds that the server asked to wait.
        """
        pace, least = deadline.pace, asked_for or 0.0
        patient = pace is not None and pace.patient and self._retries > 0
        pause = least or _backoff(attempt)  # 0 would repeat at once
        if patient and deadline.left > 2 * _FIRST_PAUSE:
            pause = max(least, min(pause, deadline.left / 2))  # to use the deadline up
        repeated = (patient or attempt <= self._retries) and deadline.allows(pause)
        if repeated and self._budget.take_repeat():
            deadline.pause(pause)
            return True
        if repeated and pace:
            pace.refused()
            # Also before it gives up, or the next request of the stream would be sent at once.
            deadline.pause(pause if patient else min(_backoff(self._retries), deadline.left))
        if repeated and patient:
            deadline.pause(deadline.left / 2, until=self._budget.take_turn)
            return True
        if pace:
            pace.gave_up()
        return False

    def _attempt(
        self, method: str, path: str, body: bytes | None, deadline: Deadline, attempt: int
    ) -> Reply:
        url = self._origin + path
        headers = self._headers.of(method, url, body)
        was_late = False
        while True:
            exchange = Exchange(deadline, self._max_reply_bytes)
            response = self._exchange(method, path, body, headers, exchange)
            late = getattr(response, "status", None) == HTTPStatus.REQUEST_TIMEOUT
            # A kept connection that the server gave up while it was idle, as during the freeze of
            # a Lambda, says nothing about the server. Take the next one at once; it is no repeat.
            # Only a second 408 is about the request itself.
            stale = isinstance(response, ConnectionLost) or (late and not was_late)
            if stale and not exchange.dialled:
                was_late = late
                continue
            if isinstance(response, LightClientError):
                try:
                    raise response
                finally:
                    del response  # it would hold on to this frame, and the frame to it
            _refuse_redirect(response, url)
            content = _body(response, url, exchange.most_bytes)
            is_good = response.status == HTTPStatus.OK
            pause = None if is_good else _retry_after(response)
            return Reply(response.status, content, url, attempt, pause)

    def _exchange(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        exchange: Exchange,
    ) -> BaseHTTPResponse | LightClientError:
        """The response, or the error.

        It is returned and not raised, because its traceback would show the foreign error that it
        stands for, which may quote what the server sent.
        """
        try:
            return self._pool.urlopen(
                method,
                self._prefix + path,
                body,
                dict(headers),  # a copy: tracing adds headers of its own to it
                retries=_NO_RETRIES,
                redirect=False,
                assert_same_host=False,
                timeout=exchange,
                decode_content=False,
            )
        except FAILURES as error:
            return failure_of(error, self._origin + path, exchange)


def _count_attempts(error: TransportError, attempts: int) -> None:
    error.attempts = attempts
    if attempts > 1:
        error.args = (f"{error} (tried {attempts} times)",)


def _backoff(attempt: int) -> float:
    # Doubling, with jitter, so that clients that failed together do not come back together.
    pause = min(_FIRST_PAUSE * 2.0 ** min(attempt - 1, 10), _LONGEST_PAUSE)
    return pause * _RANDOM.uniform(0.5, 1)


def _retry_after(response: BaseHTTPResponse) -> float | None:
    """The seconds of a number or a date (RFC 9110, 10.2.3); None for nonsense.

    urllib3 could read it as well, but its newer versions make six hours of any longer time.
    """
    text = response.headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
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
    if coding != "identity":
        inflater = zlib.decompressobj(wbits=31)  # 31: the format of gzip
        with suppress(zlib.error):
            body = inflater.decompress(body, most + 1)
        whole = inflater.eof and not inflater.unused_data
        if coding not in ("gzip", "x-gzip") or not (whole or len(body) > most):
            raise NotTensorFlowServing(
                f"{url} answered with a Content-Encoding of {coding!r} that cannot be read, and "
                "that TensorFlow Serving never sends; switch compression off in the proxy in "
                "between",
                url=url,
                status=response.status,
            )
    if len(body) > most:
        raise too_large(url, most)
    return body
