"""A `Classification` and its scores in the forms that other libraries give them."""

import dataclasses
import json
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightclient import Classification, InputError, Score

ANSWER = Classification("good", 0.75, (Score("good", 0.75), Score("bad", 0.25)), (1.0, 0.0))


def test_a_score_unpacks_and_is_a_tuple() -> None:
    label, score = ANSWER.scores[0]
    assert (label, score) == ANSWER.scores[0] == ("good", 0.75)
    assert hash(ANSWER.scores[0]) == hash(("good", 0.75))
    assert repr(ANSWER.scores[0]) == "Score(label='good', score=0.75)"
    assert [score.label for score in ANSWER.scores[:1]] == ["good"]
    assert pickle.loads(pickle.dumps(ANSWER)) == ANSWER


def test_its_scores_are_objects_to_dataclasses() -> None:
    found = dataclasses.asdict(ANSWER)
    assert json.dumps(found) == json.dumps(ANSWER.as_dict())
    assert found["scores"][1] == {"label": "bad", "score": 0.25}


NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32)


@st.composite
def answers(draw: st.DrawFn) -> Classification:
    """With labels of any characters, some of them twice, as a model's config may have them."""
    scores = draw(st.lists(st.builds(Score, st.text(max_size=2), NUMBERS), min_size=1, max_size=6))
    scores.sort(key=lambda found: found.score, reverse=True)
    return Classification(*scores[0], tuple(scores), tuple(found.score for found in scores))


@given(answers(), st.data())
def test_what_is_above_a_threshold(answer: Classification, data: st.DataObject) -> None:
    # A score itself is a threshold that is often just reached.
    numbers = NUMBERS | st.sampled_from([score for _, score in answer.scores])
    least, labels = data.draw(numbers), {label for label, _ in answer.scores}
    found = answer.above(least)
    assert found == answer.scores[: len(found)]
    assert all(score >= least for _, score in found)
    assert all(score < least for _, score in answer.scores[len(found) :])
    assert found == answer.above(dict.fromkeys(labels, least)) == answer.above(np.float32(least))
    by_label = {label: data.draw(numbers) for label in sorted(labels)}
    found = answer.above(by_label)
    assert found == tuple(pair for pair in answer.scores if pair.score >= by_label[pair.label])
    assert {type(pair) for pair in found} <= {Score}


def test_a_threshold_may_be_any_number() -> None:
    regression = Classification("LABEL_0", 41.5, (Score("LABEL_0", 41.5),), (41.5,))
    assert regression.above(41.5) == regression.above(-300) == regression.scores
    assert regression.above(41.6) == ()
    assert ANSWER.above(np.float64(0.75)) == ANSWER.above(np.int64(1) * 0.5) == ANSWER.scores[:1]
    # 0.7 as float32 is a little less than 0.7, and reaches itself.
    score = float(np.float32(0.7))
    narrow = Classification("a", score, (Score("a", score),), (0.0,))
    assert (narrow.above(np.float32(0.7)), narrow.above(0.7)) == (narrow.scores, ())


BAD_NUMBERS = [
    None, True, False, "0.5", b"1", float("nan"), float("inf"), -float("inf"), 10**400, 1j, [0.5],
    np.float32("nan"), np.bool_(True), np.array([0.5]), {0.5},
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_NUMBERS, ids=lambda bad: repr(bad)[:20])
def test_a_threshold_that_is_no_number(bad: Any) -> None:
    with pytest.raises(InputError) as caught:
        ANSWER.above(bad)
    assert str(caught.value).startswith(
        "threshold must be a finite number, or a mapping from each label to one, not "
    )
    assert repr(bad)[:40] in str(caught.value)
    with pytest.raises(InputError) as caught:
        ANSWER.above({"good": 0.5, "bad": bad})
    assert str(caught.value).startswith("threshold['bad'] must be a finite number, not ")


@pytest.mark.parametrize(
    ("threshold", "words"),
    [
        ({"good": 0.5}, "it lacks 'bad'"),
        ({}, "it lacks 'good', 'bad'"),
        ({"good": 0.5, "bad": 0.5, "ugly": 0.5}, "no label is called 'ugly'"),
        ({"good": 0.5, "Bad": 0.5, 1: 0}, "it lacks 'bad', and no label is called 'Bad', 1"),
    ],
)
def test_a_threshold_for_other_labels(threshold: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        ANSWER.above(threshold)
    assert str(caught.value) == (f"threshold must have a number for each label: {words}")


def test_not_all_of_many_missing_labels_are_named() -> None:
    scores = tuple(Score(f"l{at}", 0.5) for at in range(1000))
    with pytest.raises(InputError, match=r"it lacks 'l0', 'l1', 'l2', 'l3', 'l4' and 995 more$"):
        Classification("l0", 0.5, scores, (0.0,) * 1000).above({})


@pytest.fixture
def adapter() -> Any:
    reason = "pydantic is not installed: pip install '.[test]'"
    return pytest.importorskip("pydantic", reason=reason).TypeAdapter(Classification)


def test_pydantic_writes_and_reads_it(adapter: Any) -> None:
    written = adapter.dump_json(ANSWER)
    assert json.loads(written) == json.loads(json.dumps(ANSWER.as_dict()))
    for found in (
        adapter.validate_json(written),
        adapter.validate_python(ANSWER.as_dict()),
        adapter.validate_python(ANSWER),
        adapter.validate_python(dataclasses.asdict(ANSWER)),
    ):
        assert found == ANSWER
        assert {type(score) for score in found.scores} == {Score}
    with pytest.raises(ValueError, match="score"):
        adapter.validate_python(ANSWER.as_dict() | {"scores": [{"label": "good"}]})


@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_the_schema_of_pydantic(adapter: Any, mode: str) -> None:
    items = adapter.json_schema(mode=mode)["properties"]["scores"]["items"]
    assert items["type"] == "object"
    assert {name: of["type"] for name, of in items["properties"].items()} == {
        "label": "string",
        "score": "number",
    }
    assert items["required"] == ["label", "score"]


def test_the_encoder_of_fastapi() -> None:
    encoders = pytest.importorskip("fastapi.encoders", reason="FastAPI is not installed")
    assert encoders.jsonable_encoder([ANSWER]) == [json.loads(json.dumps(ANSWER.as_dict()))]
