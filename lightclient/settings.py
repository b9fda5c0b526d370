"""Settings from arguments or the environment. No other module of the client reads `os.environ`."""

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any, get_args

from lightclient.checks import check_choice, check_whole
from lightclient.errors import InputError, SettingError
from lightclient.http.headers import Headers, Token
from lightclient.messages import short_repr
from lightclient.model.bundle import Bundle, FunctionName
from lightclient.questions.long_texts import LongTexts
from lightclient.serving.function import FUNCTIONS
from lightclient.serving.request import FORMS, Form
from lightclient.serving.signature import Signature

# The settings that the environment may give, as LIGHTCLIENT_ and the name in capitals.
FROM_ENVIRONMENT = ("url", "bundle", "timeout", "token", "ca_certs", "client_cert", "function")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_LONGEST = 366 * 24 * 3600  # far beyond it, the waits of the system overflow


class EnvironmentToken(str):
    """The token of LIGHTCLIENT_TOKEN. A pickle of it names the variable and not its value."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return read_token, ()


def read_token() -> EnvironmentToken:
    """The token of the environment, which a pickled classifier calls where it is unpickled.

    Raises:
        SettingError: there is none.
    """
    token = os.environ.get("LIGHTCLIENT_TOKEN")
    if not token:
        raise SettingError(
            "LIGHTCLIENT_TOKEN is not set here: this classifier was pickled where the variable "
            "gave its token, and no secret travels in a pickle; set it here as well"
        )
    return EnvironmentToken(token)


@dataclass(frozen=True)
class Settings:
    """The arguments of `Classifier`, which explains them. The repr and a pickle hold no secrets."""

    url: str | None = None
    bundle: str | Path | Bundle | None = None
    timeout: float = 10.0
    token: Token | None = field(default=None, repr=False)
    ca_certs: str | Path | None = None
    client_cert: str | Path | tuple[str, str] | None = None
    max_length: int | None = None
    pad_to: int | None = None
    signature: str | Signature | None = None
    function: FunctionName | None = None
    form: Form = "columnar"
    headers: Headers | None = field(default=None, repr=False)
    retries: int = 3
    long_texts: LongTexts = "cut"
    stride: int = 64

    def __post_init__(self) -> None:
        check_timeout(self.timeout)
        signature = self.signature
        check_choice("form", self.form, FORMS)
        check_choice("long_texts", self.long_texts, get_args(LongTexts))
        if self.function is not None:
            check_choice("function", self.function, FUNCTIONS)
        for name in ("max_length", "pad_to"):
            if (value := getattr(self, name)) is not None:
                check_whole(name, value, 1)
        if not isinstance(signature, (str, Signature, type(None))):
            raise InputError(f"signature must be a str or a Signature, not {short_repr(signature)}")
        check_whole("retries", self.retries, 0)
        check_whole("stride", self.stride, 0)
        if isinstance(self.headers, Mapping):  # a copy, which the caller cannot change
            object.__setattr__(self, "headers", dict(self.headers))

    def __getstate__(self) -> dict[str, Any]:
        """What a pickle holds.

        Raises:
            InputError: the token, or headers, were passed as values, which may be secret.
        """
        if isinstance(self.token, str) and not isinstance(self.token, EnvironmentToken):
            raise InputError(
                "a classifier whose token was passed as a str cannot be pickled, because the token "
                "would stand in the pickle: set LIGHTCLIENT_TOKEN, here and where it is unpickled, "
                "and leave token= out; or pass token= a function that fetches the token"
            )
        if self.headers and not callable(self.headers):
            raise InputError(
                "a classifier whose headers were passed as a mapping cannot be pickled, because "
                "keys may stand in them, and then in the pickle: pass headers= a function of "
                "(method, url, body) that returns them"
            )
        for name, value in (("token", self.token), ("headers", self.headers)):
            if callable(value) and not _is_found_by_name(value):
                raise InputError(
                    f"a classifier cannot be pickled whose {name} is a {type(value).__name__} that "
                    "no module holds by its name, because it may hold a secret, which would stand "
                    f"in the pickle: pass {name}= a function of a module that is imported"
                )
        return dict(self.__dict__)


def _is_found_by_name(value: Any) -> bool:
    """Whether it is a function of a module, which pickle stores as the names of both.

    Those of the program itself are not, because cloudpickle stores them with all that they use.
    """
    module = getattr(value, "__module__", None) or ""
    found = getattr(sys.modules.get(module), getattr(value, "__qualname__", ""), None)
    return isinstance(value, FunctionType) and found is value and module != "__main__"


def read_settings(environ: Mapping[str, str] | None = None, **given: Any) -> Settings:
    """Read each setting from the arguments, or else the environment, or else its default.

    An empty variable counts as absent. One that an argument replaces is not looked at.

    Args:
        environ: the environment, `os.environ` if left out.
        given: fields of `Settings`; None counts as not given.

    Raises:
        InputError: a setting is not what it must be. The parts that use the URL, the bundle, the
            headers, the token and the certificates check those.
        SettingError: LIGHTCLIENT_TIMEOUT or LIGHTCLIENT_FUNCTION is not what it must be.
    """
    environ = os.environ if environ is None else environ
    found = {name: value for name, value in given.items() if value is not None}
    for name in set(FROM_ENVIRONMENT) - found.keys():
        if value := environ.get(f"LIGHTCLIENT_{name.upper()}"):
            found[name] = _READERS.get(name, str)(value)
    return Settings(**found)


def _seconds(text: str) -> float:
    try:
        return check_timeout(float(text))
    except ValueError as error:  # an InputError is one as well
        raise SettingError(
            f"LIGHTCLIENT_TIMEOUT must be a number of seconds above 0, not {short_repr(text)}"
        ) from error


def _function(text: str) -> str:
    if text not in FUNCTIONS:
        raise SettingError(
            f"LIGHTCLIENT_FUNCTION must be one of {', '.join(FUNCTIONS)}, not {short_repr(text)}"
        )
    return text


_READERS: dict[str, Callable[[str], Any]] = {
    "timeout": _seconds,
    "token": EnvironmentToken,
    "function": _function,
}


def check_timeout(value: Any) -> float:
    """Give back a timeout.

    Raises:
        InputError: it is no number of seconds above 0.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 < value <= _LONGEST:
        raise InputError(
            f"timeout must be a number of seconds above 0, a year at most, not {short_repr(value)}"
        )
    return float(value)


