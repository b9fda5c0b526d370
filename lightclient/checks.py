"""A check of arguments that several modules make."""

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
