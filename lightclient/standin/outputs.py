"""Arrays into the values of an answer's JSON, as the real server rounds them.

The source of every rule here: tensorflow_serving/util/json_tensor.cc, its functions
MakeRowFormatJsonFromTensors and MakeColumnarFormatJsonFromTensors.
"""

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightclient.standin.signatures import Arrays
from lightclient.standin.status import StatusError

# How each float is written in full, when six digits do not lead back to the same number.
_FULL = {"float32": ".9g", "float64": ".17g"}


def as_rows(outputs: Arrays) -> list[Any]:
    """Make `predictions`: one item a row, an object if there are several outputs.

    Raises StatusError if an output has no rows, or not as many as the others.
    """
    count = None
    for name, tensor in outputs.items():
        if not tensor.shape:
            raise StatusError(f"Tensor name: {name} has no shape information ")
        if count not in (None, len(tensor)):
            raise StatusError(
                f"Tensor name: {name} has inconsistent batch size: {len(tensor)} expecting: {count}"
            )
        count = len(tensor)
    columns = {name: _nested(name, tensor) for name, tensor in outputs.items()}
    if len(columns) == 1:
        return list(columns.popitem()[1])
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def as_columns(outputs: Arrays) -> Any:
    """Make `outputs`: the tensor itself, or an object of tensors if there are several."""
    columns = {name: _nested(name, tensor) for name, tensor in outputs.items()}
    return columns if len(columns) > 1 else columns.popitem()[1]


def _nested(name: str, tensor: NDArray[Any]) -> Any:
    """The tensor as lists of lists of what JSON can hold."""
    values = np.array(_values(name, tensor.reshape(-1)), dtype=object)
    return values.reshape(tensor.shape).tolist()


def _values(name: str, flat: NDArray[Any]) -> list[Any]:
    if flat.dtype == np.float16 and flat.size:
        raise StatusError("Failed to write JSON value for tensor type: half")
    if flat.dtype.name in _FULL:
        return _rounded(flat)
    if flat.dtype != object:
        return list(flat.tolist())
    if name.endswith("_bytes"):
        return [{"b64": base64.b64encode(value).decode()} for value in flat]
    return [value.decode(errors="replace") for value in flat]


def _rounded(flat: NDArray[Any]) -> list[float]:
    """WriteDecimal: six digits, or all of them if six do not lead back."""
    exact, full, least = flat.dtype.type, _FULL[flat.dtype.name], np.finfo(flat.dtype).tiny
    found = []
    for number in flat.tolist():
        if abs(number) < least:  # TensorFlow's threads compute with zero in its place
            number = 0.0
        short = float(f"{number:.6g}")
        found.append(short if exact(short) == number else float(format(number, full)))
    return found
