"""Requests that must be answered, in every way the protocol allows."""

import json
import re

import pytest

from tests.conformance.server import close_to, columns, compressed, flat, rows_of

BIG = 100  # rows, if the server takes so many
TOO_BIG = re.compile(r"Task size [0-9]+ is larger than maximum input batch size ([0-9]+)")


@pytest.fixture(scope="module")
def rows(model):
    return [model.row(1, 2, 3, 4), model.row(9, 8, 7, 6), model.row(5, 5, 5, 5)]


@pytest.fixture(scope="module")
def answers(server, rows):
    return rows_of(server.predict({"instances": rows}))


def test_there_is_an_answer_for_each_row(answers, rows, model):
    assert len(answers) == len(rows)
    names = set(model.outputs) if len(model.outputs) > 1 else {""}
    assert all(set(answer) == names for answer in answers)


def test_rows_and_columns_are_answered_alike(server, rows, answers):
    found = rows_of(server.predict({"inputs": columns(rows)}))
    assert flat(found) == close_to(answers)


def test_a_row_does_not_depend_on_its_neighbours(server, rows, answers):
    for row, answer in zip(rows, answers, strict=True):
        assert flat(rows_of(server.predict({"instances": [row]}))) == close_to([answer])


def test_padding_that_is_masked_changes_nothing(server, model, rows, answers):
    if model.mask is None or model.length is not None:
        pytest.skip("the model has no mask, or one length only")
    padded = [{name: [*values, 0, 0] for name, values in row.items()} for row in rows]
    assert flat(rows_of(server.predict({"instances": padded}))) == close_to(answers)


@pytest.mark.parametrize(
    "extra",
    [{"unknown": 1}, {"signature_name": "serving_default"}, {"signature_name": ""}],
    ids=json.dumps,
)
@pytest.mark.parametrize("form", ["instances", "inputs"])
def test_what_stands_beside_the_rows(server, rows, answers, extra, form):
    body = {**extra, form: rows if form == "instances" else columns(rows)}
    assert flat(rows_of(server.predict(body))) == close_to(answers)


def test_columns_may_hold_inputs_nobody_knows(server, rows, answers):
    body = {"inputs": {**columns(rows), "surplus": [[0]] * len(rows)}}
    assert flat(rows_of(server.predict(body))) == close_to(answers)


def test_a_version_may_be_named(server, rows, answers):
    version = server.ask("/metadata").data["model_spec"]["version"]
    found = server.ask(f"/versions/{version}:predict", {"instances": rows})
    assert flat(rows_of(found)) == close_to(answers)


def test_every_signature_answers_to_its_name(server, model, rows):
    alike = [
        name
        for name, found in model.signatures.items()
        if set(found["inputs"]) == set(model.inputs)
    ]
    for name in alike:
        body = {"signature_name": name, "instances": rows}
        assert len(rows_of(server.predict(body))) == len(rows)


def test_a_big_batch(server, model):
    kinds = [model.row(1, 2, 3, 1 + index) for index in range(9)]
    alone = [rows_of(server.predict({"instances": [row]}))[0] for row in kinds]
    count = BIG
    answer = server.predict({"inputs": columns(repeated(kinds, count))})
    if answer.status == 400 and (told := TOO_BIG.search(answer.data["error"])):
        count = int(told[1])
        answer = server.predict({"inputs": columns(repeated(kinds, count))})
    assert flat(rows_of(answer)) == close_to(repeated(alone, count))


def repeated(values, count):
    return [values[index % len(values)] for index in range(count)]


@pytest.mark.parametrize(
    "headers", [{}, {"Content_Type": "text/plain"}, {"Accept_Encoding": "gzip"}]
)
def test_headers_that_do_not_matter(server, rows, answers, headers):
    answer = server.predict({"instances": rows}, **headers)
    assert "content-encoding" not in answer.headers
    assert flat(rows_of(answer)) == close_to(answers)


def test_a_compressed_request(server, rows, answers):
    body = compressed({"instances": rows})
    assert flat(rows_of(server.predict(body, Content_Encoding="gzip"))) == close_to(answers)


def test_answers_say_what_they_are(server, rows):
    for body in ({"instances": rows}, b"{"):
        answer = server.predict(body)
        assert answer.headers["content-type"] == "application/json"
        assert int(answer.headers["content-length"]) == len(answer.text.encode())
