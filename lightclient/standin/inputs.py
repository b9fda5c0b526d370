"""JSON values into arrays, with the real server's messages for what does not fit.

The source of every rule here: tensorflow_serving/util/json_tensor.cc, its functions
FillTensorMapFromInstancesList (rows) and FillTensorMapFromInputsMap (columns). Of several faults in
one request the server tells the first; which one that is here may differ.
"""

import base64
from collections.abc import Mapping
from itertools import chain
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from lightclient.standin.jsontext import quotation
from lightclient.standin.models import DTYPES, INTEGERS, Arrays, TensorSpec
from lightclient.standin.status import StatusError

_MOST_RANK = 32  # numpy's limit; TensorFlow's is 254


def from_rows(rows: list[Any], inputs: Mapping[str, TensorSpec]) -> Arrays:
    """Turn `{"instances": rows}`, at least one row, into arrays; raises StatusError."""
    if _is_object(rows[0]):
        _check_objects(rows, inputs)
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
    for name in inputs:
        if name not in value:
            raise StatusError(f"Missing named input: {name} in 'inputs' object.")
    return {name: _tensor(value[name], spec.dtype) for name, spec in inputs.items()}


def _is_object(value: Any) -> bool:
    """Whether it is an object, other than the {"b64": "..."} that stands for bytes."""
    return isinstance(value, dict) and not (len(value) == 1 and isinstance(value.get("b64"), str))


def _check_objects(rows: list[Any], inputs: Mapping[str, TensorSpec]) -> None:
    for index, row in enumerate(rows):
        if not _is_object(row):
            raise StatusError(f"Expecting object but got list at item {index} of input list")
        if row.keys() != inputs.keys():
            raise _wrong_keys(index, row, inputs)


def _wrong_keys(index: int, row: dict[str, Any], inputs: Mapping[str, TensorSpec]) -> StatusError:
    for name in row:
        if name not in inputs:
            unknown = StatusError(f"JSON object: does not have named input: {name}")
            return _in_row(index, f" key: {name}", f"Error: {unknown}")
    wanted = ",".join(sorted(inputs))
    return _in_row(index, "", f"JSON object: {quotation(row)} keys must be equal to: {wanted}")


def _in_row(index: int, key: str, said: str) -> StatusError:
    return StatusError(f"Failed to process element: {index}{key} of 'instances' list. {said}")


def _stacked(rows: list[Any], dtype: str, key: str) -> NDArray[Any]:
    """One array of all rows. `key`: how messages name the input, if they do."""
    try:
        return _tensor(rows, dtype)
    except StatusError:
        _blame_row(rows, dtype, key)
        raise


def _blame_row(rows: list[Any], dtype: str, key: str) -> None:
    """Raise for the first row that is wrong in itself, or has another shape than the first row."""
    shapes: list[tuple[int, ...]] = []
    for index, row in enumerate(rows):
        try:
            shapes.append(_tensor(row, dtype).shape)
            _check_alike(shapes[0], shapes[-1])
        except StatusError as error:
            raise _in_row(index, key, f"Error: {error}") from None


def _check_alike(first: tuple[int, ...], shape: tuple[int, ...]) -> None:
    wanted, size = int(np.prod(first)), int(np.prod(shape))
    if size != wanted:
        raise StatusError(f"Expecting tensor size: {wanted} but got: {size}")
    if shape != first:
        raise StatusError(f"Expecting shape {list(first)} but got: {list(shape)}")


def _tensor(value: Any, dtype: str) -> NDArray[Any]:
    """Read lists of lists, level by level, into an array."""
    shape = _shape_of(value)
    items = [value]
    for level, size in enumerate(shape):
        for item in items:
            _check_list(item, level, size, len(shape))
        items = list(chain.from_iterable(items))
    return _flat(items, dtype, len(shape)).reshape(shape)


def _shape_of(value: Any) -> tuple[int, ...]:
    """The lengths along the first items, which all others have to keep to."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        value = value[0] if value else None
    if len(shape) > _MOST_RANK:
        raise StatusError(f"Shape must have rank at most {_MOST_RANK}, not {len(shape)}")
    return tuple(shape)


def _check_list(item: Any, level: int, size: int, rank: int) -> None:
    if not isinstance(item, list):
        raise StatusError(
            f"JSON Value: {quotation(item)} found at incorrect level: {level + 1} in the JSON DOM. "
            f"Expected at level: {rank}"
        )
    if len(item) != size:
        raise StatusError(
            f"Encountered list at unexpected size: {len(item)} at level: {level} "
            f"expected size: {size}"
        )


def _flat(values: list[Any], dtype: str, rank: int) -> NDArray[Any]:
    """An array of values that are no lists."""
    array = _converted(values, dtype)
    if array is None:
        _complain(next(item for item in values if _converted([item], dtype) is None), dtype, rank)
    return array


def _converted(values: list[Any], dtype: str) -> NDArray[Any] | None:
    """None if any of the values does not fit."""
    types = set(map(type, values))
    if dtype in INTEGERS and types <= {int}:
        return _integers(values, dtype)
    if dtype in ("float32", "float64") and types <= {int, float}:
        return _floats(values, dtype)
    if dtype == "bool" and types <= {bool}:
        return np.array(values, dtype=bool)
    if dtype == "string":
        return _strings(values)
    return np.zeros(0, dtype) if not values else None


def _integers(values: list[int], dtype: str) -> NDArray[Any] | None:
    limits = np.iinfo(dtype)
    if values and (min(values) < limits.min or max(values) > limits.max):
        return None
    return np.array(values, dtype=dtype)


def _floats(values: list[float], dtype: str) -> NDArray[Any] | None:
    try:
        with np.errstate(over="ignore"):  # 1e39 becomes an Infinity of float32, as in C++
            return np.array(values, dtype=np.float64).astype(dtype)
    except OverflowError:  # a whole number beyond float64
        return None


def _strings(values: list[Any]) -> NDArray[Any] | None:
    found = list(map(_bytes_of, values))
    return None if None in found else np.array(found, dtype=object)


def _bytes_of(value: Any) -> bytes | None:
    if isinstance(value, str):
        return value.encode(errors="surrogateescape")
    if not isinstance(value, dict) or _is_object(value):
        return None
    try:
        return base64.b64decode(value["b64"], validate=True)
    except ValueError:
        return None


def _complain(value: Any, dtype: str, rank: int) -> NoReturn:
    """Raise for a value that does not fit."""
    if isinstance(value, list):
        raise StatusError(f"Encountered list at unexpected level: {rank} expected < {rank}")
    text = f"JSON Value: {quotation(value)}"
    if dtype == "float16" and not isinstance(value, dict):
        raise StatusError(f"Conversion of {text} to type: {DTYPES[dtype]}", code="UNIMPLEMENTED")
    if dtype == "string" and isinstance(value, dict) and not _is_object(value):
        raise StatusError("Unable to base64 decode")
    names = {dict: "Object", str: "String", bool: str(value), type(None): "Null"}
    kind = names.get(type(value), "Number")
    raise StatusError(f"{text} Type: {kind} is not of expected type: {DTYPES[dtype]}")
