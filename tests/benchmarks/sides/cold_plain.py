"""A plain script on the same three packages: one label, then the clock between its phases."""

# ruff: noqa: E402

from time import monotonic

begun = monotonic()

import json
import sys

import numpy as np
import tokenizers
from urllib3 import HTTPConnectionPool

imported = monotonic()
port, path, text = sys.argv[1:]
tokenizer = tokenizers.Tokenizer.from_file(path)
loaded = monotonic()
if hasattr(tokenizer, "enable_padding"):
    tokenizer.enable_truncation(100)
    tokenizer.enable_padding(length=100)
    row = tokenizer.encode(text)
else:  # tokenizers 1.0 has no setters
    options = {"truncation": tokenizers.Truncation(100), "padding": tokenizers.Padding(length=100)}
    row = tokenizer.encode(text, **options)
reply = HTTPConnectionPool("127.0.0.1", int(port)).urlopen(
    "POST",
    "/v1/models/fixed:predict",
    body=json.dumps({"inputs": {"input_ids": [row.ids], "attention_mask": [row.attention_mask]}}),
    headers={"Content-Type": "application/json"},
)
logits = np.array(json.loads(reply.data)["outputs"][0])
powers = np.exp(logits - logits.max())
scores = powers / powers.sum()
print(["NEGATIVE", "POSITIVE"][scores.argmax()], flush=True)
print(begun, imported, loaded)
