"""Replies into logits or errors: what a real server answered, and what none should."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightclient import (
    AccessDenied,
    BadRequest,
    LightClientError,
    ModelNotFound,
    NotTensorFlowServing,
    Overloaded,
    ReplyError,
    ServerError,
    ServerFailed,
    SignatureNotFound,
    TimedOut,
    Unavailable,
)
from lightclient.http.transport import Reply
from lightclient.serving.reply import read_logits
from tests.exchanges import EXCHANGES

URL = "http://h:8501/v1/models/m:predict"


def reply(body: Any, status: int = 200) -> Reply:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, data, URL)


def named(name: str) -> dict[str, Any]:
    return next(exchange for exchange in EXCHANGES if exchange["name"] == name)


def recorded(exchange: dict[str, Any]) -> Reply:
    answer = exchange["response"]
    return Reply(answer["status"], answer["body"].encode(), URL)


TWO_ROWS = [[0.00678215781, -0.0178737286], [0.00659694, -0.0181007702]]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("row format, one instance", TWO_ROWS[:1]),
        ("row format, two instances", TWO_ROWS),
        ("columnar format, two rows", TWO_ROWS),
        ("fixed [None,100] model, right length", [[-0.0125212222, 0.00923057]]),
        ("extra input, columnar", [[0.00656881137, -0.0179614834]]),
    ],
)
def test_the_real_server_s_logits(name: str, expected: list[list[float]]) -> None:
    logits = read_logits(recorded(named(name)), len(expected), 2)
    assert logits.dtype == np.float32
    assert logits.tolist() == np.array(expected, dtype=np.float32).tolist()


def test_the_real_server_s_several_outputs() -> None:
    answer = recorded(named("several outputs, row format"))
    logits = read_logits(answer, 2, 3, "probabilities")
    assert logits[0] == pytest.approx([0.0386696942, 0.258541554, 0.70278877])
    with pytest.raises(ReplyError, match="class_id, probabilities, score, top_label, and none is"):
        read_logits(answer, 2, 3)


ERRORS = [exchange for exchange in EXCHANGES if exchange["response"]["status"] != 200]
KINDS = {
    "unknown model": ModelNotFound,
    "unknown version": ModelNotFound,
    "unknown label": ModelNotFound,
    "metadata, unknown model": ModelNotFound,
    "status, unknown model": ModelNotFound,
    "status, unknown version": ModelNotFound,
    "query string on status": ModelNotFound,
    "unknown signature": SignatureNotFound,
    "wrong path": NotTensorFlowServing,
    "double slash": NotTensorFlowServing,
}


@pytest.mark.parametrize("exchange", ERRORS, ids=lambda exchange: exchange["name"])
def test_the_real_server_s_errors(exchange: dict[str, Any]) -> None:
    with pytest.raises(LightClientError) as caught:
        read_logits(recorded(exchange), 1, 2)
    assert type(caught.value) is KINDS.get(exchange["name"], BadRequest)
    if isinstance(caught.value, ServerError):
        said = json.loads(exchange["response"]["body"])["error"]
        assert caught.value.server_message == said
        assert caught.value.status == exchange["response"]["status"]
        assert caught.value.url == URL


@pytest.mark.parametrize("exchange", ERRORS, ids=lambda exchange: exchange["name"])
def test_no_message_quotes_the_request(exchange: dict[str, Any]) -> None:
    with pytest.raises(LightClientError) as caught:
        read_logits(recorded(exchange), 1, 2)
    assert "101" not in str(caught.value)
    assert '"a"' not in str(caught.value)


def test_some_recorded_errors_do_quote_the_request() -> None:
    assert any('"input_ids": [101' in json.dumps(e["response"]).replace("\\", "") for e in ERRORS)


@pytest.mark.parametrize(
    "name",
    [exchange["name"] for exchange in EXCHANGES
     if "Infinity" in exchange["response"]["body"] or "NaN" in exchange["response"]["body"]],
)  # fmt: skip
def test_the_real_server_s_nan_and_infinity(name: str) -> None:
    answer = recorded(named(name))
    values = next(iter(json.loads(answer.body).values()))
    rows = reply({"outputs": [values]})
    with pytest.raises(ReplyError, match="no finite number"):
        read_logits(rows, 1, len(values))


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, AccessDenied), (403, AccessDenied), (404, ModelNotFound), (408, TimedOut),
     (413, BadRequest), (422, BadRequest), (429, Overloaded), (500, ServerFailed),
     (501, ServerFailed), (502, ServerFailed), (503, Unavailable), (504, TimedOut)],
)  # fmt: skip
def test_every_status_has_its_error(status: int, kind: type[LightClientError]) -> None:
    with pytest.raises(LightClientError, match="its own words") as caught:
        read_logits(reply({"error": "its own words"}, status), 1, 2)
    assert type(caught.value) is kind
    html = reply(b"<html>a proxy's page</html>", status)
    with pytest.raises(LightClientError) as caught:
        read_logits(html, 1, 2)
    assert type(caught.value) is (NotTensorFlowServing if status in (404, 422) else kind)


def test_batching_s_refusal_names_the_cure() -> None:
    said = "Tensors 'input_ids' have different shapes and padding is turned off."
    with pytest.raises(BadRequest, match="pad_to=N"):
        read_logits(reply({"error": said}, 400), 1, 2)


def test_a_message_cannot_write_to_the_terminal() -> None:
    with pytest.raises(BadRequest) as caught:
        read_logits(reply({"error": "\x1b]0;owned\x07\r\nlightclient: fake \ud800"}, 400), 1, 2)
    first, second = str(caught.value).splitlines()
    assert first.isprintable()
    assert second.startswith("Does the served model fit")


def test_a_huge_message_is_shortened_but_kept() -> None:
    with pytest.raises(BadRequest) as caught:
        read_logits(reply({"error": "x" * 10**6}, 400), 1, 2)
    assert len(str(caught.value)) < 1000
    assert len(caught.value.server_message) == 10**6


@pytest.mark.parametrize(
    "body",
    [b"", b"<html></html>", b'{"outputs": [[1', b"\xff\xfe\x00", b"[" * 100_000, b"[]", b"3",
     b'"outputs"', b"{}", b'{"result": [[1, 2]]}'],
)  # fmt: skip
def test_what_is_not_this_protocol(body: bytes) -> None:
    with pytest.raises(NotTensorFlowServing):
        read_logits(reply(body), 1, 2)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, "a NoneType"),
        (3, "a float"),
        ("text", "a str"),
        ([], "0 rows; expected 1 rows of 2"),
        ([[1.0, 2.0], [1.0, 2.0]], "2 rows"),
        ([1.0, 2.0], "2 rows"),
        ([1.0], "a float in row 0"),
        ([[1.0]], "1 values in row 0"),
        ([[1.0, 2.0, 3.0]], "3 values"),
        ([[1.0, "2.0"]], "str among them"),
        ([[1.0, True]], "bool among them"),
        ([[1.0, None]], "NoneType among them"),
        ([[[1.0], [2.0]]], "list among them"),
        ([[float("nan"), 1.0]], "nan as logit 0 of row 0"),
        ([[1.0, float("inf")]], "inf as logit 1 of row 0"),
        ([[1.0, 1e39]], "inf as logit 1"),
        ([[1.0, 10**400]], "inf as logit"),
        ({"other": [[1.0, 2.0]]}, "answered with other, and none is 'logits'"),
        ([{"other": [1.0, 2.0]}], "answered with other"),
    ],
)
def test_what_is_no_answer_to_one_text_of_two_labels(found: Any, words: str) -> None:
    with pytest.raises(ReplyError, match=words):
        read_logits(reply({"outputs": found}), 1, 2)


def test_a_number_of_a_million_digits() -> None:
    with pytest.raises(ReplyError, match="inf as logit 0 of row 0"):
        read_logits(reply(b'{"outputs": [[' + b"9" * 10**6 + b", 1]]}"), 1, 2)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["logits", "outputs", "predictions", "error"]), inner)
    ),
    max_leaves=10,
)


@given(json_values, st.sampled_from([200, 200, 400, 404, 500]))
def test_any_json_is_finite_logits_or_our_error(body: Any, status: int) -> None:
    try:
        logits = read_logits(reply(body, status), 1, 2)
    except LightClientError:
        return
    [row] = logits
    assert len(row) == 2
    assert np.isfinite(row).all()


@given(st.binary(max_size=50), st.sampled_from([200, 400, 503]))
def test_any_bytes_are_our_error(body: bytes, status: int) -> None:
    with pytest.raises(LightClientError):
        read_logits(reply(body, status), 1, 2)


def told(message: str) -> str:
    with pytest.raises(BadRequest) as caught:
        read_logits(reply({"error": message}, 400), 1, 2)
    assert caught.value.server_message == message
    return str(caught.value)


def test_only_the_start_of_a_long_message_is_looked_at() -> None:
    """What ends the quotation is told as long as it is seen."""
    assert "the end" in told('JSON Value: {"input_ids": [101]} the end')
    assert "the end" not in told('JSON Value: {"input_ids": [' + "101, " * 1000 + "102]} the end")


@pytest.mark.parametrize("words", ["[1 ,", "[ ", "[" + " " * 2000, 'JSON Value: {"input_ids": ['])
def test_a_message_made_to_take_hours_does_not(words: str) -> None:
    start = (words * 4096)[:4096]
    assert told(start + " [[101, 102]] the end" * 10**5) == told(start)
