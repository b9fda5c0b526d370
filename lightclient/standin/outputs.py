"""Arrays into the JSON of an answer, letter by letter as the real server writes it.

The source of every rule here: tensorflow_serving/util/json_tensor.cc, its functions
MakeRowFormatJsonFromTensors and MakeColumnarFormatJsonFromTensors.
"""

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightclient.standin.jsontext import array, members, quoted
from lightclient.standin.models import Arrays
from lightclient.standin.status import StatusError

# How each float is written in full, when six digits do not lead back to the same number.
_FULL = {"float32": ".9g", "float64": ".17g"}
_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def rows_text(outputs: Arrays) -> str:
    """Write `{"predictions": [...]}`: one item a row, an object if there are several outputs.

    Raises:
        StatusError: an output has no rows, or not as many as the others.
    """
    count = _count_rows(outputs)
    if len(outputs) == 1:
        (found,) = (_row_texts(name, tensor, 2) for name, tensor in outputs.items())
        body = f"[{', '.join(found)}\n    ]" if found else "[]"
        return members([("predictions", body)], 0)
    columns = {name: _row_texts(name, tensor, 3) for name, tensor in outputs.items()}
    objects = [members([(name, columns[name][row]) for name in columns], 2) for row in range(count)]
    return members([("predictions", array(objects, 1, single_line=False))], 0)


def columns_text(outputs: Arrays) -> str:
    """Write `{"outputs": ...}`: the tensor itself, or an object of tensors if there are several."""
    if len(outputs) == 1:
        ((name, tensor),) = outputs.items()
        return members([("outputs", _tensor_text(name, tensor, 1))], 0)
    pairs = [(name, _tensor_text(name, tensor, 2)) for name, tensor in outputs.items()]
    return members([("outputs", members(pairs, 1))], 0)


def _count_rows(outputs: Arrays) -> int:
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


def _row_texts(name: str, tensor: NDArray[Any], level: int) -> list[str]:
    """Write each row on its own; `level` is how deep a row lies."""
    rows = _leaf_texts(name, tensor, level + tensor.ndim - 1)
    return [array(row, level, single_line=True) for row in rows]


def _tensor_text(name: str, tensor: NDArray[Any], level: int) -> str:
    return array(_leaf_texts(name, tensor, level + tensor.ndim), level, single_line=False)


def _leaf_texts(name: str, tensor: NDArray[Any], level: int) -> Any:
    """The tensor as nested lists of texts, or as a lone text; `level` is how deep these lie."""
    texts = np.array(_texts(name, tensor.reshape(-1), level), dtype=object)
    return texts.reshape(tensor.shape).tolist()


def _texts(name: str, flat: NDArray[Any], level: int) -> list[str]:
    if flat.dtype == np.float16 and flat.size:
        raise StatusError("Failed to write JSON value for tensor type: half")
    if flat.dtype.name in _FULL:
        return _decimals(_flush_denormals(flat), _FULL[flat.dtype.name])
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


def _flush_denormals(flat: NDArray[Any]) -> NDArray[Any]:
    """Zero for what is too small for a normal float, since TensorFlow's threads compute so."""
    return np.where(np.abs(flat) < np.finfo(flat.dtype).tiny, np.copysign(0, flat), flat)


def _decimals(flat: NDArray[Any], full: str) -> list[str]:
    """WriteDecimal: six digits, or all of them if six do not lead back; never a bare integer."""
    numbers = flat.tolist()
    texts = [f"{number:.6g}" for number in numbers]
    with np.errstate(over="ignore"):
        back = np.array(list(map(float, texts))).astype(flat.dtype)
    for index in np.flatnonzero(back != flat).tolist():
        texts[index] = format(numbers[index], full)
    return [_with_point(text) for text in texts]


def _with_point(text: str) -> str:
    if text.lstrip("-").isdecimal():
        return text + ".0"
    return _NOT_FINITE.get(text, text)
