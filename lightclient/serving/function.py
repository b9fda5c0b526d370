"""Which function makes scores of a served model's output."""

import re
from typing import Literal, NamedTuple

from lightclient.errors import InputError, SignatureError
from lightclient.messages import short_repr
from lightclient.model.bundle import Bundle, FunctionName

# Names of outputs that hold probabilities: those that people give, and those that Keras makes of a
# last layer (applications/, and the names of keras.activations). Keras adds a number to the second
# layer of a name, as in `softmax_1`.
_PROBABILITIES = re.compile(
    r"(?:.*_)?(?:probabilit(?:y|ies)|probs?|scores?|softmax|sigmoid|predictions?)(?:_\d+)?"
)
# The paths that sentence-transformers writes (util/misc.py, fullname), and what people write.
_ACTIVATIONS: dict[str | None, FunctionName] = {
    None: "sigmoid",
    "torch.nn.Sigmoid": "sigmoid", "torch.nn.modules.activation.Sigmoid": "sigmoid",
    "torch.nn.Identity": "none", "torch.nn.modules.linear.Identity": "none",
}  # fmt: skip


class Function(NamedTuple):
    """A function, and why it is this one.

    `believed`: what the output is taken for, as far as the values can contradict it. None: somebody
    said it, or any value will do. `for_rank`: the one that `rank` uses instead; None: the bundle
    says which.
    """

    name: FunctionName
    reason: str
    believed: Literal["probabilities", "logits"] | None
    for_rank: FunctionName | None = None


def choose_function(stated: FunctionName | None, output: str | None, bundle: Bundle) -> Function:
    """Choose as the user stated, or else by the output's name, or else as the pipeline does.

    `output`: the name of the served output; None: it is not known.
    """
    if stated is not None:
        return Function(stated, "as function= says", None, for_rank=stated)
    usual, kind = bundle.function, bundle.problem_type or f"{len(bundle.labels)} labels"
    reason = f"as transformers' pipeline does for {kind}"
    if not _PROBABILITIES.fullmatch((output or "").lower()):
        # Even one that is called logits is looked at: a layer of that name may have a softmax.
        return Function(usual, reason, None if usual == "none" else "logits")
    if usual == "none":
        return Function(usual, reason, None, for_rank="none")
    reason = f"as the name {output!r} says probabilities"
    return Function("none", reason, "probabilities", for_rank="none")


def choose_for_rank(function: Function, bundle: Bundle) -> FunctionName:
    """Choose what makes the score of a document of a cross-encoder's only logit.

    The model's own choice is that of sentence-transformers 5.7, cross_encoder/model.py,
    get_default_activation_fn.
    """
    if function.for_rank == "softmax":
        raise InputError(
            "function='softmax' gives every document the score 1, since the model has one logit: "
            "pass 'sigmoid' or 'none' to rank, or leave function out"
        )
    found = function.for_rank or _ACTIVATIONS.get(bundle.activation)
    if found is None:
        raise SignatureError(
            f"the bundle {bundle.name!r} wants {short_repr(bundle.activation)} for its scores, "
            "which this client does not have: pass function='none' to rank by the logits, or "
            "'sigmoid'"
        )
    return found
