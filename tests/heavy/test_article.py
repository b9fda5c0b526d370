"""The article's client, as it is printed, against our export and our server."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install '.[export]'")
pytest.importorskip("transformers", reason="transformers is not installed")

import requests
import transformers

from lightclient import Classifier
from lightclient.export import export
from lightclient.standin import SavedModels, StandIn
from tests.heavy.report import report
from tests.heavy.texts import SENTENCES

pytestmark = pytest.mark.heavy
MAX_SEQ_LEN = 100


def article(url: str, folder: Path, text: str) -> np.ndarray[Any, Any]:
    """Tokenize with transformers, POST the row form with requests, softmax by hand."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    # The article writes pad_to_max_length=MAX_SEQ_LEN, which later releases spell like this.
    encoded = tokenizer(text, padding="max_length", max_length=MAX_SEQ_LEN, truncation=True)
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


def test_the_article_s_client_gives_what_ours_gives(
    model_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = model_folder("distilbert")
    export(folder, tmp_path / "distilbert", max_length=MAX_SEQ_LEN)
    texts = ["I like you. I love you", *SENTENCES[:50]]
    with StandIn(SavedModels(tmp_path / "distilbert")) as served:
        url = f"{served}:predict"
        ours = Classifier(url, bundle=tmp_path / "distilbert")
        worst = 0.0
        for text in texts:
            scores = dict(ours.classify(text).scores)
            theirs = article(url, folder, text)
            worst = max(worst, *abs(np.array([scores["NEGATIVE"], scores["POSITIVE"]]) - theirs))
    assert worst < 1e-5
    report("the article's client, distilbert at [None, 100]", len(texts), worst)
