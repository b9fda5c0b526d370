"""Bytes to the server and a `Reply` back, inside one deadline."""

import random
import re
import ssl
import time
import weakref
from collections.abc import Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from functools import partial
from socket import EAI_AGAIN, gaierror
from typing import cast

from urllib3.exceptions import HTTPError

from lightclient.errors import (
    CannotConnect,
    ConnectionLost,
    LightClientError,
    NotTensorFlowServing,
    RedirectRefused,
    ReplyTooLarge,
    TimedOut,
    TransportError,
)
from lightclient.http.deadline import Deadline
from lightclient.http.headers import head_lines, request_bytes
from lightclient.http.response import (
    Head,
    MalformedError,
    NotHTTPError,
    OverBudgetError,
    read_body,
    read_head,
)
from lightclient.http.sockets import Connection, Pool, TLSConnection
from lightclient.serving.address import Address
from lightclient.serving.reply import Reply

MAX_REPLY_BYTES = 64 * 1024 * 1024
REPEATED_STATUSES = frozenset({429, 503})
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0
_HEAD_BYTES = 1024 * 1024
# The alerts by which a server refuses its client (RFC 8446, 6.2).
_ABOUT_CERTIFICATES = re.compile("ALERT.*(CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE|ACCESS_DENIED)")


class Transport:
    """One server's connections, shared between threads.

    Args:
        address: the served model.
        headers: sent with every request, credentials among them.
        context: for https; see tls.py.
        retries: how often an exchange is repeated, inside its deadline, after 429, 503 or a
            broken connection. Predicting has no side effects, so that a repeat is safe.
        max_reply_bytes: a longer answer is refused.
    """

    def __init__(
        self,
        address: Address,
        *,
        headers: Mapping[str, str],
        context: ssl.SSLContext | None = None,
        retries: int = 3,
        max_reply_bytes: int = MAX_REPLY_BYTES,
    ) -> None:
        self._origin = address.origin
        self._head = head_lines(address, headers)
        self._retries = retries
        self._max_reply_bytes = max_reply_bytes
        self._pool = Pool(
            partial(Connection, address.host, address.port)
            if address.scheme == "http"
            else partial(TLSConnection, address.host, address.port, cast(ssl.SSLContext, context))
        )
        weakref.finalize(self, self._pool.close)

    def close(self) -> None:
        """Close the idle connections; a later call opens new ones."""
        self._pool.close()

    def get(self, path: str, deadline: Deadline) -> Reply:
        """Ask for `path`. Raises as `send` does."""
        return self.send("GET", path, b"", deadline)

    def post(self, path: str, body: bytes, deadline: Deadline) -> Reply:
        """Send `body`, JSON, to `path`. Raises as `send` does."""
        return self.send("POST", path, body, deadline)

    def send(self, method: str, path: str, body: bytes, deadline: Deadline) -> Reply:
        """Exchange a request for a reply; what its status means is not looked at here.

        Raises:
            TimedOut: the deadline passed first.
            CannotConnect, ConnectionLost: at each attempt.
            RedirectRefused, ReplyTooLarge: at once.
            NotTensorFlowServing: what answers does not speak HTTP, or speaks it compressed.
        """
        request = request_bytes(method, path, self._head, body)
        url = self._origin + path
        outcome: Reply | TransportError
        attempt = 0
        while True:
            attempt += 1
            try:
                outcome = self._attempt(request, url, deadline)
            except (CannotConnect, ConnectionLost) as error:
                outcome = error
            pause = _pause(outcome, attempt)
            if attempt > self._retries or pause is None or not deadline.allows(pause):
                return _settle(outcome, attempt)
            deadline.pause(pause)

    def _attempt(self, request: bytes, url: str, deadline: Deadline) -> Reply:
        connection = self._pool.take()
        if connection.sock is not None:
            try:
                return self._exchange(connection, request, url, deadline)
            except ConnectionLost:
                # A kept connection that died while idle, as after the freeze of a Lambda, says
                # nothing of the server: a new one at once, which is not counted as a repeat.
                connection = self._pool.connect()
        return self._exchange(connection, request, url, deadline)

    def _exchange(
        self, connection: Connection, request: bytes, url: str, deadline: Deadline
    ) -> Reply:
        try:
            self._open(connection, url, deadline)
            try:
                reply = self._round_trip(connection, request, url)
            except (OSError, HTTPError, MalformedError) as error:
                raise self._broken(error, url, deadline) from error
        except BaseException:
            connection.close()
            raise
        self._pool.give_back(connection)
        return reply

    def _open(self, connection: Connection, url: str, deadline: Deadline) -> None:
        try:
            connection.begin(deadline, self._max_reply_bytes + _HEAD_BYTES)
        except (OSError, HTTPError) as error:
            raise _unconnected(error, url, deadline) from error

    def _round_trip(self, connection: Connection, request: bytes, url: str) -> Reply:
        stream = connection.ask(request)
        head = read_head(stream)
        _refuse_interim(head, url)
        _refuse_redirect(head, url)
        _refuse_compressed(head, url)
        body = read_body(stream, head, self._max_reply_bytes)
        if stream.surplus or not head.keeps_open:
            connection.close()
        return Reply(head.status, body, url, retry_after=_retry_after(head))

    def _too_large(self, url: str) -> ReplyTooLarge:
        return ReplyTooLarge(
            f"{url} answered with more than {self._max_reply_bytes} bytes; is it the right server?",
            url=url,
            attempts=1,
            limit=self._max_reply_bytes,
        )

    def _broken(self, error: Exception, url: str, deadline: Deadline) -> Exception:
        """An error on an open connection into one of ours."""
        if isinstance(error, LightClientError):
            return error
        if isinstance(error, OverBudgetError):
            return self._too_large(url)
        return _lost(error, url, deadline)


