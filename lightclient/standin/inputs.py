"""JSON values into arrays, with the real server's messages.

The source of every rule here: tensorflow_serving/util/json_tensor.cc, its functions
FillTensorMapFromInstancesList (rows) and FillTensorMapFromInputsMap (columns). A value is taken in
one sweep if it is sound; otherwise it is walked item by item, in the server's order, to find the
first thing wrong.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from lightclient.standin.jsontext import quotation
from lightclient.standin.models import DTYPES, Arrays, TensorSpec
from lightclient.standin.status import StatusError

_INT32 = (-(2**31), 2**31 - 1)
# The range JSON must keep to. The small types are read as int32 and wrap around.
_RANGES = {
    **dict.fromkeys(("int8", "uint8", "int16", "int32"), _INT32),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
}
_FLOATS = ("float32", "float64")
_MOST_RANK = 32  # numpy's limit; TensorFlow's is 254
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")


def from_rows(rows: list[Any], inputs: Mapping[str, TensorSpec]) -> Arrays:
    """`{"instances": rows}`, at least one row, into arrays with the rows as first dimension."""
    if not isinstance(rows[0], dict) and len(inputs) > 1:
        raise StatusError(
            "instances is a plain list, but expecting list of objects as multiple "
            "input tensors required as per tensorinfo_map"
        )
    return (_from_objects if _is_object(rows[0]) else _from_values)(rows, inputs)


def from_columns(value: Any, inputs: Mapping[str, TensorSpec]) -> Arrays:
    """`{"inputs": value}` into arrays: an object of tensors, or one tensor for a lone input."""
    if not _is_object(value):
        if len(inputs) > 1:
            raise StatusError(
                "inputs is a plain value/list, but expecting an object as multiple "
                "input tensors required as per tensorinfo_map"
            )
        value = {next(iter(inputs)): value}
    return {name: _column(value, name, spec.dtype) for name, spec in inputs.items()}


def _column(value: dict[str, Any], name: str, dtype: str) -> NDArray[Any]:
    if name not in value:
        raise StatusError(f"Missing named input: {name} in 'inputs' object.")
    array = _sweep(value[name], dtype)
    if array is None:
        _walk(value[name], dtype)
        _complain_at_last(name)
    return array


def _from_objects(rows: list[Any], inputs: Mapping[str, TensorSpec]) -> Arrays:
    arrays: Arrays = {}
    if all(_is_object(row) and row.keys() == inputs.keys() for row in rows):
        for name, spec in inputs.items():
            array = _sweep([row[name] for row in rows], spec.dtype)
            if array is not None:
                arrays[name] = array
    if len(arrays) < len(inputs):
        _complain_of_objects(rows, inputs)
    return arrays


def _from_values(rows: list[Any], inputs: Mapping[str, TensorSpec]) -> Arrays:
    # With several inputs only {"b64": ...} gets here: it fills the first, the others stay missing.
    name, spec = next(iter(inputs.items()))
    array = None if any(map(_is_object, rows)) else _sweep(rows, spec.dtype)
    if array is None:
        _complain_of_values(rows, name, spec.dtype)
    return {name: array}


def _complain_of_values(rows: list[Any], name: str, dtype: str) -> NoReturn:
    first: tuple[int, ...] | None = None
    for index, row in enumerate(rows):
        if _is_object(row):
            raise StatusError(f"Expecting value/list but got object at item {index} of input list")
        try:
            first = _walk_like(row, dtype, first)
        except StatusError as error:
            raise StatusError(
                f"Failed to process element: {index} of 'instances' list. Error: {error}"
            ) from None
    _complain_at_last(name)


def _complain_of_objects(rows: list[Any], inputs: Mapping[str, TensorSpec]) -> NoReturn:
    shapes: dict[str, tuple[int, ...]] = {}
    for index, row in enumerate(rows):
        if not _is_object(row):
            raise StatusError(f"Expecting object but got list at item {index} of input list")
        for name, value in row.items():
            _check_member(index, name, value, inputs, shapes)
        if row.keys() != inputs.keys():
            raise StatusError(
                f"Failed to process element: {index} of 'instances' list. "
                f"JSON object: {quotation(row)} keys must be equal to: {','.join(sorted(inputs))}"
            )
    _complain_at_last(next(iter(inputs)))


def _check_member(
    index: int,
    name: str,
    value: Any,
    inputs: Mapping[str, TensorSpec],
    shapes: dict[str, tuple[int, ...]],
) -> None:
    try:
        spec = _known(name, inputs)
        shapes[name] = _walk_like(value, spec.dtype, shapes.get(name))
    except StatusError as error:
        raise StatusError(
            f"Failed to process element: {index} key: {name} of 'instances' list. Error: {error}"
        ) from None


def _known(name: str, inputs: Mapping[str, TensorSpec]) -> TensorSpec:
    if name not in inputs:
        raise StatusError(f"JSON object: does not have named input: {name}")
    return inputs[name]


def _walk_like(value: Any, dtype: str, first: tuple[int, ...] | None) -> tuple[int, ...]:
    """Walks one row's tensor; it must be shaped as the first row's is."""
    shape = _walk(value, dtype)
    if first is None or shape == first:
        return shape
    wanted, size = int(np.prod(first)), int(np.prod(shape))
    if size != wanted:
        raise StatusError(f"Expecting tensor size: {wanted} but got: {size}")
    raise StatusError(f"Expecting shape {_shape_text(first)} but got: {_shape_text(shape)}")


def _shape_text(shape: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, shape))}]"


def _complain_at_last(name: str) -> NoReturn:
    """For what only TensorFlow itself would refuse, once the whole request is read."""
    raise StatusError(f"tensor parsing error: {name}")


def _is_object(value: Any) -> bool:
    """Whether it is an object, other than the {"b64": "..."} that stands for bytes."""
    return isinstance(value, dict) and not (len(value) == 1 and isinstance(value.get("b64"), str))


def _shape_of(value: Any) -> tuple[int, ...]:
    """The lengths along the first items: what the whole tensor must keep to."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        value = value[0] if value else None
    if len(shape) > _MOST_RANK:
        raise StatusError(f"Shape must have rank at most {_MOST_RANK}, not {len(shape)}")
    return tuple(shape)


