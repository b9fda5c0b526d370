"""Windows of long texts, and pairs whose first text is cut, equal those of transformers."""

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install '.[export]'")
pytest.importorskip("transformers", reason="transformers is not installed")

import transformers

from lightclient import Bundle, Classifier, InputError
from lightclient.export import export
from lightclient.model.encoding import tokenize
from lightclient.model.windows import split
from lightclient.standin import SavedModels, StandIn
from tests.golden import GOLDEN
from tests.heavy.models import FAMILIES
from tests.heavy.report import report
from tests.heavy.texts import SENTENCES, mixed
from tests.long_make import columns, only_first
from tests.long_texts import front_only, long_text

pytestmark = pytest.mark.heavy
SIDES = ("right", "left")
# MobileBERT's model has the tokenizer of BERT.
NAMES = [*(name for name in FAMILIES if name != "mobilebert"), "gpt2", "mpnet", "xlnet", "front"]


def load(name: str, side: str, scratch: Path) -> tuple[Any, Bundle]:
    """A folder as transformers and as this client load it, to be cut at this side."""
    folder = front_only(scratch) if name == "front" else GOLDEN / name
    theirs = transformers.AutoTokenizer.from_pretrained(folder, truncation_side=side)
    theirs.save_pretrained(scratch / "m")
    shutil.copy(folder / "config.json", scratch / "m")
    return theirs, Bundle.load(scratch / "m")


def made_texts() -> list[str]:
    """Of 600 to 20,000 tokens, more or less, and of every script."""
    odd = mixed(900)
    chance = Random(5)
    mixtures = [" ".join(chance.choices(odd, k=chance.randint(30, 400))) for _ in range(4)]
    joined = ["".join(chance.choices(odd, k=chance.randint(100, 600))) for _ in range(2)]
    return mixtures + joined + [long_text(seed, 40 * seed) for seed in (1, 3, 9)]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", NAMES)
def test_windows(name: str, side: str, tmp_path: Path) -> None:
    theirs, bundle = load(name, side, tmp_path)
    chance, compared = Random(name), 0
    for text in made_texts():
        for limit in (512, chance.randint(10, 600)):
            stride = chance.randint(0, limit // 2)
            told = theirs(
                text, truncation=True, max_length=limit, stride=stride,
                return_overflowing_tokens=True,
            )  # fmt: skip
            [rows] = split([text], bundle, limit, stride)
            ours = [row.input_ids for row in rows], [row.token_type_ids for row in rows]
            assert ours == columns(told), (repr(text[:80]), limit, stride)
            compared += 1
    report(f"windows of long texts, {name}, side {side}", compared)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", NAMES)
def test_pairs_whose_first_text_is_cut(name: str, side: str, tmp_path: Path) -> None:
    """As the zero-shot pipeline tokenizes a text and a hypothesis; where it can, within a limit."""
    theirs, bundle = load(name, side, tmp_path)
    chance, compared, refused = Random(name), 0, 0
    seconds = [*SENTENCES[200:400], "", "é"]
    for first in [*made_texts(), *SENTENCES[:200], ""]:
        second, limit = chance.choice(seconds), chance.randint(8, 200)
        told = only_first(theirs, first, second, limit)
        if told is None:
            with pytest.raises(InputError, match="second text of a pair is too long"):
                tokenize([(first, second)], bundle, limit, first_only=True)
            refused += 1
        else:
            [row] = tokenize([(first, second)], bundle, limit, first_only=True)
            assert ([row.input_ids], [row.token_type_ids]) == columns(told), (second, limit)
            compared += 1
    assert min(compared, refused) > 10
    report(f"pairs whose first text is cut, {name}, side {side}", compared + refused)


# What is made of the model's logits, and whether the scores of a text sum to 1.
HEADS: dict[str, tuple[str | None, bool]] = {
    "softmax": ("single_label_classification", True),
    "sigmoid": ("multi_label_classification", False),
}


def logits_of_windows(theirs: Any, model: Any, text: str, stride: int) -> Any:
    told = theirs(
        text, truncation=True, max_length=512, stride=stride, return_overflowing_tokens=True,
        padding=True, return_tensors="np",
    )  # fmt: skip
    del told["overflow_to_sample_mapping"]
    parts = np.array_split(np.arange(len(told["input_ids"])), len(told["input_ids"]) // 8 + 1)
    return np.concatenate([
        model({name: column[part] for name, column in told.items()}).logits.numpy()
        for part in parts
    ])  # fmt: skip


def joined(logits: Any, head: str, long_texts: str) -> Any:
    powers = np.exp(np.float64(logits))
    if head == "softmax":
        table = powers / powers.sum(axis=1, keepdims=True)
    else:
        table = powers / (1 + powers)
    scores = table.mean(axis=0) if long_texts == "mean" else table.max(axis=0)
    return scores / scores.sum() if HEADS[head][1] else scores


@pytest.mark.parametrize(
    ("family", "head"),
    [
        ("bert-uncased", "softmax"), ("distilbert", "sigmoid"), ("roberta", "softmax"),
        ("deberta-v2", "softmax"), ("xlm-roberta", "sigmoid"),
    ],
)  # fmt: skip
def test_scores(family: str, head: str, model_folder: Callable[..., Path], tmp_path: Path) -> None:
    labels = {str(at): f"L{at}" for at in range(3)}
    folder = model_folder(family, id2label=labels, problem_type=HEADS[head][0])
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.TFAutoModelForSequenceClassification.from_pretrained(folder)
    made = [" ".join(SENTENCES[:16]), *made_texts()]
    texts = [text for text in made if len(theirs(text)["input_ids"]) > 512]
    lengths = [len(theirs(text)["input_ids"]) for text in texts]
    assert min(lengths) < 1000
    assert max(lengths) > 19_000
    export(folder, tmp_path / "m")
    worst = 0.0
    with StandIn(SavedModels(tmp_path / "m")) as url:
        for stride in (64, 200):
            logits = [logits_of_windows(theirs, model, text, stride) for text in texts]
            for long_texts in ("mean", "max"):
                with Classifier(
                    url, long_texts=long_texts, stride=stride, max_length=512, timeout=120
                ) as ours:  # type: ignore[arg-type, unused-ignore]
                    answers = [*ours.classify_many(texts), ours.classify(texts[0])]
                assert len({round(answer.score, 4) for answer in answers}) > 5
                for answer, rows in zip(answers, [*logits, logits[0]], strict=True):
                    scores = dict(answer.scores)
                    found = [scores[label] for label in labels.values()]
                    expected = joined(rows, head, long_texts)
                    worst = max(worst, float(abs(np.array(found) - expected).max()))
                    assert (answer.windows, answer.truncated) == (len(rows), False)
    assert worst < 1e-5
    report(
        f"scores of windows, {family}, {head}, of {min(lengths):,} to {max(lengths):,} tokens",
        4 * (len(texts) + 1),
        worst,
    )
