"""What the served model takes and gives, told by the server or stated by hand."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lightclient.errors import InputError, SignatureError
from lightclient.messages import printable, short_repr

DEFAULT_NAME = "serving_default"
BY_HAND = (
    "state the signature by hand, like Classifier(url, form='row', signature=Signature("
    "input_ids='input_ids', attention_mask='attention_mask'))"
)

# Names met in the wild: transformers, TensorFlow Hub and TF Models, KerasHub.
_ALIASES = {
    "input_ids": ("input_ids", "input_word_ids", "token_ids"),
    "attention_mask": ("attention_mask", "input_mask", "padding_mask"),
    "token_type_ids": ("token_type_ids", "input_type_ids", "segment_ids"),
}
# The types whose JSON form is a whole number, or takes one (util/json_tensor.cc).
_NUMBERS = frozenset({
    "DT_INT8", "DT_INT16", "DT_INT32", "DT_INT64", "DT_UINT8", "DT_UINT16", "DT_UINT32",
    "DT_UINT64", "DT_FLOAT", "DT_DOUBLE",
})  # fmt: skip
_MASKS = _NUMBERS | {"DT_BOOL"}
# No text model takes more. A larger number would only make the client pad without end.
_LONGEST = 65_536


@dataclass(frozen=True)
class Signature:
    """The inputs by role, their length, and the output that holds the logits.

    Stated by hand (`Classifier(url, signature=Signature(...))`) it saves the look-up; the
    defaults are those of a DistilBERT exported from transformers.

    `attention_mask`, `token_type_ids`: the input's name, None where the model has no such input.
    `mask_dtype`: DT_BOOL makes the mask of true and false instead of 1 and 0.
    `length`: the tokens a row must have, None where it is free.
    `output`: the name of the logits, None where the model has one output only.
    `classes`: how many logits a row has, None where it is not told.
    """

    input_ids: str = "input_ids"
    attention_mask: str | None = "attention_mask"
    token_type_ids: str | None = None
    mask_dtype: str = "DT_INT32"
    length: int | None = None
    output: str | None = None
    classes: int | None = None
    name: str = DEFAULT_NAME

    def __post_init__(self) -> None:
        self._check_names()
        if self.mask_dtype not in tuple(_MASKS):
            raise InputError(
                "Signature(mask_dtype=...) must be a number type or DT_BOOL, not "
                f"{short_repr(self.mask_dtype)}"
            )
        length = self.length
        if length is not None and not (type(length) is int and 1 <= length <= _LONGEST):
            raise InputError(
                f"Signature(length=...) must be from 1 to {_LONGEST}, not {short_repr(length)}"
            )

    def _check_names(self) -> None:
        optional = (self.attention_mask, self.token_type_ids, self.output)
        for name in (self.input_ids, self.name, *(name for name in optional if name is not None)):
            if not isinstance(name, str) or not name:
                raise InputError(f"Signature: {short_repr(name)} is no name of an input or output")
        inputs = [self.input_ids, *filter(None, optional[:2])]
        if len(set(inputs)) < len(inputs):
            raise InputError(f"Signature: two inputs have one name: {', '.join(inputs)}")


def read_signature(body: bytes, name: str | None = None) -> Signature:
    """Read a signature from the answer to `GET /v1/models/M/metadata` (g3doc/api_rest.md).

    Args:
        body: the answer, a JSON object.
        name: the signature to take; None takes `serving_default`, or the only one there is.

    Raises:
        SignatureError: the answer is no metadata, or has no such signature, or this client cannot
            send what the signature takes.
    """
    try:
        found = json.loads(body)["metadata"]["signature_def"]["signature_def"]
        signatures = {key: found[key] for key in found if key != "__saved_model_init_op"}
        chosen = _choose(signatures, name)
        return _signature(chosen, signatures[chosen]["inputs"], signatures[chosen]["outputs"])
    except (
        ValueError, LookupError, TypeError, AttributeError, RecursionError, ArithmeticError,
    ) as error:  # fmt: skip
        raise SignatureError(
            f"the server's metadata is not what TensorFlow Serving answers ({short_repr(error)}); "
            "state the model's inputs by hand: Classifier(url, signature=Signature(...))"
        ) from error


def _choose(signatures: Mapping[str, Any], name: str | None) -> str:
    wanted = DEFAULT_NAME if name is None else name
    if wanted in signatures:
        return wanted
    if name is None and len(signatures) == 1:
        return next(iter(signatures))
    raise SignatureError(
        f"the model has no signature {wanted!r}; it has {_names(signatures)}: pass one of them as "
        "signature="
    )


def _signature(name: str, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> Signature:
    by_role = {
        role: next((alias for alias in aliases if alias in inputs), None)
        for role, aliases in _ALIASES.items()
    }
    strange = sorted(set(inputs) - set(by_role.values()))
    if strange or by_role["input_ids"] is None:
        raise SignatureError(
            f"signature {name!r} takes {_names(inputs)}, of which this client knows "
            f"{_names(set(inputs) - set(strange))}; name them by hand "
            "(signature=Signature(input_ids=...)) or export the model with input_ids and "
            "attention_mask"
        )
    lengths = {key: _length(key, inputs[key], role) for role, key in by_role.items() if key}
    fixed = {length for length in lengths.values() if length is not None}
    if len(fixed) > 1:
        raise SignatureError(f"signature {name!r} takes inputs of different lengths: {lengths}")
    mask = by_role["attention_mask"]
    output = _output(name, outputs)
    dims = _dims(outputs[output])
    return Signature(
        input_ids=by_role["input_ids"],
        attention_mask=mask,
        token_type_ids=by_role["token_type_ids"],
        mask_dtype=inputs[mask]["dtype"] if mask else "DT_INT32",
        length=fixed.pop() if fixed else None,
        output=output if len(outputs) > 1 else None,
        classes=dims[1] if dims and len(dims) == 2 and dims[1] != -1 else None,
        name=name,
    )


def _names(names: object) -> str:
    return printable(", ".join(sorted(map(str, names)))) or "none"  # type: ignore[call-overload]


def _dims(tensor: Mapping[str, Any]) -> list[int] | None:
    """The shape, -1 where free; None where even the rank is."""
    shape = tensor["tensor_shape"]
    if shape.get("unknown_rank"):
        return None
    return [int(dim["size"]) for dim in shape["dim"]]


def _length(name: str, tensor: Mapping[str, Any], role: str) -> int | None:
    """The tokens that an input's rows must have; None where any number will do."""
    if tensor["dtype"] not in (_MASKS if role == "attention_mask" else _NUMBERS):
        raise SignatureError(
            f"input {name!r} takes {tensor['dtype']}; this client sends token ids: export the "
            "model with int32 inputs"
        )
    dims = _dims(tensor)
    if dims is None:
        return None
    if len(dims) != 2 or dims[0] != -1:
        raise SignatureError(
            f"input {name!r} has the shape {dims}; this client sends rows of tokens in any number: "
            "export the model with [None, None] or [None, N]"
        )
    if not (dims[1] == -1 or 1 <= dims[1] <= _LONGEST):
        raise SignatureError(f"input {name!r} takes rows of {dims[1]} tokens; is that a text?")
    return None if dims[1] == -1 else dims[1]


def _output(name: str, outputs: Mapping[str, Any]) -> str:
    if "logits" in outputs:
        return "logits"
    if len(outputs) == 1:
        return next(iter(outputs))
    raise SignatureError(
        f"signature {name!r} gives {_names(outputs)}: which one holds the logits? Say so: "
        "signature=Signature(output=...)"
    )
