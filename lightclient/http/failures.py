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
    """The error of ours for one of `FAILURES` that ended `exchange`, which asked for `url`.

    Its cause is the error of the system or of TLS behind it. Other foreign errors may quote what
    the server sent, and are left out.
    """
    cause = _root(error)
    failure = _failure(error, cause, url, exchange)
    failure.__cause__ = cause if getattr(cause, "errno", None) is not None else None
    return failure


def _failure(
    error: Exception, cause: BaseException | None, url: str, exchange: Exchange
) -> LightClientError:
    if exchange.too_large:
        return too_large(url, exchange.most_bytes)
    if exchange.deadline.over:
        return _timed_out(url, exchange)
    if isinstance(error, ProxyError):
        return CannotConnect(f"{url}: no way through the proxy {_about_the_proxy(cause)}", url=url)
    if isinstance(cause, ssl.SSLError) and (exchange.connecting or _about_certificates(cause)):
        return CannotConnect(f"{url}: no TLS ({_reason(cause)}): {_mend_tls(cause)}", url=url)
    if isinstance(cause, (OSError, IncompleteRead)):
        if exchange.connecting:
            return _unconnected(cause, url)
        return ConnectionLost(
            f"{url}: the connection broke before the answer ({_reason(cause)}): did the server "
            "stop, or does a proxy in between close connections?",
            url=url,
        )
    return NotTensorFlowServing(f"{url} {_about_the_answer(cause)}", url=url)


def would_recur(error: LightClientError) -> bool:
    """Whether another attempt would fail in the same way."""
    cause = _root(error.__cause__)
    if isinstance(cause, gaierror):
        return cause.errno != EAI_AGAIN
    return isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError)


def too_large(url: str, limit: int) -> ReplyTooLarge:
    """The error for an answer of more than `limit` bytes."""
    words = f"{url} answered with more than {limit} bytes; is it the right server?"
    return ReplyTooLarge(words, url=url, limit=limit)


def _root(error: BaseException | None) -> BaseException | None:
    """The error that urllib3 wrapped in its own: an argument of it, or its cause."""
    while isinstance(error, HTTPError):
        inner = next((arg for arg in error.args if isinstance(arg, Exception)), error.__cause__)
        if inner is None:
            break
        error = inner
    return error


def _reason(error: BaseException | None) -> str:
    return getattr(error, "strerror", None) or type(error).__name__


def _timed_out(url: str, exchange: Exchange) -> TimedOut:
    stage = "connecting" if exchange.connecting else "waiting for the answer"
    seconds = exchange.deadline.seconds
    return TimedOut(
        f"{url} gave no whole answer within {seconds:g} s (while {stage}): is this the REST port, "
        "and no firewall in the way? Else pass a longer timeout, or fewer texts at once",
        url=url,
        timeout=seconds,
    )


def _about_the_proxy(cause: BaseException | None) -> str:
    # http.client tells the status of the proxy's answer only in words.
    refusal = re.search(r"Tunnel connection failed: (\d+)", str(cause))
    said = f"it answered {refusal[1]}" if refusal else _reason(cause)
    return (
        f"that HTTP_PROXY or HTTPS_PROXY names ({said}): check its address and credentials, or "
        "name the server's host in NO_PROXY"
    )


def _about_certificates(error: ssl.SSLError) -> bool:
    return bool(_ABOUT_CERTIFICATES.search(_reason(error)))


def _mend_tls(cause: ssl.SSLError) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return "the server's certificate is not trusted; pass ca_certs= with the CA that signed it"
    if _about_certificates(cause):
        return "the server wants a client certificate, or another than this; pass client_cert="
    return "does this port speak TLS, 1.2 or newer? If not, write http://"


def _unconnected(cause: BaseException, url: str) -> CannotConnect:
    mend = (
        "the host's name does not resolve; check it"
        if isinstance(cause, gaierror)
        else "is the server up, has it loaded the model (its port opens only then), and is the "
        "port right (8501 for REST)?"
    )
    return CannotConnect(f"cannot connect to {url} ({_reason(cause)}): {mend}", url=url)


def _about_the_answer(cause: BaseException | None) -> str:
    if isinstance(cause, (BadStatusLine, UnknownProtocol)):
        return (
            "does not speak HTTP: is this the REST port (8501), not gRPC's (8500), and is it not "
            "TLS (https://)?"
        )
    # The words of other errors may quote the answer, and with it the text.
    what = cause if isinstance(cause, MalformedAnswer) else type(cause).__name__
    return f"answered with broken HTTP ({what}): is a proxy in the way?"
