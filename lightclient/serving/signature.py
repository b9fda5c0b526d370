"""What the served model takes and gives, told by the server or stated by hand."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from lightclient.checks import check_whole
from lightclient.errors import InputError, SignatureError
from lightclient.http.transport import Reply
from lightclient.messages import printable, short_repr
from lightclient.model import files
from lightclient.serving.carried import Carried
from lightclient.serving.refusal import read_json

DEFAULT_NAME = "serving_default"
INIT_OP = "__saved_model_init_op"
_MARKED = re.compile(rf"{files.SIGNATURE}-([0-9a-f]{{16}})")
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

    Where the signature is there a second time for the model's bundle, that one is taken (see
    `lightclient.model.files`).

    Args:
        reply: the server's answer.
        name: the signature to take; None takes `serving_default`, or the only one there is.

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


def find_signature(definitions: dict[str, Any], name: str | None = None) -> Metadata:
    """Find the signature to call among all of a model, which are in protobuf's JSON.

    Raises:
        SignatureError: as `read_metadata`.
    """
    carried = _carried(definitions)
    return Metadata(_signature(definitions, name, carried), carried)


def _carried(signatures: Collection[str]) -> Carried | None:
    marked = [found for key in signatures if (found := _MARKED.fullmatch(key))]
    if len(marked) > 1:
        raise SignatureError(
            f"the model carries {len(marked)} bundles, {_names(found[0] for found in marked)}, and "
            "can have been exported with one only; export it again"
        )
    if marked:
        return Carried(marked[0][0], marked[0][1])
    return Carried(files.SIGNATURE, None) if files.SIGNATURE in signatures else None


def _signature(found: dict[str, Any], name: str | None, carried: Carried | None) -> Signature:
    ours = (INIT_OP, files.SIGNATURE, carried and carried.signature)
    end = carried and carried.fingerprint and files.bound("", carried.fingerprint)
    others = {key: value for key, value in found.items() if key not in ours}
    name = _choose([key for key in others if not (end and key.endswith(end))] or others, name)
    bound = f"{name}{end}"
    if bound in others:
        name = bound
    inputs, outputs = others[name]["inputs"], others[name]["outputs"]
    ids, mask, types = (next(filter(inputs.__contains__, names), None) for names in _ALIASES)
    known = [key for key in (ids, mask, types) if key is not None]
    if ids is None or len(known) < len(inputs):
        raise SignatureError(
            f"signature {name!r} takes {_names(inputs)}, of which this client knows "
            f"{_names(known)}; name them by hand (signature=Signature(input_ids=...)) or export "
            "the model with input_ids and attention_mask"
        )
    if "logits" not in outputs and len(outputs) != 1:
        raise SignatureError(
            f"signature {name!r} gives {_names(outputs)}: which one holds the logits? Say so: "
            "signature=Signature(output=...)"
        )
    lengths = {key: _length(key, inputs[key], _MASKS if key == mask else _NUMBERS) for key in known}
    fixed = set(lengths.values()) - {-1}
    if len(fixed) > 1:
        raise SignatureError(f"signature {name!r} takes inputs of different lengths: {lengths}")
    output = "logits" if "logits" in outputs else next(iter(outputs))
    dims = _dims(outputs[output])
    return Signature(
        input_ids=ids,
        attention_mask=mask,
        token_type_ids=types,
        mask_dtype=inputs[mask]["dtype"] if mask else "DT_INT32",
        length=next(iter(fixed), None),
        output=output,
        classes=dims[1] if len(dims) == 2 and dims[1] != -1 else None,
        name=name,
    )


def _choose(names: Collection[str], name: str | None) -> str:
    if name is None and DEFAULT_NAME not in names and len(names) == 1:
        return next(iter(names))
    wanted = DEFAULT_NAME if name is None else name
    if wanted in names:
        return wanted
    raise SignatureError(
        f"the model has no signature {wanted!r}; it has {_names(names)}: pass one of them as "
        "signature="
    )


def _names(names: Iterable[str]) -> str:
    return printable(", ".join(sorted(names))) or "none"


def _length(name: str, tensor: dict[str, Any], dtypes: Collection[str]) -> int:
    """The tokens that an input's rows must have; -1 where any number will do."""
    if tensor["dtype"] not in dtypes:
        raise SignatureError(
            f"input {name!r} takes {tensor['dtype']}; this client sends token ids: export the "
            "model with int32 inputs"
        )
    dims = _dims(tensor)
    if len(dims) != 2 or dims[0] != -1:
        raise SignatureError(
            f"input {name!r} has the shape {dims}; this client sends rows of tokens in any number: "
            "export the model with [None, None] or [None, N]"
        )
    return dims[1]


def _dims(tensor: dict[str, Any]) -> list[int]:
    """The shape, -1 where free; two free dimensions where even the rank is."""
    shape = tensor["tensor_shape"]
    return [-1, -1] if shape.get("unknown_rank") else [int(dim["size"]) for dim in shape["dim"]]
