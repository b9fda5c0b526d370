"""A stand-in whose scores tell a text by its token ids, in a process of its own.

`python -m tests.engines.server` says its URL, and ends with its stdin.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from lightclient.standin import StandIn
from lightclient.standin.models import classifier


def logits(inputs: dict[str, Any]) -> dict[str, Any]:
    """Whole numbers as long as it can be, so that padding and neighbours change nothing."""
    ids = (inputs["input_ids"] * inputs["attention_mask"]).astype(np.int64)
    places = np.arange(1, ids.shape[1] + 1)
    number = (ids * places * places).sum(axis=1) % 100_003
    return {"logits": np.stack([number / 20_000, 2.5 + 0 * number], 1).astype(np.float32)}


@contextmanager
def serving_elsewhere() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.engines.server"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


if __name__ == "__main__":
    with StandIn({"reviews": classifier(logits).with_bundle()}) as url:
        print(url, flush=True)
        sys.stdin.read()
