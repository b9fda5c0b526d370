"""Every answer equals transformers' own, from the text to the score, over real TensorFlow."""

import base64
import json
import math
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install '.[export]'")
pytest.importorskip("transformers", reason="transformers is not installed")

import transformers

import lightclient
from lightclient import Bundle, Classifier
from lightclient.export import export
from lightclient.model.encoding import encode
from lightclient.model.files import DEFAULT_BUNDLE, read_files
from lightclient.standin import SavedModels, StandIn
from tests.golden import GOLDEN
from tests.heavy.models import FAMILIES
from tests.heavy.report import report
from tests.heavy.texts import ODD, SENTENCES, mixed

pytestmark = pytest.mark.heavy
Make = Callable[..., Path]
TOKENIZERS = {
    "bert-uncased": "WordPiece", "bert-cased": "WordPiece, cased", "distilbert": "WordPiece",
    "electra": "WordPiece", "mpnet": "WordPiece", "roberta": "byte-level BPE",
    "gpt2": "byte-level BPE", "xlm-roberta": "Unigram", "albert": "Unigram",
    "deberta-v2": "Unigram", "xlnet": "Unigram",
}  # fmt: skip
PAIRS = list(zip(SENTENCES[:300], SENTENCES[300:600], strict=True))


@pytest.mark.parametrize("name", TOKENIZERS)
def test_token_ids(name: str) -> None:
    theirs = transformers.AutoTokenizer.from_pretrained(GOLDEN / name)
    bundle = Bundle.load(GOLDEN / name)
    texts: list[Any] = [*mixed(2000), *PAIRS]
    for limit in (None, 40):
        for text in texts:
            first, second = (text, None) if isinstance(text, str) else text
            told = theirs(
                first, second, truncation=limit is not None, max_length=limit,
                return_token_type_ids=bundle.loaded.has_type_ids,
            )  # fmt: skip
            if not told["input_ids"]:
                continue  # an error here; tests/test_encoding.py
            ours = encode([text], bundle, limit)
            assert ours.input_ids == [told["input_ids"]], repr(text)
            assert told["attention_mask"] == [1] * len(told["input_ids"])
            if bundle.loaded.has_type_ids:
                assert ours.token_type_ids == [told["token_type_ids"]], repr(text)
    report(f"token ids, {name} ({TOKENIZERS[name]}), whole and cut", len(texts))


@contextmanager
def served(folder: Path, out: Path, max_length: int | None = None) -> Iterator[str]:
    """The model, exported by our command's function and served by TensorFlow over HTTP."""
    export(folder, out, max_length=max_length)
    with StandIn(SavedModels(out)) as url:
        yield url


def pipeline(folder: Path) -> Any:
    model = transformers.TFAutoModelForSequenceClassification.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    # What pipeline("text-classification") makes; that function itself needs PyTorch in 4.57.
    return transformers.TextClassificationPipeline(model=model, tokenizer=tokenizer, framework="tf")


def theirs(pipe: Any, text: Any, limit: int) -> list[dict[str, Any]]:
    """Every label with its score, as the pipeline orders them."""
    one = text if isinstance(text, str) else {"text": text[0], "text_pair": text[1]}
    found: Any = pipe(one, top_k=None, truncation=True, max_length=limit)
    return found if isinstance(found, list) else [found]


def difference(answer: Any, expected: list[dict[str, Any]]) -> float:
    """The largest difference of a score; labels and their order must be equal, but for ties."""
    ours = {score.label: score.score for score in answer.scores}
    other = {entry["label"]: entry["score"] for entry in expected}
    assert ours.keys() == other.keys()
    for (label, score), entry in zip(answer.scores, expected, strict=True):
        assert label == entry["label"] or math.isclose(score, entry["score"], abs_tol=1e-5)
    return max(abs(ours[label] - other[label]) for label in ours)


TEXTS: list[Any] = [*SENTENCES[:40], *(text for text in ODD if len(text) < 400), *PAIRS[:20]]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_url_is_all_that_a_model_of_any_family_needs(
    family: str, model_folder: Make, tmp_path: Path
) -> None:
    # Every MobileBERT token sees its neighbour: its export blanks [PAD], in a text as well.
    texts = [text for text in TEXTS if family != "mobilebert" or "[PAD]" not in text]
    folder = model_folder(family, id2label={"0": f"no {family}", "1": f"a {family}"})
    pipe = pipeline(folder)
    expected = [theirs(pipe, text, 512) for text in texts]
    assert len({round(entry[0]["score"], 4) for entry in expected}) > 20
    with served(folder, tmp_path / "m") as url:
        with Classifier(url) as ours, Classifier(url, bundle=tmp_path / "m") as given:
            alone = [ours.classify(text) for text in texts]
            together = ours.classify(texts[:64])
            assert alone[:20] == [given.classify(text) for text in texts[:20]]
        files = read_files(tmp_path / "m")
        assert ask_for_files(url, [*files, "vocab.txt"]) == [*files.values(), b""]
    worst = max(map(difference, alone + together, expected + expected[:64]))
    assert worst < 1e-5
    report(f"scores, {family}, free length, alone and 64 together", len(texts), worst)


