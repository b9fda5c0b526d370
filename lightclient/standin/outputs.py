"""Arrays into the JSON of an answer, letter by letter as the real server writes it.

The source of every rule here: tensorflow_serving/util/json_tensor.cc, its functions
MakeRowFormatJsonFromTensors and MakeColumnarFormatJsonFromTensors.
"""

import base64
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightclient.standin.jsontext import Written, pretty
from lightclient.standin.models import Arrays
from lightclient.standin.status import StatusError

# How each float is written in full, when six digits do not lead back to the same number.
_FULL = {"float32": ".9g", "float64": ".17g"}
_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def rows_text(outputs: Arrays) -> str:
    """Write `{"predictions": [...]}`: one item a row, an object if there are several outputs.

    Raises StatusError if an output has no rows, or not as many as the others.
    """
    _check_rows(outputs)
    columns = {name: _nested(name, tensor) for name, tensor in outputs.items()}
    if len(columns) == 1:
        (rows,) = columns.values()
        start, between = "", ", "
    else:
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        start, between = "\n        ", ",\n        "
    texts = [pretty(row, 2, single_line=True) for row in rows]
    body = f"[{start}{between.join(texts)}\n    ]" if texts else "[]"
    return pretty({"predictions": Written(body)})


def columns_text(outputs: Arrays) -> str:
    """Write `{"outputs": ...}`: the tensor itself, or an object of tensors if there are several."""
    columns = {name: _nested(name, tensor) for name, tensor in outputs.items()}
    return pretty({"outputs": columns if len(columns) > 1 else columns.popitem()[1]})


def _check_rows(outputs: Arrays) -> None:
    count = None
    for name, tensor in outputs.items():
        if not tensor.shape:
            raise StatusError(f"Tensor name: {name} has no shape information ")
        if count not in (None, len(tensor)):
            raise StatusError(
                f"Tensor name: {name} has inconsistent batch size: {len(tensor)} expecting: {count}"
            )
        count = len(tensor)


def _nested(name: str, tensor: NDArray[Any]) -> Any:
    """The tensor as lists of lists of what JSON can hold."""
    values = np.array(_values(name, tensor.reshape(-1)), dtype=object)
    return values.reshape(tensor.shape).tolist()


def _values(name: str, flat: NDArray[Any]) -> list[Any]:
    if flat.dtype == np.float16 and flat.size:
        raise StatusError("Failed to write JSON value for tensor type: half")
    if flat.dtype.name in _FULL:
        return _decimals(flat)
    if flat.dtype != object:
        return list(flat.tolist())
    if name.endswith("_bytes"):
        return [{"b64": base64.b64encode(value).decode()} for value in flat]
    return [value.decode(errors="surrogateescape") for value in flat]


def _decimals(flat: NDArray[Any]) -> list[Any]:
    """WriteDecimal: six digits, or all of them if six do not lead back; never a bare integer."""
    exact, full, least = flat.dtype.type, _FULL[flat.dtype.name], np.finfo(flat.dtype).tiny
    found = []
    for number in flat.tolist():
        if abs(number) < least:  # TensorFlow's threads compute with zero in its place
            number = math.copysign(0.0, number)
        text = f"{number:.6g}"
        if exact(float(text)) != number:
            text = format(number, full)
        if text.lstrip("-").isdecimal():
            text += ".0"
        found.append(Written(_NOT_FINITE.get(text, text)))
    return found
