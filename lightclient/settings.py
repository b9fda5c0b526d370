"""Settings from arguments or the environment. No other module of the client reads `os.environ`."""

import os
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any, Literal, get_args

from lightclient.checks import check_choice, check_whole
from lightclient.errors import InputError, SettingError
from lightclient.http.headers import Headers, Token
from lightclient.messages import short_repr
from lightclient.model.bundle import Bundle, FunctionName
from lightclient.serving.request import FORMS, Form
from lightclient.serving.signature import Signature

LongTexts = Literal["cut", "refuse", "mean", "max"]
# The settings that the environment may give, as LIGHTCLIENT_ and the name in capitals.
FROM_ENVIRONMENT = ("url", "bundle", "timeout", "token", "ca_certs", "client_cert", "function")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_BY_VARIABLE = "set LIGHTCLIENT_TOKEN instead, here and where it is unpickled, or "
_LONGEST = 366 * 24 * 3600  # far beyond it, the waits of the system overflow


class EnvironmentToken(str):
    """The token of LIGHTCLIENT_TOKEN. A pickle of it names the variable and not its value."""

    def __reduce__(self) -> tuple[Any, ...]:
        return read_token, ()


def read_token() -> EnvironmentToken:
    """The token of the environment, which a pickled classifier reads where it is unpickled."""
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
        check_choice("form", self.form, FORMS)
        check_choice("long_texts", self.long_texts, get_args(LongTexts))
        if self.function is not None:
            check_choice("function", self.function, get_args(FunctionName))
        for name in ("max_length", "pad_to"):
            if (value := getattr(self, name)) is not None:
                check_whole(name, value, 1)
        if not isinstance(self.signature, (str, Signature, type(None))):
            given = short_repr(self.signature)
            raise InputError(f"signature must be a str or a Signature, not {given}")
        check_whole("retries", self.retries, 0)
        check_whole("stride", self.stride, 0)
        if isinstance(self.headers, Mapping):  # a copy, which the caller cannot change
            object.__setattr__(self, "headers", dict(self.headers))

    def __getstate__(self) -> dict[str, Any]:
        """What a pickle holds.

        Raises:
            InputError: the token, or a header, may be a secret that would stand in the pickle.
        """
        for name, value in (("token", self.token), ("headers", self.headers)):
            # A function may be false as well, like a mapping that can be called and is still empty.
            given = value or callable(value)
            if given and not isinstance(value, EnvironmentToken) and not _is_found_by_name(value):
                unknown = " that no module holds by its name" if callable(value) else ""
                variable = _BY_VARIABLE if name == "token" else ""
                raise InputError(
                    f"a classifier whose {name} is a {type(value).__name__}{unknown} cannot be "
                    f"pickled, because a secret may stand in it, and then in the pickle: {variable}"
                    f"pass {name}= a function of a module that is imported"
                )
        return dict(self.__dict__)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Settings":
        """Give itself, as nothing can change it. A copy stays here, and so may its secrets."""
        return self


def _is_found_by_name(value: Any) -> bool:
    """Whether it is a function of a module, which pickle stores as the names of both."""
    module = getattr(value, "__module__", None) or ""
    found = getattr(sys.modules.get(module), getattr(value, "__qualname__", ""), None)
    # Functions of the program itself do not count: cloudpickle stores all that they use.
    return isinstance(value, FunctionType) and found is value and module != "__main__"


def read_settings(environ: Mapping[str, str] | None = None, **given: Any) -> Settings:
    """Read each setting from the arguments, or else the environment, or else its default.

    An argument that is None, and an empty variable, count as absent. `environ` is `os.environ` if
    left out.

    Raises:
        InputError: a setting is not what it must be. The parts that use the URL, the bundle, the
            headers, the token and the certificates check those.
        SettingError: LIGHTCLIENT_TIMEOUT or LIGHTCLIENT_FUNCTION is not what it must be.
    """
    environ = os.environ if environ is None else environ
    found = {name: value for name, value in given.items() if value is not None}
    settings = Settings()
    # A variable that an argument replaces may be broken, so it is not even read.
    for name in set(FROM_ENVIRONMENT) - found.keys():
        variable = f"LIGHTCLIENT_{name.upper()}"
        if text := environ.get(variable):
            try:
                settings = replace(settings, **{name: _READERS.get(name, str)(text)})
            except InputError as error:
                raise SettingError(f"{variable}: {error}") from None
    return replace(settings, **found)


def _number(text: str) -> float | str:
    with suppress(ValueError):
        return float(text)
    return text  # which the check of the setting refuses


_READERS: dict[str, Callable[[str], Any]] = {"timeout": _number, "token": EnvironmentToken}


def check_timeout(value: Any) -> float:
    """Return a timeout in seconds. It must be above 0, and a year at most."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    # NaN fails both comparisons, and an int of thousands of digits is compared without an error.
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

    Raises:
        SettingError: it is not the URL of an http proxy.
    """
    if not any(map(os.environ.get, _PROXIES)):
        return None
    # The standard library decides, as for urllib.request and requests, which variables count and
    # which hosts NO_PROXY means.
    library: Any = import_module("urllib.request")  # takes 10 ms; most environments name no proxy
    proxies = library.getproxies_environment()
    proxy = proxies.get(scheme)
    if not proxy or library.proxy_bypass_environment(f"{host}:{port}", proxies):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if not _PROXY.fullmatch(proxy):  # which may hold a password, so no message shows it
        raise SettingError(
            f"{scheme.upper()}_PROXY must be the URL of an http proxy, like http://HOST:3128 or "
            "http://USER:PASSWORD@HOST:3128; or name the server's host in NO_PROXY"
        )
    return proxy
