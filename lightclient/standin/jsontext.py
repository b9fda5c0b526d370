"""JSON in and out: requests into values, values into answers and quotations."""

import json
import re
from collections.abc import Iterator
from typing import Any

from lightclient.standin.status import StatusError

_DECODER = json.JSONDecoder()
_ENCODER = json.JSONEncoder(ensure_ascii=False)
_INDENTED = json.JSONEncoder(ensure_ascii=False, indent=4)  # as the real server lays out columns
_QUOTED_CHARACTERS = 256  # kMaxJsonDebugStringBytes in tensorflow_serving/util/json_tensor.cc
_HALF_A_PAIR = re.compile(r"\\u[dD][89a-fA-F]")


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
            written(value)  # half a pair could not be written into an answer that quotes it
    except RecursionError:
        complaint = "The document is nested too deeply."
    except UnicodeEncodeError:
        complaint = "The surrogate pair in string is invalid."
    except ValueError as error:
        complaint = str(error)
    else:
        return value
    raise StatusError(f"JSON Parse error: {complaint}")


def written(value: object) -> bytes:
    """Write an answer as JSON."""
    return _INDENTED.encode(value).encode(errors="surrogateescape")


def quotation(value: object) -> str:
    """Write a value as messages quote it: after 256 characters it simply stops.

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
    """Write piece by piece, so that the beginning of a long value is to be had at once.

    An object has its members on lines of their own, a list has not. `line`: starts a line.
    """
    inner = line + "    "
    if isinstance(value, dict) and value:
        for index, (name, item) in enumerate(value.items()):
            yield f"{',' if index else '{'}{inner}{_ENCODER.encode(name)}: "
            yield from _pieces(item, inner)
        yield line + "}"
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield ", " if index else "["
            yield from _pieces(item, inner)
        yield "]"
    else:
        yield _ENCODER.encode(value)
