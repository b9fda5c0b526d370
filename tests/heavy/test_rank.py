"""`rank` gives what sentence-transformers' CrossEncoder gives, over real TensorFlow."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install '.[export]'")
pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
pytest.importorskip("sentence_transformers", reason="pip install sentence-transformers is needed")

import torch
import transformers
from sentence_transformers import CrossEncoder

from lightclient import Classifier
from lightclient.export import export
from lightclient.standin import SavedModels, StandIn
from tests.golden import GOLDEN
from tests.heavy.report import report
from tests.heavy.texts import ODD, SENTENCES

pytestmark = pytest.mark.heavy
IDENTITY = "torch.nn.modules.linear.Identity"
DOCUMENTS = [*SENTENCES[:60], *ODD, SENTENCES[3], " ".join(SENTENCES[:80])]
QUERIES = [SENTENCES[100], "a film", "", " ".join(SENTENCES[200:280])]
CONFIGS: dict[str, dict[str, Any]] = {
    "nothing stated": {},
    "stated before 4.0": {"sbert_ce_default_activation_function": IDENTITY},
    "stated since 4.0": {"sentence_transformers": {"activation_fn": IDENTITY, "version": "4.1.0"}},
}


def make_cross_encoder(family: str, folder: Path, **changes: Any) -> Path:
    """Write a small cross-encoder with random but fixed weights, as PyTorch saves it."""
    ignored = shutil.ignore_patterns("golden.json")
    shutil.copytree(GOLDEN / family, folder, ignore=ignored)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config |= {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}, "initializer_range": 0.6}
    (folder / "config.json").write_text(json.dumps(config | changes), "utf-8")
    torch.manual_seed(7)
    model = transformers.AutoModelForSequenceClassification.from_config(
        transformers.AutoConfig.from_pretrained(folder)
    )
    model.save_pretrained(folder)
    return folder


def assert_equal_ranks(folder: Path, out: Path) -> float:
    """Compare all ranks; returns the largest difference of a score."""
    export(folder, out)
    theirs, worst = CrossEncoder(str(folder), device="cpu"), 0.0
    with StandIn(SavedModels(out)) as url, Classifier(url, timeout=60) as ours:
        for query in QUERIES:
            found = ours.rank(query, DOCUMENTS)
            expected = {
                one["corpus_id"]: float(one["score"]) for one in theirs.rank(query, DOCUMENTS)
            }
            predicted = theirs.predict([(query, document) for document in DOCUMENTS])
            assert len({round(score, 4) for score in expected.values()}) > 20
            for ours_, index in zip(found, expected, strict=True):
                # Those that nearly tie may stand the other way round.
                assert ours_.score == pytest.approx(expected[index], rel=1e-5, abs=1e-5)
                assert ours_.score == pytest.approx(
                    float(predicted[ours_.index]), rel=1e-5, abs=1e-5
                )
                worst = max(worst, abs(ours_.score - float(predicted[ours_.index])))
            assert ours.rank(query, DOCUMENTS, top_k=5) == found[:5]
        pipe = transformers.pipeline("text-classification", model=str(folder), device="cpu")
        for document in DOCUMENTS[:20]:
            told = pipe({"text": QUERIES[0], "text_pair": document})
            assert ours.classify((QUERIES[0], document)).score == pytest.approx(
                told["score"], abs=1e-5
            )
    return worst


@pytest.mark.parametrize("family", ["bert-uncased", "xlm-roberta"])
@pytest.mark.parametrize("stated", CONFIGS)
def test_a_model_s_own_config(stated: str, family: str, tmp_path: Path) -> None:
    folder = make_cross_encoder(family, tmp_path / "source", **CONFIGS[stated])
    worst = assert_equal_ranks(folder, tmp_path / "out")
    report(f"rank, {family}, activation {stated}", len(QUERIES) * len(DOCUMENTS), worst)


@pytest.mark.parametrize("activation", [torch.nn.Identity(), torch.nn.Sigmoid()])
def test_a_model_that_sentence_transformers_saved(activation: Any, tmp_path: Path) -> None:
    """It states the activation in a file of its own, which wins over an older statement."""
    older = CONFIGS["stated since 4.0"]
    folder = make_cross_encoder("bert-uncased", tmp_path / "source", **older)
    model = CrossEncoder(str(folder), device="cpu", activation_fn=activation)
    model.save_pretrained(str(tmp_path / "saved"))
    assert (tmp_path / "saved" / "config_sentence_transformers.json").is_file()
    worst = assert_equal_ranks(tmp_path / "saved", tmp_path / "out")
    what = f"rank, saved by sentence-transformers, {type(activation).__name__}"
    report(what, len(QUERIES) * len(DOCUMENTS), worst)
