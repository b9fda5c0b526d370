"""The answers to GET: a model's status and its metadata, as protobuf's JSON printer writes them."""

import json
from collections.abc import Mapping
from typing import Any

from lightclient.standin.models import DTYPES, SignatureDef, TensorSpec, VersionState

_NO_OP = {
    "name": "NoOp",
    "dtype": "DT_INVALID",
    "tensor_shape": {"dim": [], "unknown_rank": True},
}


def status_text(states: Mapping[int, VersionState]) -> str:
    """Write the states of versions, in this order.

    Source: tensorflow_serving/model_servers/get_model_status_impl.cc.
    """
    found = [_version_status(version, state) for version, state in states.items()]
    return _text({"model_version_status": found}) + "\n"


def metadata_text(name: str, version: int, definitions: Mapping[str, Any]) -> str:
    """Write what a model's signatures take and return.

    Source: ToJsonString in tensorflow_serving/model_servers/http_rest_api_util.cc, which glues two
    texts together; protobuf writes 64-bit integers as strings.
    """
    spec = _text({"name": name, "version": str(version), "signature_name": ""})
    described = _text({"signature_def": definitions})
    return f'{{\n"model_spec":{spec}\n,\n"metadata": {{"signature_def": {described}\n}}\n}}\n'


def definitions_of(signatures: Mapping[str, SignatureDef]) -> dict[str, Any]:
    """Describe signatures as a SavedModel that holds them would.

    Every SavedModel of TensorFlow 2 has the first one beside its own.
    """
    init = "__saved_model_init_op"
    described = {init: _definition({}, {init: _NO_OP}, "")}
    for index, key in enumerate(sorted(signatures)):
        described[key] = _signature(key, index, signatures[key])
    return described


def _signature(key: str, index: int, signature: SignatureDef) -> dict[str, Any]:
    """With the tensor names that tf.saved_model.save gives."""
    call = "StatefulPartitionedCall" + (f"_{index}" if index else "")
    inputs, outputs = sorted(signature.inputs.items()), sorted(signature.outputs.items())
    return _definition(
        {name: _tensor(f"{key}_{name}:0", spec) for name, spec in inputs},
        {name: _tensor(f"{call}:{at}", spec) for at, (name, spec) in enumerate(outputs)},
        "tensorflow/serving/predict",
    )


def _definition(inputs: object, outputs: object, method: str) -> dict[str, Any]:
    return {"inputs": inputs, "outputs": outputs, "method_name": method, "defaults": {}}


def _version_status(version: int, state: VersionState) -> dict[str, Any]:
    status = {"error_code": state.code, "error_message": state.message}
    return {"version": str(version), "state": state.state, "status": status}


def _tensor(name: str, spec: TensorSpec) -> dict[str, Any]:
    sizes = [-1 if size is None else size for size in spec.shape or ()]
    shape = {
        "dim": [{"size": str(size), "name": ""} for size in sizes],
        "unknown_rank": spec.shape is None,
    }
    return {"name": name, "dtype": f"DT_{DTYPES[spec.dtype].upper()}", "tensor_shape": shape}


def _text(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)
