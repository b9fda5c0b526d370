"""Foreign words and values, made safe for an error message."""


def printable(text: str, limit: int = 500, *, kept: str = "") -> str:
    """Make foreign words safe for an error message: one line, no escapes, not too long."""
    chars = (char if char.isprintable() or char in kept else " " for char in text[: limit + 1])
    line = "".join(chars)
    return line if len(line) <= limit else line[:limit] + "…"


def short_repr(value: object, limit: int = 80) -> str:
    """The repr of a value, made safe for an error message."""
    try:
        return printable(repr(value), limit)
    except Exception as error:  # noqa: BLE001 - whatever a repr may raise, as for 10**5000
        return f"a {type(value).__name__} that cannot be shown ({type(error).__name__})"
