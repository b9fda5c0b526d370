"""The served model without client and server, on rows of one length: nothing is padded."""

import os
import time

os.environ["TF_USE_LEGACY_KERAS"] = "1"

import tensorflow as tf
from commands import answer_commands, setup

SIGNATURE = tf.saved_model.load(setup()["saved_model"]).signatures["serving_default"]
VOCABULARY = 30_522


def compute(lengths: list[int], tokens: int) -> float:
    """Seconds for a text, on average over the lengths, in batches of some tokens."""
    return sum(_batch(length, tokens // length) for length in lengths) / len(lengths)


def _batch(length: int, rows: int) -> float:
    ids = tf.random.uniform((rows, length), 1000, VOCABULARY, dtype=tf.int32)
    mask = tf.ones_like(ids)
    begun = time.perf_counter()
    SIGNATURE(input_ids=ids, attention_mask=mask)["logits"].numpy()
    return (time.perf_counter() - begun) / rows


answer_commands(compute)
