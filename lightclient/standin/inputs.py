"""JSON values into arrays, with the real server's messages for what does not fit.

The source of every rule here: tensorflow_serving/util/json_tensor.cc, its functions
FillTensorMapFromInstancesList (rows) and FillTensorMapFromInputsMap (columns). Of several faults in
one request the server tells the first; which one that is here may differ.
"""

import base64
from collections.abc import Mapping
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightclient.standin.jsontext import quotation
from lightclient.standin.signatures import DTYPES, INTEGERS, Arrays, TensorSpec
from lightclient.standin.status import StatusError

_MOST_RANK = 31  # one less than numpy's limit, since rows are stacked; TensorFlow's is 254
# What JSON can fill each dtype with. Nothing fills a float16, as in the real server.
_TYPES: dict[str, set[type]] = {name: {int} for name in INTEGERS}
_TYPES |= {"float32": {int, float}, "float64": {int, float}, "float16": set(), "bool": {bool}}


def from_rows(rows: list[Any], inputs: Mapping[str, TensorSpec]) -> Arrays:
    """Turn `{"instances": rows}`, at least one row, into arrays; raises StatusError."""
    if _is_object(rows[0]):
        for index, row in enumerate(rows):
            _check_object(index, row, inputs)
        return {
            name: _stacked([row[name] for row in rows], inputs[name].dtype, f" key: {name}")
            for name in rows[0]
        }
    if len(inputs) > 1:
        raise StatusError(
            "instances is a plain list, but expecting list of objects as multiple "
            "input tensors required as per tensorinfo_map"
        )
    return {name: _stacked(rows, spec.dtype, "") for name, spec in inputs.items()}


def from_columns(value: Any, inputs: Mapping[str, TensorSpec]) -> Arrays:
    """Turn `{"inputs": value}` into arrays; raises StatusError.

    `value`: an object of tensors, or the tensor itself if there is one input only.
    """
    if not _is_object(value):
        if len(inputs) > 1:
            raise StatusError(
                "inputs is a plain value/list, but expecting an object as multiple "
                "input tensors required as per tensorinfo_map"
            )
        value = dict.fromkeys(inputs, value)
    # Unlike a row, columns may hold inputs that nobody knows.
    for name in inputs:
        if name not in value:
            raise StatusError(f"Missing named input: {name} in 'inputs' object.")
    return {name: _tensor(value[name], spec.dtype) for name, spec in inputs.items()}


def _is_object(value: Any) -> bool:
    """Whether it is an object, other than the {"b64": "..."} that stands for bytes."""
    return isinstance(value, dict) and not (len(value) == 1 and isinstance(value.get("b64"), str))


def _check_object(index: int, row: Any, inputs: Mapping[str, TensorSpec]) -> None:
    if not _is_object(row):
        raise StatusError(f"Expecting object but got list at item {index} of input list")
    for name in row:
        if name not in inputs:
            unknown = StatusError(f"JSON object: does not have named input: {name}")
            raise _in_row(index, f" key: {name}", f"Error: {unknown}")
    if len(row) < len(inputs):
        wanted = ",".join(sorted(inputs))
        raise _in_row(index, "", f"JSON object: {quotation(row)} keys must be equal to: {wanted}")


def _in_row(index: int, key: str, said: str) -> StatusError:
    return StatusError(f"Failed to process element: {index}{key} of 'instances' list. {said}")


def _stacked(rows: list[Any], dtype: str, key: str) -> NDArray[Any]:
    """One array of all rows. `key`: how messages name the input, if they do."""
    arrays: list[NDArray[Any]] = []
    for index, row in enumerate(rows):
        try:
            arrays.append(_tensor(row, dtype))
            _check_alike(arrays[0], arrays[-1])
        except StatusError as error:
            raise _in_row(index, key, f"Error: {error}") from None
    return np.stack(arrays)


def _check_alike(first: NDArray[Any], other: NDArray[Any]) -> None:
    if other.size != first.size:
        raise StatusError(f"Expecting tensor size: {first.size} but got: {other.size}")
    if other.shape != first.shape:
        raise StatusError(f"Expecting shape {list(first.shape)} but got: {list(other.shape)}")


def _tensor(value: Any, dtype: str) -> NDArray[Any]:
    """Read lists of lists, level by level, into an array."""
    shape, items = _shape_of(value), [value]
    for level, size in enumerate(shape):
        for item in items:
            if not isinstance(item, list):
                raise StatusError(
                    f"JSON Value: {quotation(item)} found at incorrect level: {level + 1} in the "
                    f"JSON DOM. Expected at level: {len(shape)}"
                )
            if len(item) != size:
                raise StatusError(
                    f"Encountered list at unexpected size: {len(item)} at level: {level} "
                    f"expected size: {size}"
                )
        items = list(chain.from_iterable(items))
    array = _converted(items, dtype)
    if array is None:
        wrong = next(item for item in items if _converted([item], dtype) is None)
        raise _misfit(wrong, dtype)
    return array.reshape(shape)


def _shape_of(value: Any) -> tuple[int, ...]:
    """The lengths along the first items, which all others have to keep to."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        value = value[0] if value else None
    if len(shape) > _MOST_RANK:
        raise StatusError(f"Shape must have rank at most {_MOST_RANK}, not {len(shape)}")
    return tuple(shape)


def _converted(values: list[Any], dtype: str) -> NDArray[Any] | None:
    """None if any of the values does not fit."""
    if dtype == "string":
        found = list(map(_bytes_of, values))
        return None if None in found else np.array(found, dtype=object)
    if not _TYPES[dtype].issuperset(map(type, values)):
        return None
    if dtype in INTEGERS and values:
        limits = np.iinfo(dtype)
        # Checked here, because numpy 1 wraps a number that is out of bounds.
        if min(values) < limits.min or max(values) > limits.max:
            return None
    try:
        with np.errstate(over="ignore"):  # 1e39 becomes an Infinity of float32, as in C++
            return np.array(values, dtype=dtype)
    except OverflowError:  # a whole number beyond float64
        return None


def _bytes_of(value: Any) -> bytes | None:
    try:
        if isinstance(value, str):
            return value.encode()
        if isinstance(value, dict) and not _is_object(value):
            return base64.b64decode(value["b64"], validate=True)
    except ValueError:  # half a surrogate pair, or what is no base64
        pass
    return None


def _misfit(value: Any, dtype: str) -> StatusError:
    """What the server says of a value that does not fit."""
    text = f"JSON Value: {quotation(value)}"
    if dtype == "float16":
        return StatusError(f"Conversion of {text} to type: {DTYPES[dtype]}", code="UNIMPLEMENTED")
    names = {dict: "Object", list: "Array", str: "String", bool: str(value), type(None): "Null"}
    kind = names.get(type(value), "Number")
    return StatusError(f"{text} Type: {kind} is not of expected type: {DTYPES[dtype]}")
