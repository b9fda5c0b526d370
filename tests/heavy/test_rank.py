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

from lightclient import Bundle, Classifier
from lightclient.export import export
from lightclient.serving.function import choose_for_rank, choose_function
from lightclient.standin import SavedModels, StandIn
from tests.golden import GOLDEN
from tests.heavy.report import report
from tests.heavy.texts import ODD, SENTENCES
from tests.test_rank import ACTIVATIONS, IDENTITY, SIGMOID

pytestmark = pytest.mark.heavy
DOCUMENTS = [*SENTENCES[:30], *ODD, SENTENCES[3], " ".join(SENTENCES[:80])]
QUERIES = [SENTENCES[100], "", " ".join(SENTENCES[200:280])]
MODULES = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]


def make_cross_encoder(family: str, folder: Path, **changes: Any) -> Path:
    """Write a small cross-encoder with random but fixed weights, as PyTorch saves it."""
    shutil.copytree(GOLDEN / family, folder, ignore=shutil.ignore_patterns("golden.json"))
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config |= {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}, "initializer_range": 0.6}
    (folder / "config.json").write_text(json.dumps(config | changes), "utf-8")
    torch.manual_seed(7)
    model = transformers.AutoModelForSequenceClassification.from_config(
        transformers.AutoConfig.from_pretrained(folder)
    )
    model.save_pretrained(folder)
    return folder


def saved_by_sentence_transformers(folder: Path) -> Path:
    """The same with Identity, in the file where it is stated since 5.4."""
    model = CrossEncoder(str(folder), device="cpu", activation_fn=torch.nn.Identity())
    model.save_pretrained(str(folder.parent / "saved"))
    return folder.parent / "saved"


@pytest.mark.parametrize(("function", "own", "config"), ACTIVATIONS)
def test_the_function_is_that_of_a_cross_encoder(
    function: str, own: Any, config: dict[str, Any], tmp_path: Path
) -> None:
    folder = make_cross_encoder("bert-uncased", tmp_path / "m", **config)
    if own is not None:
        (folder / "config_sentence_transformers.json").write_text(json.dumps(own))
        (folder / "modules.json").write_text(json.dumps(MODULES))
    theirs = CrossEncoder(str(folder), device="cpu").activation_fn
    assert type(theirs).__name__ == {"sigmoid": "Sigmoid", "none": "Identity"}[function]
    bundle = Bundle.load(folder)
    assert choose_for_rank(choose_function(None, "logits", bundle), bundle) == function


@pytest.mark.parametrize(
    ("family", "config", "is_saved"),
    [
        ("bert-uncased", {}, False),
        ("xlm-roberta", {"sbert_ce_default_activation_function": IDENTITY}, False),
        ("bert-uncased", {"sentence_transformers": {"activation_fn": SIGMOID}}, True),
    ],
)
def test_the_scores_and_the_order_are_those_of_a_cross_encoder(
    family: str, config: dict[str, Any], is_saved: bool, tmp_path: Path
) -> None:
    folder = make_cross_encoder(family, tmp_path / "source", **config)
    folder = saved_by_sentence_transformers(folder) if is_saved else folder
    export(folder, tmp_path / "out")
    theirs, worst = CrossEncoder(str(folder), device="cpu"), 0.0
    with StandIn(SavedModels(tmp_path / "out")) as url, Classifier(url, timeout=60) as ours:
        for query in QUERIES:
            found = ours.rank(query, DOCUMENTS)
            expected = theirs.rank(query, DOCUMENTS)
            scores = {one["corpus_id"]: float(one["score"]) for one in expected}
            assert len({round(score, 4) for score in scores.values()}) > 20
            for mine, place in zip(found, scores, strict=True):
                worst = max(worst, abs(mine.score - scores[mine.index]))
                # Two documents that nearly tie may stand the other way round.
                assert abs(scores[mine.index] - scores[place]) < 1e-5
        assert_classify_is_the_pipeline_s(folder, ours)
    assert worst < 1e-5
    stated = "of its own file" if is_saved else "of config.json" if config else "by default"
    report(f"rank, {family}, activation {stated}", len(QUERIES) * len(DOCUMENTS), worst)


def assert_classify_is_the_pipeline_s(folder: Path, ours: Classifier) -> None:
    """It knows nothing of the activation."""
    pipe = transformers.pipeline("text-classification", model=str(folder), device="cpu")
    for document in SENTENCES[:5]:
        told: Any = pipe({"text": QUERIES[0], "text_pair": document})
        answer = ours.classify((QUERIES[0], document))
        assert answer.score == pytest.approx(told["score"], abs=1e-5)