def ask_for_files(url: str, names: list[str]) -> list[bytes]:
    """What the served model's own signature gives for these names."""
    body = {"signature_name": "lightclient_bundle", "inputs": {"file": names}}
    with urllib.request.urlopen(f"{url}:predict", json.dumps(body).encode()) as answer:
        return [base64.b64decode(content["b64"]) for content in json.load(answer)["outputs"]]


LABELS = [f"L{number}" for number in range(5)]
HEADS: dict[str, dict[str, Any]] = {
    "one label": {"id2label": {"0": "only"}, "problem_type": None},
    "two labels": {"id2label": {"0": "no", "1": "yes"}},
    "five labels": {"id2label": {str(n): name for n, name in enumerate(LABELS)}},
    "multi-label": {
        "id2label": {str(n): name for n, name in enumerate(LABELS)},
        "problem_type": "multi_label_classification",
    },
    "regression": {"id2label": {"0": "value"}, "problem_type": "regression"},
    "regression of three": {
        "id2label": {str(n): LABELS[n] for n in range(3)}, "problem_type": "regression",
    },
}  # fmt: skip


@pytest.mark.parametrize("max_length", [None, 100])
@pytest.mark.parametrize("head", HEADS)
def test_scores_of_every_head(
    head: str, max_length: int | None, model_folder: Make, tmp_path: Path
) -> None:
    folder = model_folder("bert-uncased", **HEADS[head])
    pipe = pipeline(folder)
    expected = [theirs(pipe, text, max_length or 512) for text in TEXTS]
    compared: list[float] = []
    with served(folder, tmp_path / "m", max_length) as url:
        for form in ("columnar", "row"):
            with Classifier(url, bundle=tmp_path / "m", form=form) as ours:  # type: ignore[arg-type]
                answers = ours.classify(TEXTS[:64]) + [ours.classify(text) for text in TEXTS[64:]]
            compared += map(difference, answers, expected)
            assert_top_k(pipe, TEXTS[0], answers[0])
    assert max(compared) < 1e-5
    length = "free length" if max_length is None else f"fixed length {max_length}"
    report(f"scores, bert, {head}, {length}, both forms", len(compared), max(compared))


def assert_top_k(pipe: Any, text: str, answer: Any) -> None:
    for top_k in (1, 3, len(answer.scores)):
        expected = pipe(text, top_k=top_k)
        labels = [
            entry["label"] for entry in (expected if isinstance(expected, list) else [expected])
        ]
        assert [score.label for score in answer.scores[:top_k]] == labels


def test_the_demo_model_in_numpy_and_in_tensorflow(tmp_path: Path) -> None:
    folder = demo_folder(tmp_path / "demo")
    with StandIn() as url, Classifier(url) as classifier:
        in_numpy = list(classifier.classify_many(SENTENCES))
    with served(folder, tmp_path / "out") as url, Classifier(url, bundle=tmp_path / "out") as ours:
        exported = list(ours.classify_many(SENTENCES))
    bundle, source, worst = Bundle.load(), demo_in_transformers(folder), 0.0
    for text, one, other in zip(SENTENCES, in_numpy, exported, strict=True):
        ids = encode([text], bundle).input_ids
        row = np.array(ids, dtype=np.int32)
        logits = source({"input_ids": row, "attention_mask": np.ones_like(row)}).logits
        worst = max(worst, abs(np.array([other.logits, logits[0]]) - one.logits).max())
    assert worst < 1e-4
    report("demo model: numpy, exported, in transformers (logits)", len(SENTENCES), worst)


def demo_in_transformers(folder: Path) -> Any:
    """The demo model's own weights in transformers' class, past the code of our export."""
    from safetensors.numpy import load_file
    from transformers.modeling_tf_pytorch_utils import load_pytorch_state_dict_in_tf2_model

    config = transformers.AutoConfig.from_pretrained(folder)
    model = transformers.TFAutoModelForSequenceClassification.from_config(config)
    model(model.dummy_inputs)
    weights = load_file(folder / "model.safetensors")
    weights = {name: value.astype(np.float32) for name, value in weights.items()}
    return load_pytorch_state_dict_in_tf2_model(model, weights)


def demo_folder(folder: Path) -> Path:
    """The demo model with its tokenizer, as Hugging Face lays it out."""
    package = Path(lightclient.__file__).parent
    vocab = package / "vocab" if (package / "vocab").is_dir() else package.parent / "vocab"
    shutil.copytree(package / "standin" / "demo_model", folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(vocab / DEFAULT_BUNDLE / name, folder)
    return folder
