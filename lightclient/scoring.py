"""Logits into probabilities and classifications, as transformers' text-classification pipeline.

The formulas, their choice and the order are those of transformers,
pipelines/text_classification.py. Each step is rounded to float32, as there: else two saturated
scores that tie in the pipeline would not tie here, and another label could come first. Plain lists
do it faster than numpy for a reply's few numbers, and need no import of 50 ms.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp
from operator import attrgetter
from typing import Any, NamedTuple

from lightclient.bundle import Bundle
from lightclient.reply import Logits, float32

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
    score = _function(bundle)
    return [
        _classification(row, score(row), bundle.labels, cut)
        for row, cut in zip(logits, truncated, strict=True)
    ]


def _classification(
    logits: list[float], scores: list[float], labels: tuple[str, ...], truncated: bool
) -> Classification:
    # Sorting is stable, also when reversed: ties stay in the order of the labels.
    ranked = tuple(sorted(map(Score, labels, scores), key=_SCORE, reverse=True))
    return Classification(ranked[0].label, ranked[0].score, ranked, tuple(logits), truncated)


_SCORE = attrgetter("score")


def _function(bundle: Bundle) -> Callable[[list[float]], list[float]]:
    """The one that the pipeline would choose."""
    if bundle.problem_type == "regression":
        return list
    if bundle.problem_type == "multi_label_classification" or len(bundle.labels) == 1:
        return sigmoid
    return softmax


def sigmoid(logits: list[float]) -> list[float]:
    """1 / (1 + exp(-x)), value by value; where exp is infinite, the right 0 comes out."""
    powers = float32([exp(min(-logit, _LARGEST_POWER)) for logit in logits])
    return float32([1 / total for total in float32([1 + power for power in powers])])


def softmax(logits: list[float]) -> list[float]:
    """exp(x - max) / Σ exp(x - max) over the labels of a row."""
    highest = max(logits)
    powers = float32([exp(below) for below in float32([logit - highest for logit in logits])])
    [total] = float32([sum(powers)])
    return float32([power / total for power in powers])
