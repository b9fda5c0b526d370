"""The article's client as a Lambda function: what it can do before the first event, it does."""

import json
import os

import numpy as np
import requests
from transformers import AutoTokenizer

URL = os.environ["LIGHTCLIENT_URL"] + ":predict"
TOKENIZER = AutoTokenizer.from_pretrained(os.environ["TOKENIZER"])


def handler(event: dict[str, str], context: object) -> dict[str, object]:
    """One label."""
    encoded = TOKENIZER(event["text"], padding="max_length", max_length=100, truncation=True)
    row = {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}
    response = requests.request(
        "POST",
        URL,
        headers={"Content-Type": "application/json"},
        data=json.dumps({"instances": [row]}),
    )
    logits = np.array(response.json()["predictions"][0])
    powers = np.exp(logits - np.max(logits))
    scores = powers / powers.sum(axis=0)
    best = int(scores.argmax())
    return {"label": ["NEGATIVE", "POSITIVE"][best], "score": float(scores[best])}
