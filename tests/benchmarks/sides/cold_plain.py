"""The shortest plain script on the same three packages: one label."""

import json
import sys

import numpy as np
from tokenizers import Tokenizer
from urllib3 import HTTPConnectionPool

port, path, text = sys.argv[1:]
tokenizer = Tokenizer.from_file(path)
tokenizer.enable_truncation(100)
tokenizer.enable_padding(length=100)
row = tokenizer.encode(text)
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
