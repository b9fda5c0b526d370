"""Checks of arguments that several modules make."""

import math

from lightclient.errors import InputError
from lightclient.messages import short_repr


def check_whole(
    name: str, value: object, least: int, most: float = math.inf, reason: str = ""
) -> None:
    """Check that an argument is a whole number within its bounds. True and False are none.

    Raises:
        InputError: it is not; the message ends with `reason`.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        bounds = f", {least} or more" if most == math.inf else f" from {least} to {most}"
        raise InputError(f"{name} must be a whole number{bounds}, not {short_repr(value)}{reason}")


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Check that an argument is one of these words.

    Raises:
        InputError: it is not; the message names them.
    """
    if value not in choices:
        raise InputError(f"{name} must be one of {', '.join(choices)}, not {short_repr(value)}")
