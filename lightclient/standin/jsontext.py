"""JSON in and out: requests into values, answers and quotations into text.

Python's `json` reads, and what it finds wrong is told in the form of RapidJSON 1.1.0, the parser of
the real server. Text is laid out as RapidJSON's PrettyWriter does it.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from lightclient.standin.status import StatusError

_INDENT = "    "
_QUOTED_CHARACTERS = 256  # kMaxJsonDebugStringBytes in tensorflow_serving/util/json_tensor.cc
_HALF_A_PAIR = re.compile(r"\\u[dD][89a-fA-F]")
# The commonest complaints of Python's parser, in the words of rapidjson/error/en.h.
_COMPLAINTS = {
    "Expecting value": "Invalid value.",
    "Expecting property name enclosed in double quotes": "Missing a name for object member.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
}
_NO_COMMA = "Expecting ',' delimiter"


def read(body: bytes) -> Any:
    """Parse a request's body.

    As in the real server, nothing after the first value is looked at, and bytes that are not UTF-8
    are passed on: strings hold them as surrogate escapes.

    Raises:
        StatusError: the body is no JSON.
    """
    if not body:
        raise StatusError("JSON Parse error: The document is empty")
    try:
        return _parse(body.decode("utf-8-sig", errors="surrogateescape"))
    except RecursionError:
        raise StatusError("JSON Parse error: The document is nested too deeply.") from None


def _parse(text: str) -> Any:
    try:
        value = _first_value(text)
        if _HALF_A_PAIR.search(text):
            json.dumps(value, ensure_ascii=False).encode(errors="surrogateescape")
    except json.JSONDecodeError as error:
        complaint = f"{_complaint(error)} at offset: {error.pos}"
    except UnicodeEncodeError:
        complaint = "The surrogate pair in string is invalid."
    except ValueError:  # a float that would be infinite, or a whole number of thousands of digits
        complaint = "Number too big to be stored in double."
    else:
        return value
    raise StatusError(f"JSON Parse error: {complaint}")


def _finite(text: str) -> float:
    """What `float` makes of a number; it may be written as Infinity, but not lead there."""
    value = float(text)
    if math.isinf(value):
        raise ValueError("too big")
    return value


_DECODER = json.JSONDecoder(parse_float=_finite)


def _first_value(text: str) -> Any:
    start = len(text) - len(text.lstrip(" \t\r\n"))
    return _DECODER.raw_decode(text, start)[0]


def _complaint(error: json.JSONDecodeError) -> str:
    if error.msg != _NO_COMMA:
        return _COMPLAINTS.get(error.msg, error.msg)
    if _is_in_array(error.doc[: error.pos]):
        return "Missing a comma or ']' after an array element."
    return "Missing a comma or '}' after an object member."


def _is_in_array(start: str) -> bool:
    """Whether the start of a document breaks off in an array: then `]` is right there."""
    try:
        _first_value(start + "]")
    except json.JSONDecodeError as error:
        return error.pos > len(start)
    return True


def quoted(text: str) -> str:
    """Write a JSON string; only what must be escaped is."""
    return json.dumps(text, ensure_ascii=False)


def array(value: str | Sequence[Any], level: int, *, single_line: bool) -> str:
    """Write lists of any depth whose items are JSON texts already.

    `level`: how deep the outermost list lies in the document; 0 is the root.
    """
    if isinstance(value, str):
        return value
    items = [array(item, level + 1, single_line=single_line) for item in value]
    if single_line or not items:
        return f"[{', '.join(items)}]"
    inner = "\n" + _INDENT * (level + 1)
    return f"[{inner}{f',{inner}'.join(items)}\n{_INDENT * level}]"


def members(pairs: Sequence[tuple[str, str]], level: int) -> str:
    """Write an object whose values are JSON texts already; `level` as for `array`."""
    inner = "\n" + _INDENT * (level + 1)
    lines = f",{inner}".join(f"{quoted(name)}: {text}" for name, text in pairs)
    return f"{{{inner}{lines}\n{_INDENT * level}}}"


def quotation(value: object) -> str:
    """Write a parsed value as messages quote it: after 256 characters it simply stops.

    Source: JsonValueToDebugString in tensorflow_serving/util/json_tensor.cc. No name, string or
    number is cut in the middle.
    """
    text = ""
    for piece in _pieces(value, "\n"):
        if len(text) >= _QUOTED_CHARACTERS:
            break
        text += piece
    return text


def _pieces(value: object, line: str) -> Iterator[str]:
    """Write piece by piece, so that a long value costs no more than its beginning.

    `line`: what starts a new line at this level.
    """
    inner = line + _INDENT
    if isinstance(value, list):
        yield "["
        for index, item in enumerate(value):
            yield ", " if index else ""
            yield from _pieces(item, inner)
        yield "]"
    elif isinstance(value, dict) and value:
        for index, (name, item) in enumerate(value.items()):
            yield f"{',' if index else '{'}{inner}{quoted(name)}: "
            yield from _pieces(item, inner)
        yield line + "}"
    else:
        yield json.dumps(value, ensure_ascii=False)
