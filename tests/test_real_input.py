"""Real sentences over real HTTP, from one process to another."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import lightclient

SENTENCES = Path(__file__).parent / "data" / "sst2" / "dev.tsv"
CARD = Path(lightclient.__file__).parent / "standin" / "demo_model" / "MODEL_CARD.md"


def test_the_accuracy_is_that_of_the_model_s_card() -> None:
    command = [sys.executable, "-m", "lightclient"]
    with subprocess.Popen(
        [*command, "serve", "--port", "0"], stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stderr is not None
            url = server.stderr.readline().split()[-1]
            done = subprocess.run(
                [*command, "classify", "--file", str(SENTENCES), "--column", "1",
                 "--no-header", "--format", "jsonl"],
                env=os.environ | {"LIGHTCLIENT_URL": url}, capture_output=True, check=True,
            )  # fmt: skip
        finally:
            server.terminate()
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    with SENTENCES.open(encoding="utf-8", newline="") as lines:
        expected = list(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert [answer["column_1"] for answer in answers] == [text for text, _ in expected]
    labels = {"1": "POSITIVE", "0": "NEGATIVE"}
    right = sum(
        answer["label"] == labels[label]
        for answer, (_, label) in zip(answers, expected, strict=True)
    )
    assert len(answers) == 872
    assert f"| SST-2 dev (872 sentences) | {right / 872 * 100:.2f} % |" in CARD.read_text("utf-8")