def _settle(outcome: Reply | TransportError, attempts: int) -> Reply:
    if isinstance(outcome, TransportError):
        outcome.attempts = attempts
        raise outcome
    return outcome if attempts == 1 else replace(outcome, attempts=attempts)


def _pause(outcome: Reply | TransportError, attempt: int) -> float | None:
    """The seconds to wait before the next attempt; None if another would not help."""
    if isinstance(outcome, Reply):
        if outcome.status not in REPEATED_STATUSES:
            return None
        if outcome.retry_after:  # 0 would repeat without a pause
            return outcome.retry_after
    elif _is_for_good(outcome.__cause__):
        return None
    # Doubling, with jitter, so that clients that failed together do not come back together.
    pause = min(_FIRST_PAUSE * 2.0 ** min(attempt - 1, 10), _LONGEST_PAUSE)
    return pause * random.uniform(0.5, 1)  # noqa: S311


def _is_for_good(cause: BaseException | None) -> bool:
    """Whether another attempt would meet the same."""
    if isinstance(cause, gaierror):
        return cause.errno != EAI_AGAIN
    return isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError)


def _retry_after(head: Head) -> float | None:
    """Seconds, or a date (RFC 9110, 10.2.3); None for nonsense."""
    text = head.fields.get("retry-after", "")
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, float(parsedate_to_datetime(text).timestamp()) - time.time())
    except (ValueError, OverflowError):
        return None


def _refuse_interim(head: Head, url: str) -> None:
    """To go on after one would take the real answer for that of the next request."""
    if head.status < 200:
        raise NotTensorFlowServing(
            f"{url} answered {head.status}, which TensorFlow Serving never does; is a proxy in the "
            "way?",
            url=url,
            status=head.status,
        )


def _refuse_redirect(head: Head, url: str) -> None:
    if 300 <= head.status < 400:
        location = head.fields.get("location", "")
        raise RedirectRefused(
            f"{url} redirects to {location.partition('?')[0]!r}; redirects are not followed, as "
            "they could carry text and credentials elsewhere: give the final URL",
            url=url,
            attempts=1,
            status=head.status,
            location=location,
        )


def _refuse_compressed(head: Head, url: str) -> None:
    encoding = head.fields.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise NotTensorFlowServing(
            f"{url} answered with Content-Encoding {encoding!r}, which was not asked for and which "
            "TensorFlow Serving never sends; switch compression off in the proxy in between",
            url=url,
            status=head.status,
        )


def _unconnected(error: Exception, url: str, deadline: Deadline) -> TransportError:
    if deadline.over:
        return _timed_out(url, deadline, "connecting")
    if isinstance(error, ssl.SSLError):
        return _tls_failed(error, url)
    if isinstance(error, gaierror):
        mend = "the host's name does not resolve; check it"
    else:
        mend = (
            "is the server up, has it loaded the model (its port opens only then), and is the "
            "port right (8501 for REST)?"
        )
    return CannotConnect(f"cannot connect to {url} ({_reason(error)}): {mend}", url=url, attempts=1)


def _tls_failed(error: ssl.SSLError, url: str) -> CannotConnect:
    reason = _reason(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        mend = "the server's certificate is not trusted; pass ca_certs= with the CA that signed it"
    elif _ABOUT_CERTIFICATES.search(reason):
        mend = "the server wants a client certificate, or another than this; pass client_cert="
    else:
        mend = "does this port speak TLS, 1.2 or newer? If not, write http://"
    return CannotConnect(f"no TLS with {url} ({reason}): {mend}", url=url, attempts=1)


def _lost(error: Exception, url: str, deadline: Deadline) -> Exception:
    if deadline.over:
        return _timed_out(url, deadline, "waiting for the answer")
    if isinstance(error, ssl.SSLError) and _ABOUT_CERTIFICATES.search(_reason(error)):
        return _tls_failed(error, url)
    if isinstance(error, MalformedError):
        return NotTensorFlowServing(f"{url} {_broken_http(error)}", url=url)
    return ConnectionLost(
        f"the connection to {url} broke before the answer was whole ({_reason(error)})",
        url=url,
        attempts=1,
    )


def _broken_http(error: MalformedError) -> str:
    if isinstance(error, NotHTTPError):
        return (
            "does not speak HTTP: is this the REST port (8501), not gRPC's (8500), and is it not "
            "TLS (https://)?"
        )
    return f"answered with broken HTTP ({error}): is a proxy in the way?"


def _timed_out(url: str, deadline: Deadline, stage: str) -> TimedOut:
    return TimedOut(
        f"{url} gave no whole answer within {deadline.seconds:g} s (while {stage}): is this the "
        "REST port, and no firewall in the way? Else pass a longer timeout, or fewer texts at once",
        url=url,
        attempts=1,
        timeout=deadline.seconds,
    )


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
