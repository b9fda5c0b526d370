"""Checks of arguments that several modules make."""

import math

from lightclient.errors import InputError
from lightclient.messages import short_repr


def check_whole(
    name: str, value: object, least: int, most: float = math.inf, reason: str = ""
) -> None:
    """Check that an argument is a whole number within its bounds. True and False are refused.

    Raises:
        InputError: it is not; the message ends with `reason`.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        bounds = f", {least} or more" if most == math.inf else f" from {least} to {most}"
        raise InputError(f"{name} must be a whole number{bounds}, not {short_repr(value)}{reason}")


def check_number(name: str, value: object, alternative: str = "") -> float:
    """Return a number, also one of numpy's, as a float. Bools, NaN and infinities are refused.

    Raises:
        InputError: it is no such number; the message names the `alternative` as well.
    """
    from numbers import Real  # here, because only thresholds need it

    try:
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        number = float(value) if is_number else math.nan  # type: ignore[arg-type]
    except OverflowError:  # an int that is larger than all floats
        number = math.inf
    if not math.isfinite(number):
        raise InputError(f"{name} must be a finite number{alternative}, not {short_repr(value)}")
    return number


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Check that an argument is one of these words.

    Raises:
        InputError: it is not; the message names them.
    """
    if value not in choices:
        raise InputError(f"{name} must be one of {', '.join(choices)}, not {short_repr(value)}")
