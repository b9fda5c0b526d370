"""Arrays into the JSON of an answer, letter by letter as the real server writes it.

The source of every rule here: tensorflow_serving/util/json_tensor.cc, its functions
MakeRowFormatJsonFromTensors and MakeColumnarFormatJsonFromTensors.
"""

import base64
import math

import numpy as np
from numpy.typing import NDArray

from lightclient.standin.inputs import flush_denormals
from lightclient.standin.jsontext import array, members, quoted
from lightclient.standin.models import DTYPES, Arrays
from lightclient.standin.status import StatusError

# What each dtype is written with in full, when six digits do not lead back to the same number.
_FULL = {"float32": ".9g", "float64": ".17g"}
_UNWRITTEN = ("float16", "uint16")
_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def rows_text(outputs: Arrays) -> str:
    """`{"predictions": [...]}`: one item a row, an object if there are several outputs.

    Raises StatusError if an output has no rows, or not as many as the others.
    """
    count = _rows(outputs)
    if len(outputs) == 1:
        (found,) = (_row_texts(name, tensor, 2) for name, tensor in outputs.items())
        body = f"[{', '.join(found)}\n    ]" if found else "[]"
        return members([("predictions", body)], 0)
    columns = {name: _row_texts(name, tensor, 3) for name, tensor in outputs.items()}
    objects = [members([(name, columns[name][row]) for name in columns], 2) for row in range(count)]
    return members([("predictions", array(objects, 1, single_line=False))], 0)


def columns_text(outputs: Arrays) -> str:
    """`{"outputs": ...}`: the tensor itself, or an object of tensors if there are several."""
    if len(outputs) == 1:
        ((name, tensor),) = outputs.items()
        return members([("outputs", _tensor_text(name, tensor, 1))], 0)
    pairs = [(name, _tensor_text(name, tensor, 2)) for name, tensor in outputs.items()]
    return members([("outputs", members(pairs, 1))], 0)


def _rows(outputs: Arrays) -> int:
    count = -1
    for name, tensor in outputs.items():
        if not tensor.shape:
            raise StatusError(f"Tensor name: {name} has no shape information ")
        if count >= 0 and len(tensor) != count:
            raise StatusError(
                f"Tensor name: {name} has inconsistent batch size: {len(tensor)} expecting: {count}"
            )
        count = len(tensor)
    return count


def _row_texts(name: str, tensor: NDArray[np.generic], level: int) -> list[str]:
    """The text of each row; `level` is how deep a row lies."""
    leaves = _leaf_texts(name, tensor, level + tensor.ndim - 1)
    return _nested(leaves, tensor.shape, 1, level - 1, single_line=True)


def _tensor_text(name: str, tensor: NDArray[np.generic], level: int) -> str:
    leaves = _leaf_texts(name, tensor, level + tensor.ndim)
    return _nested(leaves, tensor.shape, 0, level, single_line=False)[0]


def _nested(
    texts: list[str], shape: tuple[int, ...], outermost: int, level: int, *, single_line: bool
) -> list[str]:
    """The texts put into arrays, from the innermost dimension out to `outermost`."""
    for axis in range(len(shape) - 1, outermost - 1, -1):
        size = shape[axis]
        texts = [
            array(texts[start * size : (start + 1) * size], level + axis, single_line=single_line)
            for start in range(math.prod(shape[:axis]))
        ]
    return texts


def _leaf_texts(name: str, tensor: NDArray[np.generic], level: int) -> list[str]:
    flat = tensor.reshape(-1)
    if not flat.size:
        return []
    if flat.dtype.name in _UNWRITTEN:
        kind = DTYPES[flat.dtype.name][1]
        raise StatusError(f"Failed to write JSON value for tensor type: {kind}")
    if flat.dtype.kind == "f":
        return _decimals(flush_denormals(flat))
    if flat.dtype.kind == "b":
        return ["true" if value else "false" for value in flat.tolist()]
    if flat.dtype.kind == "O":
        return [_string_text(name, value, level) for value in flat.tolist()]
    return list(map(str, flat.tolist()))


def _string_text(name: str, value: bytes, level: int) -> str:
    """An output whose name ends in `_bytes` is written as base64."""
    if name.endswith("_bytes"):
        return members([("b64", quoted(base64.b64encode(value).decode()))], level)
    return quoted(value.decode(errors="surrogateescape"))


def _decimals(values: NDArray[np.generic]) -> list[str]:
    """WriteDecimal: six digits, or all of them if six do not lead back; never a bare integer."""
    numbers = values.tolist()
    texts = [f"{number:.6g}" for number in numbers]
    with np.errstate(over="ignore"):
        back = np.array(list(map(float, texts))).astype(values.dtype)
    full = _FULL[values.dtype.name]
    for index in np.flatnonzero(back != values).tolist():
        texts[index] = format(numbers[index], full)
    return [_with_point(text) for text in texts]


def _with_point(text: str) -> str:
    if text.lstrip("-").isdecimal():
        return text + ".0"
    return _NOT_FINITE.get(text, text)
