"""The shortest plain script on the same three packages, warm, and parts of it."""

import itertools
import json
from functools import lru_cache
from pathlib import Path

import numpy as np
from commands import answer_commands, setup, spent, timed
from tokenizers import Encoding, Tokenizer
from urllib3 import HTTPConnectionPool

SETUP = setup()
SENTENCES = json.loads(Path(SETUP["sentences"]).read_text(encoding="utf-8"))
HEADERS = {"Content-Type": "application/json"}
POOL = HTTPConnectionPool("127.0.0.1", SETUP["port"])


@lru_cache
def tokenizer(length: int | None) -> Tokenizer:
    loaded = Tokenizer.from_file(SETUP["tokenizer"])
    if length:
        loaded.enable_truncation(length)
    loaded.enable_padding(length=length)
    return loaded


def payload(rows: list[Encoding]) -> dict[str, dict[str, list[list[int]]]]:
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
    loaded = tokenizer(length)
    return timed(
        lambda: softmax(ask(json.dumps(payload([loaded.encode(text)])), model)).argmax(), calls
    )


def urlopen(text: str, calls: int, model: str, length: int | None = None) -> list[float]:
    """The exchange alone, with a ready-made body, written as short as lightclient writes it."""
    body = json.dumps(payload([tokenizer(length).encode(text)]), separators=(",", ":"))
    return timed(lambda: ask(body, model), calls)


def encode(text: str, calls: int) -> list[float]:
    """The tokenizer alone."""
    loaded = tokenizer(None)
    return timed(lambda: loaded.encode(text), calls)


def encode_batch(count: int) -> dict[str, float]:
    """The tokenizer alone, many texts at once, without padding."""
    loaded = Tokenizer.from_file(SETUP["tokenizer"])
    texts = list(itertools.islice(itertools.cycle(SENTENCES), count))
    return spent(lambda: loaded.encode_batch(texts))


def batches(count: int, size: int = 32) -> dict[str, float]:
    """Batches in order of arrival, padded to their longest."""
    loaded = tokenizer(None)
    texts = [SENTENCES[at : min(at + size, count)] for at in range(0, count, size)]

    def run() -> None:
        for some in texts:
            softmax(ask(json.dumps(payload(loaded.encode_batch(some))), "free"))

    return spent(run)


def lengths() -> list[int]:
    """The tokens of each sentence."""
    loaded = Tokenizer.from_file(SETUP["tokenizer"])
    return [len(row.ids) for row in loaded.encode_batch(SENTENCES)]


answer_commands(classify, urlopen, encode, encode_batch, batches, lengths)
