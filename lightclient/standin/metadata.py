"""The answers to GET: a model's status and its metadata, as protobuf's JSON printer writes them."""

import json
from collections.abc import Mapping
from typing import Any

from lightclient.standin.models import DTYPES, SignatureDef, TensorSpec

# Every SavedModel of TensorFlow 2 has this signature beside its own.
_INIT_OP = {
    "inputs": {},
    "outputs": {
        "__saved_model_init_op": {
            "name": "NoOp",
            "dtype": "DT_INVALID",
            "tensor_shape": {"dim": [], "unknown_rank": True},
        }
    },
    "method_name": "",
    "defaults": {},
}


def status_text(versions: list[int]) -> str:
    """The state of versions, all of them loaded.

    Source: tensorflow_serving/model_servers/get_model_status_impl.cc.
    """
    states = [_version_status(version) for version in versions]
    return _text({"model_version_status": states}) + "\n"


def metadata_text(name: str, version: int, signatures: Mapping[str, SignatureDef]) -> str:
    """What a model's signatures take and return.

    Source: ToJsonString in tensorflow_serving/model_servers/http_rest_api_util.cc, which glues two
    texts together; protobuf writes 64-bit integers as strings.
    """
    spec = {"name": name, "version": str(version), "signature_name": ""}
    described = {"__saved_model_init_op": _INIT_OP}
    described |= {key: _signature(signatures[key]) for key in sorted(signatures)}
    definitions = _text({"signature_def": described})
    return (
        f'{{\n"model_spec":{_text(spec)}\n,\n"metadata": {{"signature_def": {definitions}\n}}\n}}\n'
    )


def _version_status(version: int) -> dict[str, Any]:
    fine = {"error_code": "OK", "error_message": ""}
    return {"version": str(version), "state": "AVAILABLE", "status": fine}


def _signature(signature: SignatureDef) -> dict[str, Any]:
    """With the tensor names that tf.saved_model.save gives."""
    inputs = {
        name: _tensor(f"serving_default_{name}:0", signature.inputs[name])
        for name in sorted(signature.inputs)
    }
    outputs = {
        name: _tensor(f"StatefulPartitionedCall:{index}", signature.outputs[name])
        for index, name in enumerate(sorted(signature.outputs))
    }
    method = "tensorflow/serving/predict"
    return {"inputs": inputs, "outputs": outputs, "method_name": method, "defaults": {}}


def _tensor(name: str, spec: TensorSpec) -> dict[str, Any]:
    sizes = [-1 if size is None else size for size in spec.shape or ()]
    shape = {
        "dim": [{"size": str(size), "name": ""} for size in sizes],
        "unknown_rank": spec.shape is None,
    }
    return {"name": name, "dtype": DTYPES[spec.dtype][0], "tensor_shape": shape}


def _text(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)
