"""The stand-in's REST API beyond the recordings, without a socket."""

import json
import logging

import numpy as np
import pytest

from lightclient.errors import InputError
from lightclient.standin import ServedModel, SignatureDef, StandIn, TensorSpec
from lightclient.standin.models import served
from lightclient.standin.protocol import respond

X = {"x": TensorSpec("float32", (None,))}
Y = {"y": TensorSpec("float32", None)}


def model(run, **options):
    return ServedModel({1: {"serving_default": SignatureDef(run, X, Y)}}, **options)


def times(factor):
    return SignatureDef(lambda inputs: {"y": inputs["x"] * np.float32(factor)}, X, Y)


MODELS = served(
    {
        "two": ServedModel(
            {1: {"serving_default": times(1)}, 7: {"serving_default": times(7)}},
            labels={"old": 1},
        ),
        "café": lambda inputs: {"logits": inputs["input_ids"]},
        "none": ServedModel({1: {"serving_default": SignatureDef(dict, {}, Y)}}),
    }
)


def ask(path, body=None, *, models=MODELS):
    """The status and the JSON value of the answer."""
    if body is None:
        return respond(models, "GET", path, b"")
    return respond(models, "POST", path, json.dumps(body).encode())


def error_of(answer):
    return answer[0], answer[1]["error"]


def outputs(path, **options):
    return ask(f"/v1/models/{path}:predict", {"inputs": [2]}, **options)[1]["outputs"]


def test_versions_and_labels_choose():
    assert outputs("two") == [14.0]
    assert outputs("two/versions/1") == [2.0]
    assert outputs("two/labels/old") == [2.0]


def test_status_lists_the_newest_version_first():
    status = ask("/v1/models/two")[1]["model_version_status"]
    assert [entry["version"] for entry in status] == ["7", "1"]
    # A label is not looked at, as in the real server.
    assert ask("/v1/models/two/labels/none") == ask("/v1/models/two")


def test_metadata_tell_the_version_and_the_tensors():
    _, found = ask("/v1/models/two/labels/old/metadata")
    assert found["model_spec"] == {"name": "two", "version": "1", "signature_name": ""}
    signature = found["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["outputs"]["y"]["tensor_shape"] == {"dim": [], "unknown_rank": True}
    assert signature["inputs"]["x"]["tensor_shape"]["dim"] == [{"size": "-1", "name": ""}]


def test_names_are_percent_decoded():
    body = {"instances": [{"input_ids": [1, 2], "attention_mask": [1, 1]}]}
    _, found = ask("/v1/models/caf%C3%A9:predict", body)
    assert found == {"predictions": [[1.0, 2.0]]}


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/v1/models", 400, "Missing model name in request."),
        ("/v1/models/versions/3", 400, "Missing model name in request."),
        (
            "/v1/models/two/versions/2/metadata",
            404,
            "Servable not found for request: Specific(two, 2)",
        ),
        ("/v1/models/nope/labels/x/metadata", 400, "Unrecognized servable version label: x"),
        ("/v1/none", 400, "Malformed request: GET /v1/none"),
        ("/v1/models/two:classify", 400, "Malformed request: GET /v1/models/two:classify"),
    ],
)
def test_a_wrong_path_is_explained(path, status, message):
    assert error_of(ask(path)) == (status, message)


@pytest.mark.parametrize("version", ["9" * 20, "9" * 5000])
def test_a_version_beyond_64_bits_is_refused(version):
    status, message = error_of(ask(f"/v1/models/two/versions/{version}"))
    assert (status, message[:22]) == (400, "Malformed request: GET")


def test_a_version_may_have_leading_zeros():
    assert outputs("two/versions/0001") == [2.0]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"signature_name": 1},
            'JSON Value: {\n    "signature_name": 1\n} not formatted '
            "correctly. 'signature_name' key must be a string value.",
        ),
        (
            {"instances": [], "inputs": 1, "signature_name": "s"},
            'Serving signature name: "s" not found in signature def',
        ),
    ],
)
def test_a_wrong_request_is_explained(body, message):
    assert error_of(ask("/v1/models/two:predict", body)) == (400, message)


def test_a_signature_without_inputs_cannot_be_asked():
    message = "Failed to get input map for signature: DEFAULT"
    assert error_of(ask("/v1/models/none:predict", {"inputs": 1})) == (400, message)


