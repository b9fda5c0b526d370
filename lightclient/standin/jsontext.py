"""JSON text as RapidJSON 1.1.0's PrettyWriter has it: whole in answers, cut short in messages."""

import math
from collections.abc import Iterator, Sequence

_INDENT = "    "
_QUOTED_BYTES = 256  # kMaxJsonDebugStringBytes in tensorflow_serving/util/json_tensor.cc
_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ESCAPES = {code: f"\\u{code:04X}" for code in range(32)} | {ord(k): v for k, v in _SHORT.items()}


def quoted(text: str) -> str:
    """A JSON string; only what must be escaped is."""
    return f'"{text.translate(_ESCAPES)}"'


def array(items: Sequence[str], level: int, *, single_line: bool) -> str:
    """A list of finished texts, itself at nesting `level` (0 is the root)."""
    if not items:
        return "[]"
    if single_line:
        return f"[{', '.join(items)}]"
    inner = "\n" + _INDENT * (level + 1)
    return f"[{inner}{f',{inner}'.join(items)}\n{_INDENT * level}]"


def members(pairs: Sequence[tuple[str, str]], level: int) -> str:
    """An object of finished texts, itself at nesting `level` (0 is the root)."""
    inner = "\n" + _INDENT * (level + 1)
    lines = f",{inner}".join(f"{quoted(name)}: {text}" for name, text in pairs)
    return f"{{{inner}{lines}\n{_INDENT * level}}}"


def quotation(value: object) -> str:
    """A parsed value as messages quote it: at most about 256 bytes, then it simply stops.

    Source: JsonValueToDebugString in tensorflow_serving/util/json_tensor.cc. It stops before the
    first piece that starts beyond the limit, and at a NaN or Infinity, which its writer refuses.
    """
    pieces: list[str] = []
    size = 0
    for piece in _pieces(value, "", 0):
        if piece is None or size >= _QUOTED_BYTES:
            break
        pieces.append(piece)
        size += len(piece.encode(errors="surrogateescape"))
    return "".join(pieces)


def _pieces(value: object, prefix: str, level: int) -> Iterator[str | None]:
    """One piece for each of RapidJSON's writer events; None where the writer gives up."""
    if isinstance(value, dict):
        yield from _object_pieces(value, prefix, level)
    elif isinstance(value, list):
        yield prefix + "["
        for index, item in enumerate(value):
            yield from _pieces(item, ", " if index else "", level + 1)
        yield "]"
    elif isinstance(value, float) and not math.isfinite(value):
        yield from (prefix, None)
    else:
        yield prefix + _scalar(value)


def _object_pieces(value: dict[str, object], prefix: str, level: int) -> Iterator[str | None]:
    yield prefix + "{"
    for index, (name, item) in enumerate(value.items()):
        yield ("," if index else "") + "\n" + _INDENT * (level + 1) + quoted(name)
        yield from _pieces(item, ": ", level + 1)
    yield ("\n" + _INDENT * level if value else "") + "}"


def _scalar(value: object) -> str:
    if isinstance(value, str):
        return quoted(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and -(2**63) <= value < 2**64:
        return str(value)
    if isinstance(value, (int, float)):
        return _double(float(value))
    raise TypeError(f"no JSON value: {type(value).__name__}")


def _double(value: float) -> str:
    """A double as rapidjson/internal/dtoa.h lays it out: plain between 1e-6 and 1e21."""
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    digits, point = _shortest(abs(value))
    if len(digits) <= point <= 21:
        return sign + digits.ljust(point, "0") + ".0"
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{digits.rjust(len(digits) - point, '0')}"
    fraction = "." + digits[1:] if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{fraction}e{point - 1}"


def _shortest(value: float) -> tuple[str, int]:
    """The shortest digits d and a point p with value = 0.d * 10**p; "0", 1 for zero."""
    mantissa, _, exponent = repr(value).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = int(exponent or 0) + len(digits) - len(fraction)
    return (digits.rstrip("0"), point) if digits else ("0", 1)
