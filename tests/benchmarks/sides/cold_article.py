"""The article's client as it is printed: one label, then the clock between its phases."""

# ruff: noqa: E402

from time import monotonic

begun = monotonic()

import json
import os
import sys

import numpy as np
import requests
from transformers import AutoTokenizer

imported = monotonic()
port, path, text = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(os.path.dirname(path))
loaded = monotonic()
encoded = tokenizer(text, padding="max_length", max_length=100, truncation=True)
payload = {
    "instances": [{"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}]
}
response = requests.request(
    "POST",
    f"http://127.0.0.1:{port}/v1/models/fixed:predict",
    headers={"Content-Type": "application/json"},
    data=json.dumps(payload),
)
logits = np.array(response.json()["predictions"][0])
powers = np.exp(logits - np.max(logits))
scores = powers / powers.sum(axis=0)
print(["NEGATIVE", "POSITIVE"][scores.argmax()], flush=True)
print(begun, imported, loaded)