def test_bytes_alone_do_not_fill_two_inputs():
    status, message = error_of(ask("/v1/models/caf%C3%A9:predict", {"instances": [{"b64": ""}]}))
    assert (status, message[:28]) == (400, "instances is a plain list, b")


def failing(error):
    def run(inputs):
        raise error

    return {"m": model(run)}


@pytest.mark.parametrize("kind", [ValueError, IndexError])
def test_an_error_of_a_value_is_an_error_of_the_graph(kind, caplog):
    answer = ask("/v1/models/m:predict", {"inputs": [1]}, models=failing(kind("no such id")))
    assert error_of(answer) == (400, "no such id")
    assert not caplog.text


def test_a_token_id_outside_of_a_table_is_refused():
    table = np.eye(3, dtype=np.float32)
    ids = TensorSpec("int32", (None,)), TensorSpec("float32", (None, 3))
    found = SignatureDef(lambda inputs: {"y": table[inputs["x"]]}, {"x": ids[0]}, {"y": ids[1]})
    models = {"m": ServedModel({1: {"serving_default": found}})}
    assert ask("/v1/models/m:predict", {"inputs": [2]}, models=models)[0] == 200
    wanted = (400, "index 3 is out of bounds for axis 0 with size 3")
    assert error_of(ask("/v1/models/m:predict", {"inputs": [3]}, models=models)) == wanted


def test_any_other_error_is_an_answer_and_a_log_line_without_the_content(caplog):
    with caplog.at_level(logging.INFO, "lightclient.standin"):
        answer = ask("/v1/models/m:predict", {"inputs": [1]}, models=failing(KeyError("secret")))
    assert error_of(answer) == (500, "KeyError: 'secret'")
    assert "KeyError in" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "TypeError: the model returned NoneType, not a dict of arrays"),
        ({"z": 1}, "TypeError: the model returned no 'y', only ['z']"),
        ({"y": ["a"]}, "TypeError: Cannot cast array"),
    ],
)
def test_a_model_that_returns_nonsense_is_told_so(returned, message):
    models = {"m": model(lambda inputs: returned)}
    status, found = error_of(ask("/v1/models/m:predict", {"inputs": [1]}, models=models))
    assert status == 500
    assert found.startswith(message)


def test_a_wider_float_is_narrowed_and_a_string_is_encoded():
    models = {"m": model(lambda inputs: {"y": np.array([0.1])})}
    assert outputs("m", models=models) == [0.1]
    text = ServedModel(
        {
            1: {
                "serving_default": SignatureDef(
                    lambda inputs: {"s": np.array(["é"])}, X, {"s": TensorSpec("string", None)}
                )
            }
        }
    )
    assert outputs("m", models={"m": text}) == ["é"]


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda: TensorSpec("float", (None,)), ["dtype", "'float'", "float32"]),
        (lambda: TensorSpec("float32", [1]), ["shape", "[1]", "tuple"]),
        (lambda: TensorSpec("float32", (-1,)), ["shape", "-1", "None"]),
        (lambda: SignatureDef(3, X, Y), ["run", "int", "function"]),
        (lambda: SignatureDef(dict, [], Y), ["inputs", "list", "dict"]),
        (lambda: SignatureDef(dict, X, {}), ["outputs", "empty"]),
        (lambda: SignatureDef(dict, X, {"y": 1}), ["outputs", "'y'", "TensorSpec"]),
        (lambda: ServedModel({}), ["versions", "empty"]),
        (lambda: ServedModel({"1": {}}), ["versions", "'1'", "int"]),
        (lambda: ServedModel({-1: {}}), ["versions", "-1"]),
        (lambda: ServedModel({1: {}}, labels={"a": 2}), ["labels['a']", "2"]),
        (lambda: StandIn({}), ["models", "empty"]),
        (lambda: StandIn({"a/b": dict}), ["models", "'a/b'"]),
        (lambda: StandIn({"a": 1}), ["models['a']", "int", "callable"]),
        (lambda: StandIn("model"), ["models", "str", "callable"]),
        (lambda: StandIn(port="8501"), ["port", "'8501'"]),
        (lambda: StandIn(port=70000), ["port", "70000"]),
        (lambda: StandIn(host=""), ["host", "''"]),
    ],
)
def test_a_wrong_argument_is_named_with_its_mend(make, names):
    with pytest.raises(InputError) as caught:
        make()
    for name in names:
        assert name in str(caught.value)
