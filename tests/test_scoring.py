"""Labels, scores and their order equal those of transformers' pipeline."""

import dataclasses
import math
import pickle
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightclient import Bundle, Classification, Score
from lightclient.scoring import classify_logits, sigmoid, softmax
from tests.golden import GOLDEN, read

BUNDLE = Bundle.load(GOLDEN / "bert-uncased")
SCORES = read(GOLDEN / "scores.json")["cases"]


def floats(row: Sequence[float]) -> Any:
    return np.array([row], dtype=np.float32)


def bundle_of(config: dict[str, Any], count: int, tmp_path: Any) -> Bundle:
    import json
    import shutil

    source = GOLDEN / "bert-uncased"
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(source / name, tmp_path / name)
    if "id2label" not in config and count != 2:
        config = config | {"num_labels": count}
    (tmp_path / "config.json").write_text(json.dumps(config))
    return Bundle.load(tmp_path)


@pytest.mark.parametrize("case", SCORES, ids=lambda case: case["case"])
def test_the_pipeline_s_scores(case: dict[str, Any], tmp_path: Any) -> None:
    # Where transformers 5 refuses or renames labels, 4.57 is followed.
    results = case["older"] if "older" in case else case["results"]
    if isinstance(results, dict) and "results" in results:
        results = results["results"]
    bundle = bundle_of(case["config"], len(case["logits"]), tmp_path)
    logits = np.array([case["logits"]], dtype=np.float32)
    answer = classify_logits(logits, bundle, [False])[0]
    for top_k, expected in results.items():
        wanted = {"default": 1, "null": None, "all": None}.get(top_k, 0)
        count = int(top_k) if wanted == 0 else wanted
        got = answer.scores[:count]
        assert [score.label for score in got] == [entry["label"] for entry in expected]
        assert [score.score for score in got] == [entry["score"] for entry in expected]
    assert (answer.label, answer.score) == answer.scores[0]


rows = st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=9)


@given(rows)
def test_softmax_sums_to_one(row: list[float]) -> None:
    labels = tuple(f"L{at}" for at in range(len(row) + 1))
    single = dataclasses.replace(BUNDLE, labels=labels)
    multi = dataclasses.replace(single, problem_type="multi_label_classification")
    one, many = (
        classify_logits(floats([*row, 0.0]), bundle, [False])[0] for bundle in (single, multi)
    )
    assert sum(score.score for score in one.scores) == pytest.approx(1, abs=1e-5)
    assert all(0 <= score.score <= 1 for score in (*one.scores, *many.scores))


@given(rows)
def test_softmax_is_the_exact_one_rounded(row: list[float]) -> None:
    powers = [math.exp(value - max(row)) for value in row]
    exact = [power / math.fsum(powers) for power in powers]
    assert softmax(floats(row))[0].tolist() == pytest.approx(exact, rel=2e-6, abs=1e-37)


@given(rows)
def test_sigmoid_is_the_exact_one_rounded(row: list[float]) -> None:
    exact = [1 / (1 + math.exp(min(-value, 700.0))) for value in row]
    assert sigmoid(floats(row))[0].tolist() == pytest.approx(exact, rel=2e-6, abs=1e-37)


@given(st.lists(st.tuples(*[st.floats(-1e4, 1e4, width=32)] * 3), min_size=1, max_size=5))
def test_a_row_s_scores_do_not_depend_on_the_others(table: list[Any]) -> None:
    for function in (softmax, sigmoid):
        together = function(np.array(table, dtype=np.float32)).tolist()
        assert together == [function(floats(row))[0].tolist() for row in table]


def test_saturated_scores_tie_in_the_order_of_the_labels() -> None:
    labels = ("a", "b", "c")
    bundle = dataclasses.replace(BUNDLE, labels=labels, problem_type="multi_label_classification")
    answer = classify_logits(floats([20.0, 21.0, -200.0]), bundle, [False])[0]
    assert answer.scores == (("a", 1.0), ("b", 1.0), ("c", 0.0))
    apart = floats([8.0, 0.1, 0.1000001])  # they differ, but no longer once 8 is taken off
    answer = classify_logits(apart, dataclasses.replace(BUNDLE, labels=labels), [False])[0]
    assert [label for label, _ in answer.scores] == ["a", "b", "c"]
    assert answer.scores[1].score == answer.scores[2].score


@given(rows)
def test_every_score_is_a_float32(row: list[float]) -> None:
    for score in (*softmax(floats(row))[0], *sigmoid(floats(row))[0]):
        assert struct.unpack("f", struct.pack("f", score))[0] == score


def test_the_article_s_scores() -> None:
    logits = floats([-4.2159214, 4.58923769])
    answer = classify_logits(logits, Bundle.load(), [False])[0]
    assert repr(answer) == "Classification(label='POSITIVE', score=0.99985)"
    assert answer.scores[1].score == pytest.approx(0.00015, abs=1e-6)


def test_a_classification_is_plain_and_frozen() -> None:
    answer = Classification("A", 0.75, (Score("A", 0.75), Score("B", 0.25)), (1.0, 0.0), True)
    assert pickle.loads(pickle.dumps(answer)) == answer
    assert answer.as_dict() == {
        "label": "A",
        "score": 0.75,
        "scores": [{"label": "A", "score": 0.75}, {"label": "B", "score": 0.25}],
        "logits": [1.0, 0.0],
        "truncated": True,
        "windows": 1,
    }
    assert repr(answer) == "Classification(label='A', score=0.75000, truncated=True)"
    assert hash(answer)
    with pytest.raises(AttributeError):
        answer.label = "B"  # type: ignore[misc]
    assert all(math.isfinite(value) for value in answer.logits)


@pytest.mark.parametrize(
    "row",
    [
        [3.4e38, -3.4e38], [0.0, -200.0], [200.0, 0.0], [-3.4e38, 1.0],
        *([size, *[-size] * 50_000] for size in (29.9, 30.1, 43.0, 44.0, 60.0, 90.0)),
    ],
)  # fmt: skip
def test_extreme_logits_give_scores_and_no_warning(row: list[float]) -> None:
    """An application may have told numpy to raise an error where exp gives 0, or nearly."""
    with np.errstate(all="raise"):
        for scores in (softmax(floats(row)), sigmoid(floats(row))):
            assert np.isfinite(scores).all()
