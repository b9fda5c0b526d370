"""Logits into classifications, in numpy, as transformers' text-classification pipeline does it.

The formulas, the choice between them, and the order are those of transformers,
pipelines/text_classification.py. Everything is float32, as it is there, so that the scores are
equal bit for bit. With another rounding, two scores that tie in the pipeline would not tie here.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Literal

import numpy as np

from lightclient.classification import Classification, Score
from lightclient.errors import SignatureError
from lightclient.http.transport import Reply
from lightclient.model.bundle import Bundle
from lightclient.serving.plan import Plan
from lightclient.serving.reply import Floats, read_logits

_by_score = itemgetter(1)
_SAFE = 30.0  # exp of twice as much is far from the bounds of float32
_NEARLY = 1e-6  # how far the sum of float32 probabilities may be from 1


def classify_reply(reply: Reply, plan: Plan, truncated: Sequence[bool]) -> list[Classification]:
    """Read the reply to a predict request by `read_logits`, and score it by `classify_logits`.

    Raises:
        SignatureError: the output holds probabilities and nobody said so, or the other way round.
        Whatever `read_logits` raises.
    """
    logits = read_logits(reply, len(truncated), len(plan.bundle.labels), plan.signature.output)
    _check_belief(logits, plan)
    return classify_logits(logits, plan.bundle, truncated, plan.function.name)


def _check_belief(values: Floats, plan: Plan) -> None:
    """Check that the output holds what it is believed to hold: probabilities, or else logits."""
    output, believed = plan.signature.output, plan.function.believed
    if believed == "probabilities" and not ((values >= 0) & (values <= 1)).all():
        found = f"the output {output!r} holds values outside 0 to 1, whatever its name is"
    elif believed == "logits" and values.shape[1] > 1 and _are_distributions(values):
        name = "the model's output" if output is None else f"the output {output!r}"
        found = f"each row of {name} is between 0 and 1 and sums to 1, as probabilities do"
    else:
        return
    raise SignatureError(
        f"{found}. Say what it holds: function='none' (--function none) for probabilities, "
        "'softmax' or 'sigmoid' for logits"
    )


def _are_distributions(values: Floats) -> bool:
    first = values[0].tolist()
    if min(first) < 0 or max(first) > 1:  # nearly all logits are, so the rest is seldom needed
        return False
    sums = values.sum(axis=-1, dtype=np.float64)
    within = values.min() >= 0 and values.max() <= 1
    return bool(within and (abs(sums - 1) <= _NEARLY).all())


def classify_logits(
    logits: Floats, bundle: Bundle, truncated: Sequence[bool], function: str | None = None
) -> list[Classification]:
    """Score the rows of one reply: finite float32, one row a text and one column a label.

    `function`: the name of the one that makes the scores; None: the pipeline's choice.
    """
    return _classify(_FUNCTIONS[function or bundle.function](logits), logits, bundle, truncated)


def _classify(
    table: Floats, logits: Floats, bundle: Bundle, truncated: Sequence[bool]
) -> list[Classification]:
    """The classifications of rows; `table` has their scores, in the order of the labels."""
    found = []
    for row, raw, cut in zip(table.tolist(), logits.tolist(), truncated, strict=True):
        # Python's sort is stable, in reverse too: ties stay in the order of the labels.
        scores = sorted(map(Score, bundle.labels, row), key=_by_score, reverse=True)
        label, score = scores[0]
        found.append(Classification(label, score, tuple(scores), tuple(raw), cut))
    return found


def join(
    windows: Sequence[Classification], plan: Plan, joining: Literal["mean", "max"]
) -> Classification:
    """The classification of a text, of those of its windows, computed in float32.

    It is as `long_texts` of `Classifier` says.
    """
    reduce = np.maximum.reduce if joining == "max" else np.mean
    logits = np.array([window.logits for window in windows], np.float32)
    by_window = _FUNCTIONS[plan.function.name](logits)
    table = reduce(by_window, axis=0, keepdims=True)
    if _exclude_each_other(by_window, plan):
        table /= np.add.reduce(table, axis=-1, keepdims=True)
    truncated = any(window.truncated for window in windows)
    joined = reduce(logits, axis=0, keepdims=True)
    [found] = _classify(table, joined, plan.bundle, [truncated])
    return replace(found, windows=len(windows))


def _exclude_each_other(table: Floats, plan: Plan) -> bool:
    """Whether the scores of each row are the probabilities of labels that exclude each other."""
    if plan.function.name == "none":  # they may be those of a softmax inside the model
        return plan.bundle.function == "softmax" and _are_distributions(table)
    return plan.function.name == "softmax"


def score_logit(logit: float, function: str) -> float:
    """The score of a model's only logit, by the name of the function."""
    return float(_FUNCTIONS[function](np.array([[logit]], np.float32))[0, 0])


def _quiet(formula: Callable[[Floats], Floats]) -> Callable[[Floats], Floats]:
    """Keep numpy from warnings about a formula, in which exp may rightly become infinite or 0."""

    def quiet(logits: Floats) -> Floats:
        # To silence numpy takes 2 % of a short call, and near 0 there is nothing to silence.
        values = logits.ravel().tolist()
        if max(values) < _SAFE and min(values) > -_SAFE:
            return formula(logits)
        with np.errstate(all="ignore"):
            return formula(logits)

    return quiet


@_quiet
def sigmoid(logits: Floats) -> Floats:
    """1 / (1 + exp(-x)), value by value."""
    found: Floats = np.divide(1, 1 + np.exp(-logits), dtype=np.float32)
    return found


@_quiet
def softmax(logits: Floats) -> Floats:
    """exp(x - max) / Σ exp(x - max) over the labels of each row."""
    # The functions behind the arrays' methods max and sum, which would cost a call more each.
    powers: Floats = np.exp(logits - np.maximum.reduce(logits, axis=-1, keepdims=True))
    powers /= np.add.reduce(powers, axis=-1, keepdims=True)
    return powers


_FUNCTIONS: dict[str, Callable[[Floats], Floats]] = {
    "softmax": softmax, "sigmoid": sigmoid, "none": lambda values: values,
}  # fmt: skip
