"""What a classifier needs besides its model: given by hand, or else by the environment.

Nothing else reads `os.environ`.
"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from lightclient.bundle import Bundle
from lightclient.errors import InputError, SettingError

DEFAULT_TIMEOUT = 10.0


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

    def but(self, **given: Any) -> "Settings":
        """These settings under those that are given by hand; None means not given.

        Raises:
            InputError: the timeout is no number of seconds above 0.
        """
        settings = replace(
            self, **{key: value for key, value in given.items() if value is not None}
        )
        if not _is_seconds(settings.timeout):
            raise InputError(
                f"timeout must be a number of seconds above 0, not {settings.timeout!r:.80}"
            )
        return settings


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the environment as it is now; a variable that is empty counts as absent.

    Raises:
        SettingError: LIGHTCLIENT_TIMEOUT is no number of seconds above 0.
    """
    environ = os.environ if environ is None else environ
    found: dict[str, Any] = {
        setting.name: value
        for setting in fields(Settings)
        if (value := environ.get(f"LIGHTCLIENT_{setting.name.upper()}"))
    }
    if "timeout" in found:
        found["timeout"] = _seconds(found["timeout"])
    return Settings(**found)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not _is_seconds(seconds):
        raise SettingError(
            f"LIGHTCLIENT_TIMEOUT must be a number of seconds above 0, not {text!r:.80}"
        )
    return seconds


def _is_seconds(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf
