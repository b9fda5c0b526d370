"""A plain script on the same three packages, in a warm process, and parts of it."""

import itertools
import json
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from commands import answer_commands, setup, spent, timed
from urllib3 import HTTPConnectionPool

SETUP = setup()
SENTENCES = json.loads(Path(SETUP["sentences"]).read_text(encoding="utf-8"))
HEADERS = {"Content-Type": "application/json"}
POOL = HTTPConnectionPool("127.0.0.1", SETUP["port"])


def load() -> Any:
    return tokenizers.Tokenizer.from_file(SETUP["tokenizer"])


@lru_cache
def encoders(length: int | None) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """`encode` and `encode_batch` that pad to a length, or to the longest text."""
    tokenizer, options = load(), {}
    if hasattr(tokenizer, "enable_padding"):
        tokenizer.enable_padding(length=length)
        if length:
            tokenizer.enable_truncation(length)
    else:  # tokenizers 1.0 has no setters, and is told in each call
        options["padding"] = tokenizers.Padding(length=length)
        options["truncation"] = tokenizers.Truncation(length) if length else None
    return partial(tokenizer.encode, **options), partial(tokenizer.encode_batch, **options)


def payload(rows: list[Any]) -> dict[str, dict[str, list[list[int]]]]:
    ids, masks = [row.ids for row in rows], [row.attention_mask for row in rows]
    return {"inputs": {"input_ids": ids, "attention_mask": masks}}


def ask(body: str, model: str) -> bytes:
    path = f"/v1/models/{model}:predict"
    return POOL.urlopen("POST", path, body=body, headers=HEADERS).data


def softmax(reply: bytes) -> np.ndarray:
    logits = np.array(json.loads(reply)["outputs"])
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def classify(text: str, calls: int, model: str, length: int | None = None) -> list[float]:
    """One text a call."""
    encode, _ = encoders(length)
    return timed(lambda: softmax(ask(json.dumps(payload([encode(text)])), model)).argmax(), calls)


def urlopen(text: str, calls: int, model: str, length: int | None = None) -> list[float]:
    """The exchange alone, with a ready-made body: the bytes that lightclient sends."""
    encode, _ = encoders(length)
    body = json.dumps(payload([encode(text)]), separators=(",", ":"))
    return timed(lambda: ask(body, model), calls)


def encode(text: str, calls: int) -> list[float]:
    """The tokenizer alone."""
    tokenizer = load()
    return timed(lambda: tokenizer.encode(text), calls)


def encode_batch(count: int) -> dict[str, float]:
    """The tokenizer alone, many texts at once, without padding."""
    tokenizer = load()
    texts = list(itertools.islice(itertools.cycle(SENTENCES), count))
    return spent(lambda: tokenizer.encode_batch(texts))


def batches(count: int, size: int = 32) -> dict[str, float]:
    """Batches in order of arrival, padded to their longest."""
    _, encode_batch = encoders(None)
    texts = [SENTENCES[at : min(at + size, count)] for at in range(0, count, size)]

    def run() -> None:
        for some in texts:
            softmax(ask(json.dumps(payload(encode_batch(some))), "free"))

    return spent(run)


def zero_shot(count: int, labels: list[str], entailment: int, at_once: int) -> dict[str, float]:
    """Which of the labels fits each text: a pair for each of them, so many in a request.

    The pairs and the scores are those of transformers' zero-shot pipeline, with one label a text
    (pipelines/zero_shot_classification.py). `entailment`: the place of its logit.
    """
    _, encode_batch = encoders(None)
    hypotheses = [f"This example is {label}." for label in labels]

    def run() -> None:
        for text in SENTENCES[:count]:
            pairs = [(text, hypothesis) for hypothesis in hypotheses]
            outputs = []
            for at in range(0, len(pairs), at_once):
                reply = ask(json.dumps(payload(encode_batch(pairs[at : at + at_once]))), "nli")
                outputs += json.loads(reply)["outputs"]
            logits = np.array(outputs)[:, entailment]
            powers = np.exp(logits - logits.max())
            dict(zip(labels, powers / powers.sum(), strict=True))

    return spent(run)


def lengths() -> list[int]:
    """The tokens of each sentence."""
    return [len(row.ids) for row in load().encode_batch(SENTENCES)]


answer_commands(classify, urlopen, encode, encode_batch, batches, zero_shot, lengths)
