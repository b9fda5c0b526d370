"""What the served model takes and gives, told by the server or stated by hand."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from lightclient.checks import check_whole
from lightclient.errors import InputError, SignatureError
from lightclient.http.transport import Reply
from lightclient.messages import printable, short_repr
from lightclient.model.files import SIGNATURE, bound
from lightclient.serving.carried import Carried, find_carried
from lightclient.serving.refusal import read_json

DEFAULT_NAME = "serving_default"
_INIT_OP = "__saved_model_init_op"
BY_HAND = (
    "state the signature by hand, like Classifier(url, form='row', signature=Signature("
    "input_ids='input_ids', attention_mask='attention_mask'))"
)

# Ids, mask and types by the names met in the wild: transformers, TensorFlow Hub, KerasHub.
_ALIASES = (
    ("input_ids", "input_word_ids", "token_ids"),
    ("attention_mask", "input_mask", "padding_mask"),
    ("token_type_ids", "input_type_ids", "segment_ids"),
)
# The types whose JSON form is a whole number, or takes one (util/json_tensor.cc).
_NUMBERS = (
    "DT_INT8", "DT_INT16", "DT_INT32", "DT_INT64", "DT_UINT8", "DT_UINT16", "DT_UINT32",
    "DT_UINT64", "DT_FLOAT", "DT_DOUBLE",
)  # fmt: skip
_MASKS = (*_NUMBERS, "DT_BOOL")
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
    `output`: the name of the logits; None: the model has one output only.
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
        optional = (self.attention_mask, self.token_type_ids, self.output)
        for name in (self.input_ids, self.name, *(name for name in optional if name is not None)):
            if not isinstance(name, str) or not name:
                raise InputError(f"Signature: {short_repr(name)} is no name of an input or output")
        inputs = [self.input_ids, *filter(None, optional[:2])]
        if len(set(inputs)) < len(inputs):
            raise InputError(f"Signature: two inputs have one name: {', '.join(inputs)}")
        if self.mask_dtype not in _MASKS:
            given = short_repr(self.mask_dtype)
            raise InputError(f"Signature: mask_dtype must be a number or DT_BOOL, not {given}")
        if self.length is not None:
            check_whole("Signature: length", self.length, 1, _LONGEST)


class Metadata(NamedTuple):
    """What the server tells of a model: the signature to call, and the bundle that it carries."""

    signature: Signature
    carried: Carried | None


def read_metadata(reply: Reply, name: str | None = None) -> Metadata:
    """Read the answer to `GET /v1/models/M/metadata` (g3doc/api_rest.md).

    `name`: the signature to take; None takes `serving_default`, or the only one there is.

    Raises:
        SignatureError: the answer is no metadata, or has no such signature, or this client cannot
            send what the signature takes.
        ServerError, TimedOut, NotTensorFlowServing: as `read_json`.
    """
    answer = read_json(reply)
    try:
        return find_signature(answer["metadata"]["signature_def"]["signature_def"], name)
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise SignatureError(
            f"the server's metadata is not what TensorFlow Serving answers ({short_repr(error)}); "
            "state the model's inputs by hand: Classifier(url, signature=Signature(...))"
        ) from error


def find_signature(definitions: Mapping[str, Any], name: str | None = None) -> Metadata:
    """Find the signature to call among all of a model, which are in protobuf's JSON."""
    carried = find_carried(definitions)
    name = _choose(definitions, name, carried)
    inputs, outputs = definitions[name]["inputs"], definitions[name]["outputs"]
    ids, mask, types = _find_inputs(inputs, name)
    output = _find_output(outputs, name)
    shape = _shape(outputs[output])
    signature = Signature(
        input_ids=ids,
        attention_mask=mask,
        token_type_ids=types,
        mask_dtype=inputs[mask]["dtype"] if mask else "DT_INT32",
        length=_length(inputs, mask, name),
        output=output,
        classes=shape[1] if len(shape) == 2 and shape[1] != -1 else None,
        name=name,
    )
    return Metadata(signature, carried)


def _choose(definitions: Mapping[str, Any], name: str | None, carried: Carried | None) -> str:
    """The signature of this name; the one that is bound to the bundle, if there is such a one."""
    # Those of the bundle and of the model's start take no texts.
    names = set(definitions) - {_INIT_OP, SIGNATURE, carried and carried.signature}
    end = bound("", carried.fingerprint) if carried and carried.fingerprint else None
    plain = {key for key in names if not (end and key.endswith(end))} or names
    if name is None:
        name = next(iter(plain)) if len(plain) == 1 else DEFAULT_NAME
    if name not in plain:
        raise SignatureError(
            f"the model has no signature {name!r}; it has {_names(plain)}: pass one of them as "
            "signature="
        )
    # A version with another bundle has no signature of the bound name, and refuses the request. So
    # no text gets labels, or token ids, of another version.
    return f"{name}{end}" if f"{name}{end}" in names else name


def _find_inputs(inputs: Mapping[str, Any], name: str) -> tuple[str, str | None, str | None]:
    ids, mask, types = (next((key for key in known if key in inputs), None) for known in _ALIASES)
    known = [key for key in (ids, mask, types) if key is not None]
    if ids is None or len(known) < len(inputs):
        raise SignatureError(
            f"signature {name!r} takes {_names(inputs)}, of which this client knows "
            f"{_names(known)}; name them by hand (signature=Signature(input_ids=...)) or export "
            "the model with input_ids and attention_mask"
        )
    return ids, mask, types


def _find_output(outputs: Mapping[str, Any], name: str) -> str:
    if "logits" in outputs:  # an export of transformers may give hidden states beside them
        return "logits"
    if len(outputs) != 1:
        raise SignatureError(
            f"signature {name!r} gives {_names(outputs)}: which one holds the logits? Say so: "
            "signature=Signature(output=...)"
        )
    return next(iter(outputs))


def _length(inputs: Mapping[str, Any], mask: str | None, name: str) -> int | None:
    """The tokens that a row must have; None where any number will do."""
    lengths = {}
    for key, tensor in inputs.items():
        shape, dtype = _shape(tensor), tensor["dtype"]
        if dtype not in (_MASKS if key == mask else _NUMBERS):
            raise SignatureError(
                f"input {key!r} takes {dtype}; this client sends token ids: export the model with "
                "int32 inputs"
            )
        if len(shape) != 2 or shape[0] != -1:
            raise SignatureError(
                f"input {key!r} has the shape {shape}; this client sends rows of tokens in any "
                "number: export the model with [None, None] or [None, N]"
            )
        lengths[key] = shape[1]
    fixed = set(lengths.values()) - {-1}
    if len(fixed) > 1:
        raise SignatureError(f"signature {name!r} takes inputs of different lengths: {lengths}")
    return next(iter(fixed), None)


def _names(names: Iterable[str]) -> str:
    return printable(", ".join(sorted(names))) or "none"


def _shape(tensor: Mapping[str, Any]) -> list[int]:
    """The shape, -1 where free; two free dimensions where even the rank is."""
    shape = tensor["tensor_shape"]  # its sizes are strings, as protobuf's JSON has int64
    return [-1, -1] if shape.get("unknown_rank") else [int(dim["size"]) for dim in shape["dim"]]
