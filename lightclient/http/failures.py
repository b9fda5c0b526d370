"""What urllib3, http.client and ssl raise, turned into errors of ours."""

import re
import ssl
from http.client import BadStatusLine, HTTPException, IncompleteRead
from socket import EAI_AGAIN, gaierror

from urllib3.exceptions import HTTPError, ProxyError

from lightclient import errors
from lightclient.http.exchange import Exchange
from lightclient.http.response import MalformedAnswer

# All that urllib3's urlopen lets out. A ValueError comes from http.client, where an answer is
# broken in a way that it does not foresee.
FAILURES = (HTTPError, HTTPException, OSError, ValueError)
# The alerts by which a server refuses its client (RFC 8446, 6.2).
_ABOUT_CERTIFICATES = re.compile("ALERT.*(CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE|ACCESS_DENIED)")


def failure_of(error: Exception, url: str, exchange: Exchange) -> errors.LightClientError:
    """The error of ours for one of `FAILURES` that ended `exchange`, which asked for `url`."""
    cause = _root(error)
    failure: errors.LightClientError
    if exchange.too_large:
        failure = too_large(url, exchange.most_bytes)
    elif exchange.deadline.over:
        failure = _timed_out(url, exchange)
    else:
        kind, words = _explain(error, cause, url, exchange.connecting)
        failure = kind(words, url=url)
    # Other errors than those of the system and of TLS may quote the answer, and with it the text.
    failure.__cause__ = cause if getattr(cause, "errno", None) is not None else None
    return failure


def _explain(
    error: Exception, cause: BaseException | None, url: str, connecting: bool
) -> tuple[type[errors.LightClientError], str]:
    reason = _reason(cause)
    if isinstance(error, ProxyError):
        return errors.CannotConnect, (
            f"{url}: no way through the proxy that HTTP_PROXY or HTTPS_PROXY names ({reason}): "
            "check its address and credentials, or name the server's host in NO_PROXY"
        )
    if isinstance(cause, ssl.SSLCertVerificationError):
        return errors.CannotConnect, (
            f"{url}: no TLS ({reason}): the server's certificate is not trusted; pass ca_certs= "
            "with the CA that signed it"
        )
    if isinstance(cause, ssl.SSLError) and _ABOUT_CERTIFICATES.search(reason):
        return errors.CannotConnect, (
            f"{url}: no TLS ({reason}): the server wants a client certificate, or another than "
            "this; pass client_cert="
        )
    if isinstance(cause, ssl.SSLError) and connecting:
        return errors.CannotConnect, (
            f"{url}: no TLS ({reason}): does this port speak TLS, 1.2 or newer? If not, write "
            "http://"
        )
    if isinstance(cause, gaierror):
        return errors.CannotConnect, (
            f"cannot connect to {url} ({reason}): the host's name does not resolve; check it"
        )
    if isinstance(cause, OSError) and connecting:
        return errors.CannotConnect, (
            f"cannot connect to {url} ({reason}): is the server up, has it loaded the model (its "
            "port opens only then), and is the port right (8501 for REST)?"
        )
    if isinstance(cause, (OSError, IncompleteRead)):
        return errors.ConnectionLost, (
            f"{url}: the connection broke before the answer ({reason}): did the server stop, or "
            "does a proxy in between close connections?"
        )
    if isinstance(cause, BadStatusLine):
        return errors.NotTensorFlowServing, (
            f"{url} does not speak HTTP: is this the REST port (8501), not gRPC's (8500), and is "
            "it not TLS (https://)?"
        )
    what = cause if isinstance(cause, MalformedAnswer) else type(cause).__name__
    return errors.NotTensorFlowServing, (
        f"{url} answered with broken HTTP ({what}): is a proxy in the way?"
    )


def may_pass(error: errors.LightClientError) -> bool:
    """Whether another attempt may succeed where this one failed."""
    cause = error.__cause__
    if isinstance(cause, gaierror):
        return cause.errno == EAI_AGAIN
    if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError):
        return False
    return isinstance(error, (errors.CannotConnect, errors.ConnectionLost))


def too_large(url: str, limit: int) -> errors.ReplyTooLarge:
    """The error for an answer of more than `limit` bytes."""
    words = f"{url} answered with more than {limit} bytes; is it the right server?"
    return errors.ReplyTooLarge(words, url=url, limit=limit)


def _root(error: BaseException | None) -> BaseException | None:
    """The error that urllib3 wrapped in its own: an argument of it, or its cause."""
    while isinstance(error, HTTPError):
        inner = next((arg for arg in error.args if isinstance(arg, Exception)), error.__cause__)
        if inner is None:
            break
        error = inner
    return error


def _reason(cause: BaseException | None) -> str:
    # http.client tells the status of a proxy's answer only in words.
    refusal = re.search(r"Tunnel connection failed: (\d+)", str(cause))
    if refusal:
        return f"it answered {refusal[1]}"
    return getattr(cause, "strerror", None) or type(cause).__name__


def _timed_out(url: str, exchange: Exchange) -> errors.TimedOut:
    stage = "connecting" if exchange.connecting else "waiting for the answer"
    seconds = exchange.deadline.seconds
    return errors.TimedOut(
        f"{url} gave no whole answer within {seconds:g} s (while {stage}): is this the REST port, "
        "and no firewall in the way? Else pass a longer timeout, or fewer texts at once",
        url=url,
        timeout=seconds,
    )
