"""Requests that a server runs when it loads the model, so that the first user does not wait.

TensorFlow Serving, g3doc/saved_model_warmup.md.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2

from lightclient.export.samples import Inputs, long_text, longest
from lightclient.model.bundle import Bundle
from lightclient.serving.signature import DEFAULT_NAME

FILE = Path("assets.extra", "tf_serving_warmup_requests")
_LENGTHS = (8, 32, 128)


def warmup_requests(bundle: Bundle, names: Sequence[str], length: int | None) -> Iterator[Inputs]:
    """Some lengths up to the longest. All have `length` tokens, if it is given.

    One row each, because a server with a small max_batch_size refuses more, and then does not load
    the model. None for the bundle: only the first request for it takes longer, by about 0.2 s.
    """
    most = longest(bundle, length)
    for tokens in [*(size for size in _LENGTHS if size < most), most]:
        yield long_text(tokens, bundle, names, length)


def write_warmup(folder: Path, requests: Iterator[Inputs]) -> None:
    """Write the requests into a SavedModel's folder, as a TFRecord file of PredictionLog.

    They name `serving_default`. The second name that a client uses is one for the same tensors
    (`signatures.py`), so records for it would run the same executor once more.
    """
    path = folder / FILE
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for inputs in requests:
            writer.write(_record(inputs).SerializeToString())


def _record(inputs: Inputs) -> prediction_log_pb2.PredictionLog:
    request = predict_pb2.PredictRequest(
        model_spec=model_pb2.ModelSpec(signature_name=DEFAULT_NAME),
        inputs={name: tf.make_tensor_proto(array) for name, array in inputs.items()},
    )
    return prediction_log_pb2.PredictionLog(
        predict_log=prediction_log_pb2.PredictLog(request=request)
    )
