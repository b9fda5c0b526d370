"""A predict request: JSON into arrays, these into the model, and what comes out into JSON."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lightclient.standin.inputs import from_columns, from_rows
from lightclient.standin.jsontext import quotation
from lightclient.standin.outputs import as_columns, as_rows
from lightclient.standin.signatures import Arrays, SignatureDef
from lightclient.standin.status import StatusError


def predict(signatures: Mapping[str, SignatureDef], document: Any) -> dict[str, Any]:
    """Answer the JSON value of a request with the JSON value of the model's outputs.

    Raises StatusError if the request is wrong or the model says so, and whatever else the model
    raises.
    """
    if not isinstance(document, dict):
        raise StatusError(f"JSON Value: {quotation(document)} Is not object")
    signature = _signature(signatures, document)
    if "instances" in document:
        _check_instances(document)
        arrays = from_rows(document["instances"], signature.inputs)
        return {"predictions": as_rows(run_model(signature, arrays))}
    if "inputs" not in document:
        raise StatusError("Missing 'inputs' or 'instances' key")
    arrays = from_columns(document["inputs"], signature.inputs)
    return {"outputs": as_columns(run_model(signature, arrays))}


def _signature(signatures: Mapping[str, SignatureDef], document: dict[str, Any]) -> SignatureDef:
    """The signature that the request names; an empty name stands for the default."""
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise StatusError(
            f"JSON Value: {quotation(document)} not formatted correctly. "
            "'signature_name' key must be a string value."
        )
    found = name or "serving_default"
    if found not in signatures:
        raise StatusError(f'Serving signature name: "{found}" not found in signature def')
    if not signatures[found].inputs:
        raise StatusError(f"Failed to get input map for signature: {name or 'DEFAULT'}")
    return signatures[found]


def _check_instances(document: dict[str, Any]) -> None:
    if "inputs" in document:
        complaint = (
            "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist "
        )
    elif not isinstance(document["instances"], list):
        complaint = "Expecting 'instances' to be an list/array"
    elif not document["instances"]:
        complaint = "No values in 'instances' array"
    else:
        return
    raise StatusError(f"JSON Value: {quotation(document)} {complaint}")


def run_model(signature: SignatureDef, arrays: Arrays) -> Arrays:
    """Call a model, and give its outputs as arrays of their types."""
    try:
        returned = signature.run(arrays)
    except (ValueError, IndexError) as error:
        # numpy raises them where TensorFlow's graph refuses a token id outside of the vocabulary,
        # or shapes that do not fit.
        raise StatusError(str(error)) from error
    if not isinstance(returned, Mapping):
        raise TypeError(f"the model returned {type(returned).__name__}, not a dict of arrays")
    return {name: _output(returned, name, spec.dtype) for name, spec in signature.outputs.items()}


def _output(returned: Mapping[str, Any], name: str, dtype: str) -> Any:
    if name not in returned:
        raise TypeError(f"the model returned no {name!r}, only {sorted(returned)}")
    array = np.asarray(returned[name])
    if dtype == "string":
        texts = [_encoded(value) for value in array.reshape(-1).tolist()]
        return np.array(texts, dtype=object).reshape(array.shape)
    # An empty list is float64 to numpy, whatever it was meant to be.
    return array.astype(dtype, casting="same_kind" if array.size else "unsafe", copy=False)


def _encoded(value: Any) -> bytes:
    if not isinstance(value, (str, bytes)):
        raise TypeError(f"the model returned {type(value).__name__} for a string")
    return value.encode() if isinstance(value, str) else value
