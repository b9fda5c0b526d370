"""Logits into probabilities and classifications, as transformers' text-classification pipeline.

The formulas, their choice and the order are those of transformers,
pipelines/text_classification.py. All is computed in float32, as there: in float64 two saturated
scores that tie in the pipeline would not tie here, and another label could come first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lightclient.bundle import Bundle
from lightclient.reply import Floats


class Score(NamedTuple):
    """A label and its score."""

    label: str
    score: float


@dataclass(frozen=True)
class Classification:
    """The answer for one text.

    `label`, `score`: the best one. `scores`: every label, highest first, ties in the model's
    order, so that `scores[:k]` is what the pipeline gives for `top_k=k`. `logits`: the model's
    raw output in the order of its labels. `truncated`: the text was longer than the model takes
    and its end was not read.
    """

    label: str
    score: float
    scores: tuple[Score, ...]
    logits: tuple[float, ...]
    truncated: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The same in plain JSON types."""
        return {
            "label": self.label,
            "score": self.score,
            "scores": [score._asdict() for score in self.scores],
            "logits": list(self.logits),
            "truncated": self.truncated,
        }

    def __repr__(self) -> str:
        cut = ", truncated=True" if self.truncated else ""
        return f"Classification(label={self.label!r}, score={self.score:.5f}{cut})"


def classify_logits(
    logits: Floats, bundle: Bundle, truncated: Sequence[bool]
) -> list[Classification]:
    """Score the rows of one reply.

    Args:
        logits: float32, of shape (texts, labels).
        bundle: the labels, and what decides the function.
        truncated: one bool a text.
    """
    # The caller's numpy may be set to raise or warn at the infinities and zeros of exp.
    with np.errstate(all="ignore"):
        scores = probabilities(logits, bundle)
    # Stable on the negated scores: ties stay in the order of the labels.
    order = np.argsort(-scores, axis=-1, kind="stable")
    return [
        _classification(*row, labels=bundle.labels)
        for row in zip(logits.tolist(), scores.tolist(), order.tolist(), truncated, strict=True)
    ]


def _classification(
    logits: list[float],
    scores: list[float],
    order: list[int],
    truncated: bool,
    *,
    labels: tuple[str, ...],
) -> Classification:
    ranked = tuple(Score(labels[at], scores[at]) for at in order)
    return Classification(ranked[0].label, ranked[0].score, ranked, tuple(logits), truncated)


def probabilities(logits: Floats, bundle: Bundle) -> Floats:
    """Apply the function that the pipeline would choose; shapes stay (texts, labels)."""
    function = _function(bundle)
    if function == "sigmoid":
        return sigmoid(logits)
    return softmax(logits) if function == "softmax" else logits


def _function(bundle: Bundle) -> str | None:
    if bundle.problem_type == "regression":
        return None
    if bundle.problem_type == "multi_label_classification" or len(bundle.labels) == 1:
        return "sigmoid"
    return "softmax"


def sigmoid(logits: Floats) -> Floats:
    """1 / (1 + exp(-x)), value by value; exp may overflow to infinity, which gives the right 0."""
    return np.float32(1) / (np.float32(1) + np.exp(-logits))


def softmax(logits: Floats) -> Floats:
    """exp(x - max) / Σ exp(x - max) over the labels of each row."""
    powers: Floats = np.exp(logits - logits.max(axis=-1, keepdims=True))
    total: Floats = powers.sum(axis=-1, keepdims=True)
    return powers / total
