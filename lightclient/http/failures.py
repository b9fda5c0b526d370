"""What urllib3, http.client and ssl raise, turned into errors of ours."""

import re
import ssl
from http.client import BadStatusLine, HTTPException, IncompleteRead, UnknownProtocol
from socket import EAI_AGAIN, gaierror

from urllib3.exceptions import HTTPError, ProxyError

from lightclient.errors import (
    CannotConnect,
    ConnectionLost,
    LightClientError,
    NotTensorFlowServing,
    ReplyTooLarge,
    TimedOut,
)
from lightclient.http.connection import MalformedAnswer
from lightclient.http.exchange import Exchange

# All that urllib3's urlopen lets out. A ValueError comes from http.client, where an answer is
# broken in a way that it does not foresee.
FAILURES = (HTTPError, HTTPException, OSError, ValueError)
# The alerts by which a server refuses its client (RFC 8446, 6.2).
_ABOUT_CERTIFICATES = re.compile("ALERT.*(CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE|ACCESS_DENIED)")


def failure_of(error: Exception, url: str, exchange: Exchange) -> LightClientError:
    """The error of ours for one of `FAILURES` that ended `exchange`, which asked for `url`."""
    cause = _root(error)
    if exchange.too_large:
        return too_large(url, exchange.most_bytes)
    if exchange.deadline.over:
        return _timed_out(url, exchange)
    if isinstance(error, ProxyError):
        return _no_way_through_the_proxy(cause, url)
    if isinstance(cause, ssl.SSLError) and (exchange.connecting or _about_certificates(cause)):
        return _tls_failed(cause, url)
    if isinstance(cause, (OSError, IncompleteRead)):
        return _unconnected(cause, url) if exchange.connecting else _lost(cause, url)
    return _malformed(cause, url)


def would_recur(error: LightClientError) -> bool:
    """Whether another attempt would fail in the same way."""
    cause = _root(error.__cause__)
    if isinstance(cause, gaierror):
        return cause.errno != EAI_AGAIN
    return isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError)


def too_large(url: str, limit: int) -> ReplyTooLarge:
    """The error for an answer of more than `limit` bytes."""
    return ReplyTooLarge(
        f"{url} answered with more than {limit} bytes; is it the right server?",
        url=url,
        attempts=1,
        limit=limit,
    )


def _root(error: BaseException | None) -> BaseException | None:
    """The error that urllib3 wrapped in its own: an argument of it, or its cause."""
    while isinstance(error, HTTPError):
        inner = next((arg for arg in error.args if isinstance(arg, Exception)), error.__cause__)
        if inner is None:
            break
        error = inner
    return error


def _about_certificates(error: ssl.SSLError) -> bool:
    return bool(_ABOUT_CERTIFICATES.search(_reason(error)))


def _timed_out(url: str, exchange: Exchange) -> TimedOut:
    stage = "connecting" if exchange.connecting else "waiting for the answer"
    seconds = exchange.deadline.seconds
    return TimedOut(
        f"{url} gave no whole answer within {seconds:g} s (while {stage}): is this the REST port, "
        "and no firewall in the way? Else pass a longer timeout, or fewer texts at once",
        url=url,
        attempts=1,
        timeout=seconds,
    )


def _no_way_through_the_proxy(cause: BaseException | None, url: str) -> CannotConnect:
    # http.client tells the status of the proxy's answer only in words.
    refusal = re.search(r"Tunnel connection failed: (\d+)", str(cause))
    said = f"it answered {refusal[1]}" if refusal else _reason(cause)
    return CannotConnect(
        f"cannot reach {url} through the proxy that HTTP_PROXY or HTTPS_PROXY names ({said}): "
        "check its address and credentials, or name the host in NO_PROXY",
        url=url,
        attempts=1,
    )


def _unconnected(cause: BaseException, url: str) -> CannotConnect:
    if isinstance(cause, gaierror):
        mend = "the host's name does not resolve; check it"
    else:
        mend = (
            "is the server up, has it loaded the model (its port opens only then), and is the "
            "port right (8501 for REST)?"
        )
    return CannotConnect(f"cannot connect to {url} ({_reason(cause)}): {mend}", url=url, attempts=1)


def _tls_failed(cause: ssl.SSLError, url: str) -> CannotConnect:
    if isinstance(cause, ssl.SSLCertVerificationError):
        mend = "the server's certificate is not trusted; pass ca_certs= with the CA that signed it"
    elif _about_certificates(cause):
        mend = "the server wants a client certificate, or another than this; pass client_cert="
    else:
        mend = "does this port speak TLS, 1.2 or newer? If not, write http://"
    return CannotConnect(f"no TLS with {url} ({_reason(cause)}): {mend}", url=url, attempts=1)


def _lost(cause: BaseException, url: str) -> ConnectionLost:
    return ConnectionLost(
        f"the connection to {url} broke before the answer was whole ({_reason(cause)})",
        url=url,
        attempts=1,
    )


def _malformed(cause: BaseException | None, url: str) -> NotTensorFlowServing:
    if isinstance(cause, (BadStatusLine, UnknownProtocol)):
        words = (
            "does not speak HTTP: is this the REST port (8501), not gRPC's (8500), and is it not "
            "TLS (https://)?"
        )
    else:
        # The words of other errors may quote the answer.
        what = cause if isinstance(cause, MalformedAnswer) else type(cause).__name__
        words = f"answered with broken HTTP ({what}): is a proxy in the way?"
    return NotTensorFlowServing(f"{url} {words}", url=url)


def _reason(error: BaseException | None) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
