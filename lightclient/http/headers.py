"""The headers that go with every request, checked once."""

import re
from collections.abc import Mapping

from lightclient.errors import InputError
from lightclient.version import __version__

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, 5.6.2
# The client sets these itself. Another value would contradict the body that it sends.
_FRAMING = frozenset({
    "connection", "content-encoding", "content-length", "expect", "keep-alive",
    "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip


def request_headers(headers: Mapping[str, str] | None, token: str | None) -> dict[str, str]:
    """Merge our headers with the caller's, which win, and with the token.

    Raises:
        InputError: a name or a value cannot stand in a header. The message does not quote the
            value, because it may be a secret.
    """
    ours = {"Content-Type": "application/json", "User-Agent": f"lightclient/{__version__}"}
    if token is not None:
        _check("token", token)
        ours["Authorization"] = f"Bearer {token}"
    if headers is None:
        return ours
    if not isinstance(headers, Mapping):
        raise InputError(f"headers must be a mapping of str to str, not {type(headers).__name__}")
    for name, value in headers.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InputError("headers: a name is no header name (letters, digits, '-')")
        if name.lower() in _FRAMING:
            raise InputError(f"headers: {name} is set by the client itself; leave it out")
        _check(f"headers[{name!r}]", value)
    replaced = {name.lower() for name in headers}
    if len(replaced) < len(headers):
        raise InputError("headers: a name stands there twice, in small letters and in capitals")
    return {k: v for k, v in ours.items() if k.lower() not in replaced} | dict(headers)


def _check(where: str, value: object) -> None:
    if not isinstance(value, str):
        raise InputError(f"{where} must be a str, not {type(value).__name__}")
    if not value or not value.isascii() or not value.isprintable():
        raise InputError(
            f"{where} must be printable ASCII on one line; is there a line break at its end?"
        )