def read_variables() -> tuple[str | None, ...]:
    """All variables that `Classifier()` depends on, as they are now."""
    names = (*(f"LIGHTCLIENT_{name.upper()}" for name in FROM_ENVIRONMENT), *_PROXIES)
    return tuple(map(os.environ.get, names))


# Stricter than the parsers of URLs, which differ about what is odd.
_PROXY = re.compile(
    r"http://(?:[A-Za-z0-9._~%!$&'()*+,;=:-]*@)?(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])"
    r"(?::[1-9][0-9]{0,4})?/?"
)


def find_proxy(scheme: str, host: str, port: int) -> str | None:
    """The URL of the proxy that the environment names for a server; None if there is none.

    The standard library decides, as for urllib.request and requests, which variables count and
    which hosts NO_PROXY means.

    Raises:
        SettingError: it is not the URL of an http proxy. The message does not show it, because it
            may hold a password.
    """
    if not any(map(os.environ.get, _PROXIES)):
        return None
    library: Any = import_module("urllib.request")  # takes 10 ms; most environments name no proxy
    proxies = library.getproxies_environment()
    proxy = proxies.get(scheme)
    if not proxy or library.proxy_bypass_environment(f"{host}:{port}", proxies):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if not _PROXY.fullmatch(proxy):
        raise SettingError(
            f"{scheme.upper()}_PROXY must be the URL of an http proxy, like http://HOST:3128 or "
            "http://USER:PASSWORD@HOST:3128; or name the server's host in NO_PROXY"
        )
    return proxy
