"""Which function makes scores of a served model's output."""

import re
from typing import Literal, NamedTuple, get_args

from lightclient.model.bundle import Bundle, FunctionName

FUNCTIONS: tuple[FunctionName, ...] = get_args(FunctionName)

# Names of outputs that hold probabilities: those that people give, and those that Keras makes of a
# last layer (applications/, and the names of keras.activations). Keras adds a number to the second
# layer of a name, as in `softmax_1`.
_PROBABILITIES = re.compile(
    r"(?:.*_)?(?:probabilit(?:y|ies)|probs?|scores?|softmax|sigmoid|predictions?)(?:_\d+)?"
)


class Function(NamedTuple):
    """A function, and why it is this one.

    `believed`: what the output is taken for, as far as the values can contradict it. None: somebody
    said it, or any value will do.
    """

    name: FunctionName
    reason: str
    believed: Literal["probabilities", "logits"] | None


def choose_function(stated: FunctionName | None, output: str | None, bundle: Bundle) -> Function:
    """Choose by what the user said, or else the output's name, or else as the pipeline does.

    Args:
        stated: what the user said.
        output: the name of the served output; None: it is not known.
        bundle: knows the pipeline's choice.
    """
    if stated is not None:
        return Function(stated, "as function= says", None)
    name, name_says = bundle.function, (output or "").lower()
    kind = bundle.problem_type or f"{len(bundle.labels)} labels"
    reason = f"as transformers' pipeline does for {kind}"
    if name == "none":
        return Function(name, reason, None)
    if _PROBABILITIES.fullmatch(name_says):
        return Function("none", f"as the name {output!r} says probabilities", "probabilities")
    # Even one that is called logits is looked at, since a layer of that name may have a softmax.
    return Function(name, reason, "logits")
