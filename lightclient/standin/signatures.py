"""What can be called: signatures by their function, tensors by dtype and shape."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from lightclient.errors import InputError

Arrays = dict[str, NDArray[Any]]
Run = Callable[[Arrays], Mapping[str, Any]]

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
# numpy's name of each dtype, and TensorFlow's in messages (tensorflow/core/framework/types.cc).
DTYPES = {"float16": "half", "float32": "float", "float64": "double"}
DTYPES |= {name: name for name in (*INTEGERS, "bool", "string")}


@dataclass(frozen=True)
class TensorSpec:
    """One input or output.

    `dtype`: a name such as "float32", "int64", "bool" or "string". `shape`: a tuple, None in it for
    a free length, or None for an unknown rank. The shape is told in the metadata; as in the real
    server, requests are not checked against it.
    """

    dtype: str
    shape: tuple[int | None, ...] | None

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise InputError(f"dtype is {self.dtype!r}: give one of {', '.join(DTYPES)}")
        if self.shape is None:
            return
        if not isinstance(self.shape, tuple):
            raise InputError(f"shape is {self.shape!r}: give a tuple, such as (None, 2)")
        for size in self.shape:
            # True is an int, too, for isinstance.
            if size is not None and (type(size) is not int or size < 0):
                raise InputError(f"shape holds {size!r}: give lengths, and None for a free one")


@dataclass(frozen=True)
class SignatureDef:
    """A function, and the tensors that it takes and returns.

    `run` gets the inputs as a dict of arrays (a string tensor is an object array of bytes) and
    returns a mapping with an array for each of `outputs`. If it raises a ValueError or an
    IndexError, as numpy does for a token id outside of a table, the answer is that of a failure
    inside TensorFlow's graph: status 400 and the error's message. Anything else that it raises, a
    KeyError too, counts as a defect of the function: status 500, and a line in the log.
    """

    run: Run
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]

    def __post_init__(self) -> None:
        if not callable(self.run):
            raise InputError(f"run is {kind_of(self.run)}: give a function of a dict of arrays")
        check_mapping("inputs", self.inputs, str, TensorSpec)
        check_mapping("outputs", self.outputs, str, TensorSpec)
        if not self.outputs:
            raise InputError("outputs is empty: name what the signature returns")


def check_mapping(argument: str, value: object, key: type, item: type) -> None:
    """Raise InputError, with the argument's name, for what is no mapping of these types."""
    if not isinstance(value, Mapping):
        raise InputError(f"{argument} is {kind_of(value)}: give a dict")
    for name, member in value.items():
        if not isinstance(name, key) or isinstance(name, bool) or not isinstance(member, item):
            raise InputError(
                f"{argument} holds {name!r}: {kind_of(member)}: "
                f"give a dict of {key.__name__} → {item.__name__}"
            )


def kind_of(value: object) -> str:
    """Say in an error what came."""
    return "None" if value is None else f"of type {type(value).__name__}"
