"""A `Classification` and its scores in the forms that other libraries give them."""

import dataclasses
import json
import pickle
from typing import Any

import pytest

from lightclient import Classification, Score

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
