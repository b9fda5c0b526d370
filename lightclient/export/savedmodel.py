"""A model as a SavedModel that TensorFlow Serving loads."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lightclient.export.samples import Inputs
from lightclient.serving.signature import DEFAULT_NAME

Run = Callable[[Inputs], NDArray[np.float32]]


def write_saved_model(model: Any, folder: Path, names: Sequence[str], length: int | None) -> None:
    """Write it, with one signature.

    Args:
        model: a TF...ForSequenceClassification that was called once.
        folder: a new one.
        names: its inputs, each int32 [any, `length`].
        length: the tokens of a row; None: any.

    The output `logits` is float32 [any, labels].
    """
    # A module of nothing but the weights: Keras would add each layer's functions to the file.
    module = tf.Module()
    module.weights = model.weights
    served = tf.function(
        lambda inputs: {"logits": _logits(model, inputs)},
        input_signature=[{name: tf.TensorSpec([None, length], tf.int32, name) for name in names}],
    )
    module.served = served
    tf.saved_model.save(module, str(folder), signatures={DEFAULT_NAME: served})


def load_saved_model(folder: Path) -> Run:
    """Load what was written, as a function of its inputs that gives float32 [texts, labels]."""
    loaded = tf.saved_model.load(str(folder))

    def run(inputs: Inputs) -> NDArray[np.float32]:
        tensors = {name: tf.constant(array) for name, array in inputs.items()}
        logits: NDArray[np.float32] = loaded.signatures[DEFAULT_NAME](**tensors)["logits"].numpy()
        return logits

    return run


def run_source(model: Any) -> Run:
    """The TensorFlow model as such a function, before it was written."""

    def run(inputs: Inputs) -> NDArray[np.float32]:
        logits: NDArray[np.float32] = _logits(model, inputs).numpy()
        return logits

    return run


def _logits(model: Any, inputs: Any) -> Any:
    return tf.cast(model(inputs, training=False).logits, tf.float32)
