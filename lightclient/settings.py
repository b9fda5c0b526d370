"""Settings from arguments or the environment. No other module of the client reads `os.environ`."""

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightclient.errors import InputError, SettingError
from lightclient.messages import short_repr
from lightclient.model.bundle import Bundle

DEFAULT_TIMEOUT = 10.0
_LONGEST = 366 * 24 * 3600  # far beyond it, the waits of the system overflow


@dataclass(frozen=True)
class Settings:
    """The settings that the environment may give, as `LIGHTCLIENT_` and the field in capitals.

    `url`: the served model. `bundle`: a shipped name or a folder. `timeout`: the deadline of a
    call, in seconds. `token`: a bearer token. `ca_certs`, `client_cert`: PEM files.
    """

    url: str | None = None
    bundle: str | Path | Bundle | None = None
    timeout: float = DEFAULT_TIMEOUT
    token: str | None = field(default=None, repr=False)
    ca_certs: str | Path | None = None
    client_cert: str | Path | tuple[str, str] | None = None


def read_settings(environ: Mapping[str, str] | None = None, **given: Any) -> Settings:
    """Read each setting from the arguments, or else the environment, or else its default.

    An empty variable counts as absent. One that an argument replaces is not looked at.

    Args:
        environ: the environment, `os.environ` if left out.
        given: fields of `Settings`; None counts as not given.

    Raises:
        InputError: the timeout is no number of seconds above 0.
        SettingError: the same for LIGHTCLIENT_TIMEOUT.
    """
    environ = os.environ if environ is None else environ
    found = {name: value for name, value in given.items() if value is not None}
    for name in Settings.__dataclass_fields__.keys() - found.keys():
        if value := environ.get(f"LIGHTCLIENT_{name.upper()}"):
            found[name] = _seconds(value) if name == "timeout" else value
    check_timeout(found.get("timeout", DEFAULT_TIMEOUT))
    return Settings(**found)


def check_timeout(value: Any) -> float:
    """Give back a timeout.

    Raises:
        InputError: it is no number of seconds above 0.
    """
    if not _is_seconds(value):
        raise InputError(
            f"timeout must be a number of seconds above 0, a year at most, not {short_repr(value)}"
        )
    return float(value)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not _is_seconds(seconds):
        raise SettingError(
            f"LIGHTCLIENT_TIMEOUT must be a number of seconds above 0, not {short_repr(text)}"
        )
    return seconds


def _is_seconds(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= _LONGEST


def proxy_variables() -> tuple[str | None, ...]:
    """HTTP_PROXY, HTTPS_PROXY and NO_PROXY as they are now, in small letters or capitals."""
    names = ("http_proxy", "https_proxy", "no_proxy")
    return tuple(os.environ.get(name) or os.environ.get(name.upper()) for name in names)


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
    if not any(proxy_variables()):
        return None
    # Imported here: it takes 10 ms, and most environments name no proxy.
    from urllib.request import (  # type: ignore[attr-defined]
        getproxies_environment,
        proxy_bypass_environment,
    )

    proxies = getproxies_environment()
    proxy = proxies.get(scheme)
    if not proxy or proxy_bypass_environment(f"{host}:{port}", proxies):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if not _PROXY.fullmatch(proxy):
        raise SettingError(
            f"{scheme.upper()}_PROXY must be the URL of an http proxy, like http://HOST:3128 or "
            "http://USER:PASSWORD@HOST:3128; or name the server's host in NO_PROXY"
        )
    return proxy
