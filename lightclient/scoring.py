"""Logits into classifications, in numpy, as transformers' text-classification pipeline does it.

The formulas, the choice between them, and the order are those of transformers,
pipelines/text_classification.py. Everything is float32, as it is there, so that the scores are
equal bit for bit. With another rounding, two scores that tie in the pipeline would not tie here.
"""

from collections.abc import Sequence

import numpy as np

from lightclient.classification import Classification, Score
from lightclient.model.bundle import Bundle
from lightclient.serving.reply import Floats


def classify_logits(
    logits: Floats, bundle: Bundle, truncated: Sequence[bool]
) -> list[Classification]:
    """Score the rows of one reply.

    Args:
        logits: float32, one row a text and one column a label, all finite.
        bundle: the labels, and what decides the function.
        truncated: one bool a text.
    """
    scores = probabilities(logits, bundle)
    # A stable sort of the negative scores leaves ties in the order of the labels.
    ranks = np.argsort(-scores, axis=-1, kind="stable")
    found = []
    rows = zip(ranks.tolist(), scores.tolist(), logits.tolist(), truncated, strict=True)
    for rank, row, raw, cut in rows:
        ranked = tuple([Score(bundle.labels[at], row[at]) for at in rank])
        found.append(Classification(*ranked[0], ranked, tuple(raw), cut))
    return found


def probabilities(logits: Floats, bundle: Bundle) -> Floats:
    """Apply the function that the pipeline would choose, row by row."""
    if bundle.problem_type == "regression":
        return logits
    if bundle.problem_type == "multi_label_classification" or len(bundle.labels) == 1:
        return sigmoid(logits)
    return softmax(logits)


def sigmoid(logits: Floats) -> Floats:
    """1 / (1 + exp(-x)), value by value."""
    with np.errstate(all="ignore"):  # exp becomes infinite, and the right 0 comes out
        found: Floats = np.divide(1, 1 + np.exp(-logits), dtype=np.float32)
    return found


def softmax(logits: Floats) -> Floats:
    """exp(x - max) / Σ exp(x - max) over the labels of each row."""
    with np.errstate(all="ignore"):  # the difference may be infinite, and a power too small: 0
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
        found: Floats = powers / powers.sum(axis=-1, keepdims=True)
    return found
