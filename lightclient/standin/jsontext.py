"""JSON in and out: requests into values, answers and quotations into text.

Python's `json` reads, and what it finds wrong is told in the words of RapidJSON 1.1.0, the parser
of the real server. Text is laid out as RapidJSON's PrettyWriter does it.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from lightclient.standin.status import StatusError

_INDENT = "    "
_DECODER = json.JSONDecoder()
_ENCODER = json.JSONEncoder(ensure_ascii=False)
_QUOTED_CHARACTERS = 256  # kMaxJsonDebugStringBytes in tensorflow_serving/util/json_tensor.cc
_HALF_A_PAIR = re.compile(r"\\u[dD][89a-fA-F]")
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')
# The commonest complaints of Python's parser, in the words of rapidjson/error/en.h.
_COMPLAINTS = {
    "Expecting value": "Invalid value.",
    "Expecting property name enclosed in double quotes": "Missing a name for object member.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Unterminated string starting at": "Missing a closing quotation mark in string.",
}


def read(body: bytes) -> Any:
    """Parse a request's body.

    As in the real server, nothing after the first value is looked at, and bytes that are not UTF-8
    are passed on: strings hold them as surrogate escapes. Raises StatusError for what is no JSON.
    """
    if not body:
        raise StatusError("JSON Parse error: The document is empty")
    text = body.decode("utf-8-sig", errors="surrogateescape").lstrip(" \t\r\n")
    try:
        value, _ = _DECODER.raw_decode(text)
        if _HALF_A_PAIR.search(text):
            # Half a pair could not be written into an answer that quotes it.
            _ENCODER.encode(value).encode(errors="surrogateescape")
    except RecursionError:
        complaint = "The document is nested too deeply."
    except json.JSONDecodeError as error:
        complaint = f"{_complaint(error)} at offset: {error.pos}"
    except UnicodeEncodeError:
        complaint = "The surrogate pair in string is invalid."
    except ValueError:  # Python reads no number of thousands of digits
        complaint = "Number too big to be stored in double."
    else:
        return value
    raise StatusError(f"JSON Parse error: {complaint}")


def _complaint(error: json.JSONDecodeError) -> str:
    if error.msg != "Expecting ',' delimiter":
        return _COMPLAINTS.get(error.msg, error.msg.removesuffix(" at"))
    opened: list[str] = []
    for mark in _STRING_OR_BRACKET.findall(error.doc, 0, error.pos):
        if mark in "[{":
            opened.append(mark)
        elif mark in "]}":
            opened.pop()
    if opened[-1] == "[":
        return "Missing a comma or ']' after an array element."
    return "Missing a comma or '}' after an object member."


class Written(str):
    """A JSON text that is to be written as it is."""

    __slots__ = ()


def pretty(value: object, level: int = 0, *, single_line: bool = False) -> str:
    """Write a value, itself at nesting `level`, with lists on one line or one item a line."""
    return "".join(_pieces(value, "\n" + _INDENT * level, single_line))


def quotation(value: object) -> str:
    """Write a value as messages quote it: after 256 characters it simply stops.

    Source: JsonValueToDebugString in tensorflow_serving/util/json_tensor.cc. No name, string or
    number is cut in the middle.
    """
    text = ""
    for piece in _pieces(value, "\n", True):
        if len(text) >= _QUOTED_CHARACTERS:
            break
        text += piece
    return text


def _pieces(value: object, line: str, single_line: bool) -> Iterator[str]:
    """Write piece by piece, so that the beginning of a long value is to be had at once.

    `line`: what starts a new line at this level.
    """
    inner = line + _INDENT
    if isinstance(value, Written):
        yield value
    elif isinstance(value, list) and value:
        first, between, last = f"[{inner}", f",{inner}", f"{line}]"
        if single_line:
            first, between, last = "[", ", ", "]"
        for index, item in enumerate(value):
            yield between if index else first
            yield from _pieces(item, inner, single_line)
        yield last
    elif isinstance(value, dict) and value:
        for index, (name, item) in enumerate(value.items()):
            yield f"{',' if index else '{'}{inner}{_ENCODER.encode(name)}: "
            yield from _pieces(item, inner, single_line)
        yield line + "}"
    else:
        yield _ENCODER.encode(value)
