"""JSON of requests: read, and quoted in messages."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from lightclient.standin.status import StatusError

_DECODER = json.JSONDecoder()
_ENCODER = json.JSONEncoder(ensure_ascii=False)
_QUOTED_CHARACTERS = 256  # kMaxJsonDebugStringBytes in tensorflow_serving/util/json_tensor.cc


def read(body: bytes) -> Any:
    """Parse a request's body; raises StatusError.

    As in the real server, nothing after the first value is looked at.
    """
    if not body:
        raise StatusError("JSON Parse error: The document is empty")
    try:
        return _DECODER.raw_decode(body.decode("utf-8-sig").lstrip(" \t\r\n"))[0]
    except RecursionError:
        raise StatusError("JSON Parse error: The document is nested too deeply.") from None
    except ValueError as error:
        raise StatusError(f"JSON Parse error: {error}") from None


def quotation(value: object) -> str:
    """Write a value as messages quote it: its first 256 characters.

    Source: JsonValueToDebugString in tensorflow_serving/util/json_tensor.cc.
    """
    # No piece is empty, so that more of them are never needed.
    pieces = islice(_pieces(value, "\n"), _QUOTED_CHARACTERS)
    return "".join(pieces)[:_QUOTED_CHARACTERS]


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
