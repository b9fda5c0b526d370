"""One SavedModel, run by TensorFlow."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightclient.errors import LightClientError
from lightclient.standin.signatures import DTYPES, Arrays, SignatureDef, TensorSpec
from lightclient.standin.status import HTTP_STATUS, StatusError

_NAMES = {f"DT_{name.upper()}": dtype for dtype, name in DTYPES.items()}
# What TensorFlow's Python adds to the message of its own core, which is what the real server sends.
_ADDED = re.compile(
    r"\A(?:Graph execution error:\n\n.*?<stack traces unavailable>\n)?"
    r"(?:\{\{function_node [^}]*\}\} )*"  # of the function within the graph that failed
    r"| \[Op:\S*\]",
    re.S,
)


@dataclass(frozen=True)
class Version:
    """A SavedModel: the signatures that can be called, and its own description of all."""

    signatures: Mapping[str, SignatureDef]
    definitions: Mapping[str, Any]


def tensorflow() -> Any:
    """Import TensorFlow. Raises LightClientError if it is not installed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")  # so that `export` works in this process too
    try:
        return import_module("tensorflow")
    except ImportError as error:
        raise LightClientError(
            f"running a SavedModel takes TensorFlow ({error}): pip install '.[export]'"
        ) from error


def read_saved_model(folder: Path) -> Version:
    """Load the SavedModel in a folder. Raises StatusError for whatever is wrong with it."""
    tf = tensorflow()
    if not (folder / "saved_model.pb").is_file():
        raise StatusError(f"Could not find SavedModel .pb in {folder}", code="NOT_FOUND")
    try:
        return _read(tf, folder)
    except Exception as error:  # TensorFlow and protobuf know many ways to refuse a file
        raise _status_error(tf, error) from error


def _read(tf: Any, folder: Path) -> Version:
    model = tf.saved_model.load(str(folder), tags=["serve"])
    definitions = _definitions(folder)
    signatures = {
        name: _signature(tf, function, definitions[name])
        for name, function in model.signatures.items()
        if _is_servable(definitions[name])
    }
    return Version(signatures, definitions)


def _definitions(folder: Path) -> dict[str, Any]:
    """The SignatureDefs of the graph for serving, as protobuf's JSON."""
    protobuf = import_module("tensorflow.core.protobuf.saved_model_pb2")
    document = protobuf.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    (graph,) = (graph for graph in document.meta_graphs if graph.meta_info_def.tags == ["serve"])
    to_dict = import_module("google.protobuf.json_format").MessageToDict
    found = graph.signature_def
    options = {"preserving_proto_field_name": True, "always_print_fields_with_no_presence": True}
    return {name: to_dict(found[name], **options) for name in sorted(found)}


def _is_servable(definition: Mapping[str, Any]) -> bool:
    """Whether it returns anything, and JSON can carry all its tensors; sparse ones it cannot."""
    tensors = [*definition["inputs"].values(), *definition["outputs"].values()]
    sound = all("name" in tensor and tensor["dtype"] in _NAMES for tensor in tensors)
    return sound and bool(definition["outputs"])


def _signature(tf: Any, function: Any, definition: Mapping[str, Any]) -> SignatureDef:
    """A signature whose `run` raises StatusError for what TensorFlow refuses."""

    def run(inputs: Arrays) -> Arrays:
        try:
            outputs = function(**{name: tf.constant(array) for name, array in inputs.items()})
        except tf.errors.OpError as error:
            raise _status_error(tf, error) from error
        return {name: _array(tensor) for name, tensor in outputs.items()}

    # Sorted, since protobuf's maps come in a random order.
    inputs, outputs = (sorted(definition[key].items()) for key in ("inputs", "outputs"))
    return SignatureDef(
        run,
        {name: _spec(tensor) for name, tensor in inputs},
        {name: _spec(tensor) for name, tensor in outputs},
    )


def _spec(tensor: Mapping[str, Any]) -> TensorSpec:
    sizes = [int(dimension["size"]) for dimension in tensor["tensor_shape"]["dim"]]
    shape = tuple(None if size < 0 else size for size in sizes)
    is_known = not tensor["tensor_shape"]["unknown_rank"]
    return TensorSpec(_NAMES[tensor["dtype"]], shape if is_known else None)


def _array(tensor: Any) -> NDArray[Any]:
    found = tensor.numpy()
    # numpy would cut the NULs off the end of the bytes that a string of rank 0 is.
    return np.array(found, dtype=object if isinstance(found, bytes) else None)


def _status_error(tf: Any, error: Exception) -> StatusError:
    """TensorFlow's own code and message; DATA_LOSS for a file that cannot be read."""
    if not isinstance(error, tf.errors.OpError):
        return StatusError(f"{type(error).__name__}: {error}", code="DATA_LOSS")
    codes = (code for code in HTTP_STATUS if getattr(tf.errors, code) == error.error_code)
    return StatusError(_ADDED.sub("", error.message), code=next(codes, "UNKNOWN"))
