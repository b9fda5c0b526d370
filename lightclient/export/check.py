"""Is what was written the model?"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightclient.errors import ExportError
from lightclient.export.samples import SENTENCES, inputs_of, long_text, longest
from lightclient.export.savedmodel import Run
from lightclient.model.bundle import Bundle

# Of the largest logit: at most 0.00025 in a probability. Float noise is a hundredth of it.
TOLERANCE = 1e-3


def largest_difference(
    served: Run, source: Run, bundle: Bundle, names: Sequence[str], length: int | None
) -> float:
    """The largest difference between the logits of both, over texts alone and in one batch.

    The source model gets each text alone and without padding: that is the answer to be given.

    Raises:
        ExportError: they differ, they are no numbers, or they are not one for each label.
    """
    most = longest(bundle, length)
    texts = [inputs_of([text], bundle, names, most) for text in SENTENCES]
    expected = np.concatenate([source(inputs) for inputs in texts])
    check_labels(expected, bundle)
    alone = [served(inputs_of([text], bundle, names, most, length)) for text in SENTENCES]
    long = served(long_text(most, bundle, names, length))
    together = served(inputs_of(SENTENCES, bundle, names, most, length))
    return max(
        _difference(np.concatenate(alone), expected, "one text at a time"),
        _difference(long, source(long_text(most, bundle, names, None)), f"{most} tokens"),
        _difference(together, expected, "texts padded to one length"),
    )


def check_labels(logits: NDArray[Any], bundle: Bundle) -> None:
    """Raise ExportError unless a row of the logits has one for each label."""
    if logits.shape[1:] != (len(bundle.labels),):
        raise ExportError(
            f"the model gives {' x '.join(map(str, logits.shape[1:]))} logits, config.json has "
            f"{len(bundle.labels)} labels: mend its id2label"
        )


def is_tolerable(difference: float, expected: NDArray[Any]) -> bool:
    """Whether it is small beside what was expected; NaN is not."""
    return difference <= TOLERANCE * float(np.abs(expected).max(initial=1.0))


def _difference(served: NDArray[np.float32], expected: NDArray[np.float32], where: str) -> float:
    difference = float(np.abs(served - expected).max())
    if not is_tolerable(difference, expected):
        raise ExportError(
            f"the export's logits differ from the source model's by {difference:.3g} ({where}); "
            "a model whose answers change with padding, or that TensorFlow computes otherwise, "
            "cannot be served rightly"
        )
    return difference
