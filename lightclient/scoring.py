"""Logits into classifications, in numpy, as transformers' text-classification pipeline does it.

The formulas, the choice between them, and the order are those of transformers,
pipelines/text_classification.py. Everything is float32, as it is there, so that the scores are
equal bit for bit. With another rounding, two scores that tie in the pipeline would not tie here.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import cycle
from operator import itemgetter

import numpy as np

from lightclient.classification import Classification, Score
from lightclient.http.transport import Reply
from lightclient.model.bundle import Bundle
from lightclient.serving.reply import Floats, read_logits

_make_score: Callable[[tuple[str, float]], Score] = partial(tuple.__new__, Score)
_by_score = itemgetter(1)


def classify_reply(
    reply: Reply, bundle: Bundle, truncated: Sequence[bool], output: str | None
) -> list[Classification]:
    """Read the reply to a predict request by `read_logits`, and score it by `classify_logits`."""
    logits = read_logits(reply, len(truncated), len(bundle.labels), output)
    return classify_logits(logits, bundle, truncated)


def classify_logits(
    logits: Floats, bundle: Bundle, truncated: Sequence[bool]
) -> list[Classification]:
    """Score the rows of one reply.

    Args:
        logits: float32, one row a text and one column a label, all finite.
        bundle: the labels, and what decides the function.
        truncated: one bool a text.
    """
    table, columns = probabilities(logits, bundle), logits.shape[1]
    labels = cycle(bundle.labels[:columns])
    every = map(_make_score, zip(labels, table.ravel().tolist(), strict=False))
    by_row = zip(*[every] * columns, strict=True)  # takes as many of them for each row
    found = []
    for scores, raw, cut in zip(by_row, logits.tolist(), truncated, strict=True):
        if columns != 2 or scores[0].score < scores[1].score:
            # Python's sort is stable, in reverse too: ties stay in the order of the labels.
            scores = tuple(sorted(scores, key=_by_score, reverse=True))
        label, score = scores[0]
        found.append(Classification(label, score, scores, tuple(raw), cut))
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
        # The functions behind the arrays' methods max and sum, which would cost a call more each.
        found = logits - np.maximum.reduce(logits, axis=-1, keepdims=True)
        np.exp(found, out=found)
        found /= np.add.reduce(found, axis=-1, keepdims=True)
    return found