def _sweep(value: Any, dtype: str) -> NDArray[Any] | None:
    """The array of a sound value; None if `_walk` has to look."""
    shape = _shape_of(value)
    level: list[Any] = [value]
    for size in shape:
        if set(map(type, level)) != {list} or set(map(len, level)) != {size}:
            return None
        level = list(chain.from_iterable(level))
    array = _leaves(level, dtype)
    return None if array is None else array.reshape(shape)


def _leaves(values: list[Any], dtype: str) -> NDArray[Any] | None:
    """A flat array of the values; None if any of them does not fit."""
    if not values:
        return np.zeros(0, object if dtype == "string" else dtype)
    types = set(map(type, values))
    if dtype in _RANGES and types == {int}:
        return _integers(values, dtype)
    if dtype in _FLOATS and types <= {int, float}:
        return flush_denormals(_floats(values, dtype))
    if dtype == "bool" and types == {bool}:
        return np.array(values, dtype=bool)
    return _strings(values) if dtype == "string" else None


def _integers(values: list[int], dtype: str) -> NDArray[Any] | None:
    lowest, highest = _RANGES[dtype]
    if min(values) < lowest or max(values) > highest:
        return None
    wide = np.array(values, dtype="uint64" if dtype == "uint64" else "int64")
    return wide.astype(dtype)


def _floats(values: Sequence[float], dtype: str) -> NDArray[Any]:
    with np.errstate(over="ignore"):  # 1e39 becomes an Infinity of float32, as in C++
        return np.array(values, dtype=np.float64).astype(dtype)


def flush_denormals(array: NDArray[Any]) -> NDArray[Any]:
    """Zero for whatever is too small for a normal float: TensorFlow's threads compute so."""
    tiny = np.abs(array) < np.finfo(array.dtype).tiny
    return np.where(tiny, np.copysign(array.dtype.type(0), array), array) if tiny.any() else array


def _strings(values: list[Any]) -> NDArray[Any] | None:
    array = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):
        found = _bytes_of(value)
        if found is None:
            return None
        array[index] = found
    return array


def _bytes_of(value: Any) -> bytes | None:
    if isinstance(value, str):
        return value.encode(errors="surrogateescape")
    if not isinstance(value, dict) or _is_object(value):
        return None
    text = "".join(value["b64"].split())
    try:
        stripped = text.rstrip("=") if _BASE64.fullmatch(text) else "!"
        return base64.b64decode(stripped + "=" * (-len(stripped) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _walk(value: Any, dtype: str) -> tuple[int, ...]:
    """Raises for the first item that does not fit; the shape if all do."""
    shape = _shape_of(value)
    _walk_level(value, 0, shape, dtype)
    return shape


def _walk_level(value: Any, level: int, shape: tuple[int, ...], dtype: str) -> None:
    if not isinstance(value, list):
        _check_leaf(value, level, len(shape), dtype)
        return
    if level >= len(shape):
        raise StatusError(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise StatusError(
            f"Encountered list at unexpected size: {len(value)} at level: {level} "
            f"expected size: {shape[level]}"
        )
    for item in value:
        _walk_level(item, level + 1, shape, dtype)


def _check_leaf(value: Any, level: int, rank: int, dtype: str) -> None:
    text = f"JSON Value: {quotation(value)}"
    if level != rank:
        raise StatusError(
            f"{text} found at incorrect level: {level + 1} in the JSON DOM. "
            f"Expected at level: {rank}"
        )
    if dtype == "string" and isinstance(value, dict):
        _check_base64(value, text)
    elif not isinstance(value, dict) and dtype not in (*_RANGES, *_FLOATS, "bool", "string"):
        raise StatusError(f"Conversion of {text} to type: {DTYPES[dtype][1]}", code="UNIMPLEMENTED")
    elif _leaves([value], dtype) is None:
        raise StatusError(
            f"{text} Type: {_type_name(value)} is not of expected type: {DTYPES[dtype][1]}"
        )


def _check_base64(value: dict[str, Any], text: str) -> None:
    if _is_object(value):
        raise StatusError(f"{text} not formatted correctly for base64 data")
    if _bytes_of(value) is None:
        raise StatusError("Unable to base64 decode")


def _type_name(value: Any) -> str:
    """RapidJSON's name of a value's type."""
    if isinstance(value, bool) or value is None:
        return {None: "Null", True: "True", False: "False"}[value]
    names = {dict: "Object", list: "Array", str: "String", int: "Number", float: "Number"}
    return names[type(value)]
