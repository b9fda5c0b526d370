"""The headers that go with every request, checked before they are sent."""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from lightclient.errors import CredentialsError, InputError
from lightclient.version import __version__

# A function of the request's method, URL and body may give the headers, such as a signature.
Headers: TypeAlias = Mapping[str, str] | Callable[[str, str, bytes], Mapping[str, str]]
Token: TypeAlias = str | Callable[[], str]
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, 5.6.2
# The client sets these itself. Another value would contradict the body that it sends.
_FRAMING = frozenset({
    "connection", "content-encoding", "content-length", "expect", "keep-alive",
    "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip


class HeaderSource:
    """Gives the headers of each request; `headers` and `token` are those of `Classifier`.

    Raises:
        InputError: a name or a value cannot stand in a header.
    """

    def __init__(self, headers: Headers | None, token: Token | None) -> None:
        self._headers, self._token = headers, token
        # A value is checked now, also where the other of the two is a function.
        checked = request_headers(
            None if callable(headers) else headers, None if callable(token) else token
        )
        self._fixed = None if callable(headers) or callable(token) else checked

    def of(self, method: str, url: str, body: bytes | None) -> Mapping[str, str]:
        """The headers of one request, to be read and not changed.

        Raises:
            CredentialsError: a function failed, or gave what cannot stand in a header.
        """
        if self._fixed is not None:
            return self._fixed
        token, headers = self._token, self._headers
        if callable(token):
            token = _called("token()", token)
        if callable(headers):
            headers = _called("headers(method, url, body)", headers, method, url, body or b"")
        try:
            return request_headers(headers, token)
        except InputError as error:
            raise CredentialsError(f"from the function that was passed: {error}") from error


def _called(call: str, function: Callable[..., Any], *arguments: object) -> Any:
    try:
        given = function(*arguments)
    except Exception as error:
        # Its words may hold a secret, so only the cause has them.
        raise CredentialsError(
            f"the function that is called as {call} failed with {type(error).__name__}; "
            "`__cause__` of this error has its words"
        ) from error
    if given is None:  # else the request would be sent without
        raise CredentialsError(f"the function that is called as {call} gave None")
    return given


def request_headers(headers: Mapping[str, str] | None, token: str | None) -> dict[str, str]:
    """Merge our headers with the caller's, which win, and with the token.

    Raises:
        InputError: a name or a value cannot stand in a header. The message does not quote the
            value, because it may be a secret.
    """
    ours = {"Content-Type": "application/json", "User-Agent": f"lightclient/{__version__}"}
    if token is not None:
        _check("token", token)
        if token.lower().startswith("bearer "):
            raise InputError("token is sent behind the word Bearer; leave that word out of it")
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
