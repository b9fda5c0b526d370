"""The answers to GET: a model's status and its metadata, as protobuf's JSON printer writes them."""

from collections.abc import Mapping
from typing import Any

from lightclient.standin.models import ServedModel
from lightclient.standin.modelspec import ModelSpec, number_of
from lightclient.standin.signatures import DTYPES, SignatureDef, TensorSpec
from lightclient.standin.status import StatusError

_INIT = "__saved_model_init_op"
_NO_OP = {
    "name": "NoOp",
    "dtype": "DT_INVALID",
    "tensor_shape": {"dim": [], "unknown_rank": True},
}


def status_of(models: Mapping[str, ServedModel], spec: ModelSpec) -> dict[str, Any]:
    """Tell the states of the versions that are meant, newest first; raises StatusError.

    Source: tensorflow_serving/model_servers/get_model_status_impl.cc. A label is not looked at.
    """
    states = models[spec.name].states() if spec.name in models else {}
    if spec.version is not None:
        states = {number: state for number, state in states.items() if number == spec.version}
    if not states:
        asked = "any versions" if spec.version is None else f"version {spec.version}"
        raise StatusError(f"Could not find {asked} of model {spec.name}", code="NOT_FOUND")
    found = [
        {
            "version": str(version),  # protobuf writes 64-bit integers as strings
            "state": state.state,
            "status": {"error_code": state.code, "error_message": state.message},
        }
        for version, state in states.items()
    ]
    return {"model_version_status": found}


def metadata_of(models: Mapping[str, ServedModel], spec: ModelSpec) -> dict[str, Any]:
    """Tell what a model's signatures take and return; raises StatusError.

    Source: ToJsonString in tensorflow_serving/model_servers/http_rest_api_util.cc.
    """
    version = number_of(models, spec)
    model = models[spec.name]
    definitions = model.definitions.get(version) or _definitions(model.versions[version])
    told = {"name": spec.name, "version": str(version), "signature_name": ""}
    # Twice the same name: the message SignatureDefMap has one field, called like the key of it.
    metadata = {"signature_def": {"signature_def": definitions}}
    return {"model_spec": told, "metadata": metadata}


def _definitions(signatures: Mapping[str, SignatureDef]) -> dict[str, Any]:
    """Describe signatures as a SavedModel that holds them would.

    The names of the tensors are those that tf.saved_model.save gives.
    """
    # Every SavedModel of TensorFlow 2 has this one beside its own.
    found = {_INIT: _definition({}, {_INIT: _NO_OP}, "")}
    for index, (key, signature) in enumerate(sorted(signatures.items())):
        call = "StatefulPartitionedCall" + (f"_{index}" if index else "")
        inputs, outputs = sorted(signature.inputs.items()), sorted(signature.outputs.items())
        found[key] = _definition(
            {name: _tensor(f"{key}_{name}:0", spec) for name, spec in inputs},
            {name: _tensor(f"{call}:{at}", spec) for at, (name, spec) in enumerate(outputs)},
            "tensorflow/serving/predict",
        )
    return found


def _definition(inputs: object, outputs: object, method: str) -> dict[str, Any]:
    return {"inputs": inputs, "outputs": outputs, "method_name": method, "defaults": {}}


def _tensor(name: str, spec: TensorSpec) -> dict[str, Any]:
    sizes = [-1 if size is None else size for size in spec.shape or ()]
    shape = {
        "dim": [{"size": str(size), "name": ""} for size in sizes],
        "unknown_rank": spec.shape is None,
    }
    return {"name": name, "dtype": f"DT_{DTYPES[spec.dtype].upper()}", "tensor_shape": shape}
