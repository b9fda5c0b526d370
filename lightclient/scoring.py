"""Logits into probabilities and classifications, as transformers' text-classification pipeline.

The formulas, their choice and the order are those of transformers,
pipelines/text_classification.py. Each step is rounded to float32, as there: else two saturated
scores that tie in the pipeline would not tie here, and another label could come first. Plain lists
do it faster than numpy for a reply's few numbers, and need no import of 50 ms.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from operator import itemgetter, truediv
from typing import Any, NamedTuple

from lightclient.model.bundle import Bundle
from lightclient.serving.reply import Logits, float32

# Beyond it exp overflows even a float64; in float32 it has been infinite since 89.
_LARGEST_POWER = 700.0


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
    logits: Logits, bundle: Bundle, truncated: Sequence[bool]
) -> list[Classification]:
    """Score the rows of one reply.

    Args:
        logits: a list a text, of a float for each label, all finite and float32.
        bundle: the labels, and what decides the function.
        truncated: one bool a text.
    """
    return [
        _classification(*row, bundle.labels)
        for row in zip(logits, probabilities(logits, bundle), truncated, strict=True)
    ]


def _classification(
    logits: list[float], scores: list[float], truncated: bool, labels: tuple[str, ...]
) -> Classification:
    # Sorting is stable, also when reversed: ties stay in the order of the labels.
    ranked = tuple(sorted(map(Score, labels, scores), key=_SCORE, reverse=True))
    return Classification(*ranked[0], ranked, tuple(logits), truncated)


_SCORE = itemgetter(1)


def probabilities(logits: Logits, bundle: Bundle) -> Logits:
    """Apply the function that the pipeline would choose, row by row."""
    if bundle.problem_type == "regression":
        return logits
    if bundle.problem_type == "multi_label_classification" or len(bundle.labels) == 1:
        return sigmoid(logits)
    return softmax(logits)


def sigmoid(logits: Logits) -> Logits:
    """1 / (1 + exp(-x)), value by value; where exp is infinite, the right 0 comes out."""
    powers = float32([exp(min(-logit, _LARGEST_POWER)) for row in logits for logit in row])
    totals = float32([1 + power for power in powers])
    return _rows(float32([1 / total for total in totals]), len(logits[0]))


def softmax(logits: Logits) -> Logits:
    """exp(x - max) / Σ exp(x - max) over the labels of each row."""
    width = len(logits[0])
    below = float32([logit - highest for row in logits for highest in (max(row),) for logit in row])
    powers = float32(map(exp, below))
    totals = float32([sum(row) for row in _rows(powers, width)])
    spread = (total for total in totals for _ in range(width))
    return _rows(float32(map(truediv, powers, spread)), width)


def _rows(values: list[float], width: int) -> Logits:
    return [values[at : at + width] for at in range(0, len(values), width)]
