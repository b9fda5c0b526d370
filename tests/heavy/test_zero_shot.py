"""Zero-shot answers equal those of transformers' own pipeline, over real TensorFlow."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install '.[export]'")
pytest.importorskip("transformers", reason="transformers is not installed")

import transformers

from lightclient import Bundle, Classification, Classifier, InputError
from lightclient.export import export
from lightclient.standin import SavedModels, StandIn
from tests.heavy.report import report
from tests.heavy.texts import ODD, SENTENCES

pytestmark = pytest.mark.heavy

# With type ids, with </s></s> between the texts, and with neither; each has other labels.
FAMILIES = {
    "bert-uncased": ["contradiction", "neutral", "entailment"],
    "roberta": ["ENTAILMENT", "NEUTRAL", "CONTRADICTION"],
    "deberta-v2": ["not_entailment", "entailment"],
}
LONG = [" ".join(SENTENCES[at : at + 40]) for at in range(0, 480, 40)]
TEXTS = [*SENTENCES[:465], *filter(None, ODD), *LONG]


class Setting(NamedTuple):
    labels: list[str]
    template: str = "This example is {}."
    multi_label: bool = False


SETTINGS = (
    Setting(["sports", "politics", "science"]),
    Setting(["Straße", "food, 中文"], "It is about {}!", multi_label=True),
    Setting(["good"], "{} it is."),
    Setting(["good", "bad"], "It was {}."),
)


def pipeline(folder: Path, limit: int) -> Any:
    model = transformers.TFAutoModelForSequenceClassification.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, model_max_length=limit)
    # What pipeline("zero-shot-classification") makes; that function itself needs PyTorch in 4.57.
    return transformers.ZeroShotClassificationPipeline(
        model=model, tokenizer=tokenizer, framework="tf"
    )


def theirs(pipe: Any, text: str, setting: Setting) -> dict[str, Any]:
    found: dict[str, Any] = pipe(
        text, setting.labels, hypothesis_template=setting.template, multi_label=setting.multi_label
    )
    return found


def difference(ours: Classification, expected: dict[str, Any]) -> float:
    """The largest difference of a score; labels and their order must be equal, but for ties."""
    by_label: dict[str, float] = dict(zip(expected["labels"], expected["scores"], strict=True))
    assert dict(ours.scores).keys() == by_label.keys()
    for (label, score), other in zip(ours.scores, expected["labels"], strict=True):
        assert label == other or math.isclose(score, by_label[other], abs_tol=1e-5)
    return max(abs(score - by_label[label]) for label, score in ours.scores)


@pytest.mark.parametrize("family", FAMILIES)
def test_labels_scores_and_order(
    family: str, model_folder: Callable[..., Path], tmp_path: Path
) -> None:
    names = FAMILIES[family]
    folder = model_folder(
        family,
        id2label={str(at): name for at, name in enumerate(names)},
        label2id={name: at for at, name in enumerate(names)},
    )
    pipe = pipeline(folder, Bundle.load(folder).max_length or 0)
    assert pipe.entailment_id == [name.lower() for name in names].index("entailment")
    export(folder, tmp_path / "m")
    compared: list[float] = []
    with StandIn(SavedModels(tmp_path / "m")) as url, Classifier(url) as classifier:
        for at, setting in enumerate(SETTINGS):
            texts = TEXTS[at :: len(SETTINGS)]
            expected = [theirs(pipe, text, setting) for text in texts]
            assert_they_differ(expected)
            found = list(classifier.zero_shot_many(texts, **setting._asdict()))
            assert found[-1].truncated
            assert not found[0].truncated
            compared += map(difference, found, expected)
        with pytest.raises(ValueError, match="at least one sequence"):
            pipe("", ["a"])
        with pytest.raises(InputError, match="must not be empty"):
            classifier.zero_shot("", ["a"])
    assert len(compared) > 500
    assert max(compared) < 1e-5
    report(f"zero-shot, {family}, one and several labels", len(compared), max(compared))


def assert_they_differ(expected: list[dict[str, Any]]) -> None:
    """Else any model would pass: scores that tell texts apart, and labels in several orders."""
    assert len({round(score, 4) for found in expected for score in found["scores"]}) > 50
    orders = {tuple(found["labels"]) for found in expected}
    assert len(orders) > 1 or len(expected[0]["labels"]) == 1
