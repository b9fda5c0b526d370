"""The article's client as it is printed, in a warm process."""

import itertools
import json
import os
from pathlib import Path

import numpy as np
import requests
from commands import answer_commands, setup, spent, timed
from transformers import AutoTokenizer

SETUP = setup()
SENTENCES = json.loads(Path(SETUP["sentences"]).read_text(encoding="utf-8"))
TOKENIZER = AutoTokenizer.from_pretrained(os.path.dirname(SETUP["tokenizer"]))
MAX_SEQ_LEN = 100


def ask(text: str, url: str, length: int) -> np.ndarray:
    # The article writes pad_to_max_length=MAX_SEQ_LEN, which later releases spell like this.
    encoded = TOKENIZER(text, padding="max_length", max_length=length, truncation=True)
    payload = {
        "instances": [
            {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}
        ]
    }
    headers = {"Content-Type": "application/json"}
    response = requests.request("POST", url, headers=headers, data=json.dumps(payload))
    logits = np.array(response.json()["predictions"][0])
    powers = np.exp(logits - np.max(logits))
    return powers / powers.sum(axis=0)


def url(model: str) -> str:
    return f"http://127.0.0.1:{SETUP['port']}/v1/models/{model}:predict"


def classify(text: str, calls: int, model: str, length: int = MAX_SEQ_LEN) -> list[float]:
    """One text a call."""
    address = url(model)
    return timed(lambda: ask(text, address, length), calls)


def loop(count: int) -> dict[str, float]:
    """Many texts, one by one."""
    address = url("fixed")
    texts = itertools.islice(itertools.cycle(SENTENCES), count)
    return spent(lambda: [ask(text, address, MAX_SEQ_LEN) for text in texts])


answer_commands(classify, loop)
