"""Bytes to the server and its reply back, inside one deadline."""

import time
import zlib
from contextlib import suppress
from email.utils import parsedate_to_datetime
from logging import DEBUG
from pathlib import Path
from typing import Any, NamedTuple

from urllib3 import BaseHTTPResponse, Retry

from lightclient import errors
from lightclient.http.deadline import Deadline
from lightclient.http.exchange import Exchange
from lightclient.http.failures import FAILURES, failure_of, may_pass, too_large
from lightclient.http.headers import Headers, HeaderSource, Token
from lightclient.http.log import LOG, logged
from lightclient.http.pool import open_pool
from lightclient.http.repeats import Repeats
from lightclient.http.tls import tls_context

MAX_REPLY_BYTES = 64 * 1024 * 1024
_OK, _REQUEST_TIMEOUT = 200, 408
_REPEATED_STATUSES = frozenset({429, 503})
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
    """Exchanges requests for replies with one server. Threads may share one.

    Args:
        origin: the server's scheme, host and port, like `http://host:8501`.
        headers, token, ca_certs, client_cert, retries: as for `Classifier`.
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
        self._repeats = Repeats(retries)
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

        Raises:
            TimedOut: the deadline passed first.
            CannotConnect, ConnectionLost: at each attempt.
            RedirectRefused, ReplyTooLarge: at once.
            NotTensorFlowServing: what answers does not speak HTTP.
            CredentialsError: a function that gives the token or the headers failed.
        """
        if not LOG.isEnabledFor(DEBUG):
            return self._send(method, path, body, deadline, [])
        with logged(method, self._origin + path, body, deadline) as found:
            reply = self._send(method, path, body, deadline, found["repeated"])
            found["status"], found["bytes_received"] = reply.status, len(reply.body)
        return reply

    def _send(
        self, method: str, path: str, body: bytes | None, deadline: Deadline, repeated: list[str]
    ) -> Reply:
        """The same without a record. `repeated` gets the reason of each repeat."""
        pace, attempt = deadline.pace, 0
        self._repeats.add_call()
        while True:  # predicting has no side effects, so that a repeat is safe
            attempt += 1
            try:
                reply = self._attempt(method, path, body, deadline, attempt)
            except errors.TransportError as error:
                if may_pass(error) and self._repeats.wait(attempt, deadline):
                    repeated.append(type(error).__name__)
                    continue
                error.attempts = attempt
                if attempt > 1:
                    error.args = (f"{error} (tried {attempt} times)",)
                raise
            if reply.status not in _REPEATED_STATUSES:
                if attempt > 1:
                    self._repeats.helped()
                if pace:
                    pace.answered()
                return reply
            if pace:
                pace.refused()
            if not self._repeats.wait(attempt, deadline, reply.retry_after):
                return reply
            repeated.append(str(reply.status))

    def _attempt(
        self, method: str, path: str, body: bytes | None, deadline: Deadline, attempt: int
    ) -> Reply:
        # A kept connection that the server gave up while it was idle, as during the freeze of a
        # Lambda, says nothing about the server. The next one is taken at once; it is no repeat.
        was_late = False
        while True:
            exchange = Exchange(deadline, self._max_reply_bytes)
            try:
                response = self._exchange(method, path, body, exchange)
            except errors.ConnectionLost:
                if exchange.dialled:
                    raise
                continue
            if response.status != _REQUEST_TIMEOUT or was_late or exchange.dialled:
                return _read_reply(response, self._origin + path, attempt, exchange.most_bytes)
            was_late = True  # a second 408 is about the request itself

    def _exchange(
        self, method: str, path: str, body: bytes | None, exchange: Exchange
    ) -> BaseHTTPResponse:
        url = self._origin + path
        headers = self._headers.of(method, url, body)
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
            failure = failure_of(error, url, exchange)
        try:
            # Not where the foreign error is caught: it may quote what the server sent, and would
            # be in the traceback.
            raise failure
        finally:
            del failure  # it would hold on to this frame, and the frame to it


def _read_reply(response: BaseHTTPResponse, url: str, attempt: int, most: int) -> Reply:
    status = response.status
    if 300 <= status < 400:
        location = response.headers.get("location", "")
        raise errors.RedirectRefused(
            f"{url} redirects to {location.partition('?')[0]!r}; redirects are not followed, as "
            "they could carry text and credentials elsewhere: give the final URL",
            url=url,
            status=status,
            location=location,
        )
    pause = None if status == _OK else _retry_after(response)
    return Reply(status, _body(response, url, most), url, attempt, pause)


def _retry_after(response: BaseHTTPResponse) -> float | None:
    """The seconds of a number or a date (RFC 9110, 10.2.3); None for nonsense."""
    # urllib3 could read it as well, but its newer versions make six hours of any longer time.
    text = response.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None


def _body(response: BaseHTTPResponse, url: str, most: int) -> bytes:
    """The body, which a gateway may have compressed although nobody asked for it."""
    coding, body = "identity", response.data
    if "content-encoding" in response.headers:  # `get` would be slower where it is not there
        coding = response.headers["content-encoding"].lower()
    if coding != "identity":
        inflater = zlib.decompressobj(wbits=31)  # 31: the format of gzip
        with suppress(zlib.error):
            body = inflater.decompress(body, most + 1)
        whole = inflater.eof and not inflater.unused_data
        if coding not in ("gzip", "x-gzip") or not (whole or len(body) > most):
            raise errors.NotTensorFlowServing(
                f"{url} answered with a Content-Encoding of {coding!r} that cannot be read, and "
                "that TensorFlow Serving never sends; switch compression off in the proxy in "
                "between",
                url=url,
                status=response.status,
            )
    if len(body) > most:
        raise too_large(url, most)
    return body
