"""Requests that must be refused, with the real server's words where they are recorded."""

import json

import pytest

from tests.conformance.server import columns
from tests.exchanges import EXCHANGES

NO_JSON = "JSON Parse error: "
RECORDED = {item["name"]: item for item in EXCHANGES}
# Recorded requests that mean the same to every model with two inputs or more, its name apart.
OF_ANY_MODEL = [
    "status, unknown model",
    "status, trailing slash",
    "metadata, unknown model",
    "unknown model",
    "malformed JSON",
    "malformed JSON, unquoted",
    "top level is a list",
    "neither instances nor inputs",
    "both instances and inputs",
    "empty body, Content-Length: 0",
    "plain list for a two-input signature, row",
    "plain list for a two-input signature, columnar",
    "instances is an object",
    "instances empty",
    "GET on :predict",
    "PUT on :predict",
    "DELETE on :predict",
    "POST on metadata",
    "unknown verb",
    "wrong path",
    "health-looking path",
    "upper-case path",
    "trailing slash",
    "query string",
    "query string on status",
    "percent-encoded colon",
    "double slash",
]


@pytest.mark.parametrize("name", OF_ANY_MODEL)
def test_it_is_refused_as_recorded(server, model, name):
    request, wanted = RECORDED[name]["request"], RECORDED[name]["response"]
    if "two-input" in name and len(model.inputs) == 1:
        pytest.skip("the model has one input only")
    answer = server.ask(
        path=request["path"].replace("tiny_dyn", server.name),
        method=request["method"],
        body=None if request["body"] is None else request["body"].encode(),
        **request["headers"],
    )
    assert answer.status == wanted["status"]
    assert answer.headers["content-type"].split(";")[0] == wanted["content_type"].split(";")[0]
    text = wanted["body"].replace("tiny_dyn", server.name)
    found = answer.data or answer.text
    assert alike(found) == alike(json.loads(text) if answer.data else text)


def alike(answer):
    """An answer as it is, but for the parser's own words on a text that is no JSON."""
    is_parsers = isinstance(answer, dict) and answer["error"].startswith(NO_JSON)
    return NO_JSON if is_parsers else answer


VERSION = 987654321


def test_an_unknown_version(server, model):
    body = {"instances": [model.row(1, 2)]}
    wanted = f"Servable not found for request: Specific({server.name}, {VERSION})"
    assert server.ask(f"/versions/{VERSION}:predict", body).error == (404, wanted)
    assert server.ask(f"/versions/{VERSION}/metadata").error == (404, wanted)
    wanted = f"Could not find version {VERSION} of model {server.name}"
    assert server.ask(f"/versions/{VERSION}").error == (404, wanted)


def test_an_unknown_label(server, model):
    answer = server.ask("/labels/no-such-label:predict", {"instances": [model.row(1, 2)]})
    assert answer.error == (400, "Unrecognized servable version label: no-such-label")


def test_an_unknown_signature(server, model):
    answer = server.predict({"signature_name": "none", "instances": [model.row(1, 2)]})
    assert answer.error == (400, 'Serving signature name: "none" not found in signature def')


def test_a_signature_name_that_is_no_text(server, model):
    answer = server.predict({"signature_name": 5, "instances": [model.row(1, 2)]})
    assert answer.status == 400
    assert "'signature_name' key must be a string value" in answer.data["error"]


def test_a_missing_input(server, model):
    if len(model.inputs) == 1:
        pytest.skip("the model has one input only")
    some = {name: [101, 102] for name in list(model.row(1))[:-1]}
    status, message = server.predict({"instances": [some]}).error
    assert status == 400
    assert message.startswith("Failed to process element: 0 of 'instances' list. JSON object: {\n")
    assert message.endswith(f"}} keys must be equal to: {','.join(sorted(model.inputs))}")
    missing = list(model.row(1))[-1]
    answer = server.predict({"inputs": columns([some])})
    assert answer.error == (400, f"Missing named input: {missing} in 'inputs' object.")


def test_an_input_nobody_knows(server, model):
    answer = server.predict({"instances": [{**model.row(1, 2), "surplus": [0, 0]}]})
    assert answer.error == (
        400,
        in_row(0, "surplus", "JSON object: does not have named input: surplus"),
    )


def in_row(row, name, reason):
    return (
        f"Failed to process element: {row} key: {name} of 'instances' list. "
        f"Error: INVALID_ARGUMENT: {reason}"
    )


def all_as(model, values):
    """A row with the same values in each input."""
    return dict.fromkeys(model.row(1), values)


def test_rows_of_different_lengths(server, model):
    rows = [all_as(model, [1, 2]), all_as(model, [1, 2, 3])]
    wanted = in_row(1, model.ids, "Expecting tensor size: 2 but got: 3")
    assert server.predict({"instances": rows}).error == (400, wanted)
    wanted = "Encountered list at unexpected size: 3 at level: 1 expected size: 2"
    assert server.predict({"inputs": columns(rows)}).error == (400, wanted)


@pytest.mark.parametrize(
    ("value", "told"),
    [("a", '"a" Type: String'), (1.5, "1.5 Type: Number"), (True, "true Type: True")],
)
def test_values_of_another_type(server, model, value, told):
    kind = model.dtypes[model.ids].removeprefix("DT_").lower()
    reason = f"JSON Value: {told} is not of expected type: {kind}"
    row = {**all_as(model, [1]), model.ids: [value]}
    assert server.predict({"instances": [row]}).error == (400, in_row(0, model.ids, reason))
    assert server.predict({"inputs": columns([row])}).error == (400, reason)


def test_a_compressed_request_that_does_not_say_so(server):
    status, message = server.predict(b"\x1f\x8b\x08\x00").error
    assert (status, message[: len(NO_JSON)]) == (400, NO_JSON)


def test_what_the_graph_refuses(server, model):
    """The words are the model's own."""
    if model.mask is None:
        pytest.skip("the model has no mask")
    rows = [
        {**model.row(1, 2, 3), model.mask: [1, 1]},
        {name: [[value] for value in values] for name, values in model.row(1, 2).items()},
    ]
    if model.length is not None:
        rows.append(all_as(model, [1] * (model.length - 1)))
    for row in rows:
        status, message = server.predict({"instances": [row]}).error
        assert (status, bool(message)) == (400, True)
