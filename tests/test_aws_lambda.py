"""The forms of events that the Lambda handler takes, and how it answers when something fails.

tests/aws_lambda runs it in Lambda's own runtime client.
"""

import json
import logging
import os
import random
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lightclient import (
    AccessDenied,
    Classification,
    Classifier,
    InputError,
    LightClientError,
    Signature,
    TimedOut,
    errors,
)
from lightclient.aws_lambda import make_handler
from lightclient.standin import StandIn
from tests.lambda_events import BATCHES, HTTP, batch_event, failures, http_event, read_event
from tests.pages import PAGES
from tests.scripted import ScriptedServer, answering, outputs, read_request, response, serving

SECRET = "what nobody may read"


class Context:
    """What Lambda passes beside the event."""

    def __init__(self, milliseconds: int = 60_000) -> None:
        self._milliseconds = milliseconds

    def get_remaining_time_in_millis(self) -> int:
        return self._milliseconds


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with StandIn() as url:
        yield url


@pytest.fixture(scope="module")
def classifier(url: str) -> Iterator[Classifier]:
    with Classifier(url) as classifier:
        yield classifier


@pytest.fixture(scope="module")
def handle(classifier: Classifier) -> Callable[[Any], Any]:
    handler = make_handler(classifier)
    return lambda event: handler(event, Context())


def test_an_invocation_with_one_text(handle: Any, classifier: Classifier) -> None:
    answer = classifier.classify("a gem")
    assert handle({"text": "a gem"}) == {
        "label": "POSITIVE",
        "score": answer.score,
        "truncated": False,
    }
    assert handle({"text": "gem " * 600})["truncated"] is True


def test_an_invocation_with_texts_and_pairs(handle: Any, classifier: Classifier) -> None:
    found = handle({"texts": ["a gem", ["a mess", "a bore"]]})
    alone = classifier.classify(["a gem", ("a mess", "a bore")])
    assert [(item["label"], item["score"]) for item in found] == [
        (answer.label, answer.score) for answer in alone
    ]
    assert handle({"text": ["a mess", "a bore"]})["label"] == alone[1].label
    assert handle({"texts": []}) == []


def test_top_k(handle: Any, classifier: Classifier) -> None:
    scores = [score._asdict() for score in classifier.classify("a gem").scores]
    assert handle({"text": "a gem", "top_k": 1})["scores"] == scores[:1]
    assert handle({"texts": ["a gem"], "top_k": 9})[0]["scores"] == scores
    assert "scores" not in handle({"text": "a gem", "top_k": None})


def test_threshold(handle: Any, classifier: Classifier) -> None:
    scores = [score._asdict() for score in classifier.classify("a gem").scores]
    assert handle({"text": "a gem", "threshold": 0.5})["labels"] == scores[:1]
    assert handle({"text": "a gem", "threshold": 1})["labels"] == []
    for threshold in (0, {"POSITIVE": 0, "NEGATIVE": 0.001}):
        [found] = handle({"texts": ["a gem"], "threshold": threshold, "top_k": 1})
        assert (found["labels"], found["scores"]) == (scores, scores[:1])
    found = handle({"text": "a gem", "threshold": {"POSITIVE": 0.999, "NEGATIVE": 0.001}})
    assert found["labels"] == scores[1:]
    assert "labels" not in handle({"text": "a gem", "threshold": None})


def test_a_threshold_for_other_labels_is_a_400_that_names_them(handle: Any) -> None:
    for asked in ({"text": SECRET}, {"texts": [SECRET, SECRET]}):
        answer = handle(http_event("http", asked | {"threshold": {"POSITIVE": 0.5, "toxic": 0.5}}))
        assert answer["statusCode"] == 400
        assert "it lacks 'NEGATIVE', and no label is called 'toxic'" in answer["body"]
        assert SECRET not in answer["body"]


def test_a_threshold_that_is_no_number_costs_no_request() -> None:
    with serving(answering(outputs(), error(401))) as server:
        handler = handler_for(server)
        for threshold in ("0.5", float("nan"), {"POSITIVE": True}, []):
            with pytest.raises(InputError, match="must be a finite number"):
                handler({"text": "a gem", "threshold": threshold}, Context())


@pytest.mark.parametrize("base64", [False, True], ids=["plain", "base64"])
@pytest.mark.parametrize("name", HTTP)
def test_an_http_request(name: str, base64: bool, handle: Any) -> None:
    asked = {"texts": ["a gem", "schön"], "top_k": 2}
    answer = handle(http_event(name, asked, base64=base64))
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"]) == handle(asked)
    assert answer["isBase64Encoded"] is False
    kind = "application/json"
    if name == "alb-lists":
        assert answer["multiValueHeaders"] == {"Content-Type": [kind]}
        assert "headers" not in answer
    else:
        assert answer["headers"] == {"Content-Type": kind}
        assert "multiValueHeaders" not in answer
    # API Gateway's forms have no such key.
    assert answer.get("statusDescription") == ("200 OK" if name.startswith("alb") else None)


def test_the_events_as_they_are(handle: Any) -> None:
    for name in HTTP:
        assert json.loads(handle(read_event(name))["body"])["label"] == "POSITIVE"
    for name in BATCHES:
        assert failures(handle(read_event(name))) == []


WRONG: list[object] = [
    {"text": 5},
    {"text": None},
    {"text": [SECRET]},
    {"text": [SECRET, 5]},
    {"text": {SECRET: SECRET}},
    {"text": SECRET + "\ud800"},
    {"texts": SECRET},
    {"texts": ["a gem", 5]},
    {"texts": [[SECRET, SECRET, SECRET]]},
    {"text": SECRET, "texts": [SECRET]},
    {"text": SECRET, "top_k": 0},
    {"text": SECRET, "top_k": True},
    {"text": SECRET, "top_k": "2"},
    {"text": SECRET, "threshold": "0.5"},
    {"text": SECRET, "threshold": float("nan")},
    {"texts": [SECRET], "threshold": {"POSITIVE": 0.5, "NEGATIVE": None}},
    {"texts": [SECRET], "threshold": {"POSITIVE": 0.5}},
    {"text": SECRET, SECRET: 1},
]
NO_REQUEST: list[object] = [{}, {SECRET: SECRET}, [SECRET], "5", "null", f'"{SECRET}"']
NO_JSON = [f'{{"text": "{SECRET}', SECRET, "[" * 100_000, '{"text": 1' + "0" * 5000 + "}"]


def short(value: object) -> str:
    return repr(value)[:40]


@pytest.mark.parametrize("wrong", WRONG, ids=short)
def test_a_wrong_invocation_raises_and_does_not_quote(wrong: object, handle: Any) -> None:
    with pytest.raises(InputError) as caught:
        handle(wrong)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("wrong", [*WRONG, *NO_REQUEST, *NO_JSON, ""], ids=short)
def test_a_wrong_request_is_a_400_and_is_not_quoted(wrong: object, handle: Any) -> None:
    answer = handle(http_event("http", wrong))
    assert answer["statusCode"] == 400
    assert json.loads(answer["body"]).keys() == {"error", "message"}
    assert json.loads(answer["body"])["error"] == "InputError"
    assert SECRET not in json.dumps(answer)


def test_a_request_that_cannot_be_decoded(handle: Any) -> None:
    for event in (
        http_event("rest", b'{"text": "\xff"}', base64=True),
        http_event("rest", "{}") | {"body": "?", "isBase64Encoded": True},
        http_event("rest", "{}") | {"body": "ü", "isBase64Encoded": True},
        http_event("rest", "{}") | {"body": None},
    ):
        assert handle(event)["statusCode"] == 400
    broken = http_event("rest", "{}") | {"body": "e30=?", "isBase64Encoded": True}
    assert "is not base64" in handle(broken)["body"]


@pytest.mark.parametrize(
    "event",
    [
        {},
        [],
        None,
        SECRET,
        {"Records": []},
        {"Records": [SECRET]},
        {"Records": [{"eventSource": "aws:s3", "s3": {}}]},
        {"requestContext": None, "body": SECRET},
        {"requestContext": SECRET, "httpMethod": "POST", "body": SECRET},
        {"requestContext": {"connectionId": "websocket"}, "body": SECRET},
        {"detail-type": "Scheduled Event", "source": "aws.events", "detail": {}},
    ],
    ids=short,
)
def test_an_event_of_no_known_form(event: object, handle: Any) -> None:
    with pytest.raises(InputError, match="does not know this form") as caught:
        handle(event)
    for form in ('"text"', "API Gateway", "function URL", "Load Balancer", "SQS", "Kinesis"):
        assert form in str(caught.value)
    assert SECRET not in str(caught.value)


def error(status: int, *headers: str) -> bytes:
    return response(status, '{"error": "no"}', *headers)


def hang(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def drop(connection: socket.socket) -> None:
    read_request(connection)


def handler_for(server: ScriptedServer, **options: Any) -> Any:
    """A handler that was warmed up while the server still answered well."""
    options = {"signature": Signature(), "retries": 0} | options
    return make_handler(Classifier(server.url, **options))


@pytest.mark.parametrize(
    ("broken", "status", "name"),
    [
        (error(400), 400, "BadRequest"),
        (error(413), 400, "BadRequest"),
        (error(401), 502, "AccessDenied"),
        (error(403), 502, "AccessDenied"),
        (error(404), 502, "ModelNotFound"),
        (error(429), 429, "Overloaded"),
        (error(500), 502, "ServerFailed"),
        (error(503), 503, "Unavailable"),
        (error(504), 504, "TimedOut"),
        (response(302, "", "Location: http://elsewhere/"), 502, "RedirectRefused"),
        (outputs([[1.0]]), 502, "ReplyError"),
        (response(200, "<html>"), 502, "NotTensorFlowServing"),
        (b"", 503, "ConnectionLost"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_failure_becomes_a_status(
    broken: bytes, status: int, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    second = answering(broken) if broken else drop
    with serving(answering(outputs(), b""), second) as server:
        handler = handler_for(server)
        server.end_connections()
        answer = handler(http_event("alb", {"text": SECRET}), Context())
        with pytest.raises(LightClientError) as caught:
            handler({"text": SECRET}, Context())
    assert (answer["statusCode"], answer["statusDescription"][:3]) == (status, str(status))
    told = json.loads(answer["body"])
    assert told["error"] == name
    assert server.url not in told["message"]  # callers have no need to know it
    assert type(caught.value).__name__ == name
    assert SECRET not in json.dumps(answer)
    # What went wrong is in the function's log, and there is no text in it either.
    assert str(caught.value) in caplog.text
    assert SECRET not in caplog.text


def test_the_page_has_the_status_of_every_error() -> None:
    class Failing(Classifier):
        error: LightClientError = TimedOut("not yet")

        def classify(self, texts: Any, *, timeout: float | None = None) -> Any:
            raise self.error

    failing = Failing("http://127.0.0.1:1/v1/models/m")
    handler = make_handler(failing)
    page = PAGES["lightclient/aws_lambda/README.md"].text
    rows = re.findall(r"^\| (\d{3}) \| (.*) \|$", page, re.M)
    stated = {name.strip("`"): int(status) for status, names in rows for name in names.split(", ")}
    for kind in (value for value in vars(errors).values() if isinstance(value, type)):
        failing.error = kind("what happened")
        answer = handler(http_event("http", {"text": "x"}), Context())
        # A parent stands for its children.
        names = [parent.__name__ for parent in kind.__mro__ if parent.__name__ in stated]
        assert answer["statusCode"] == stated[names[0] if names else "any other"], kind


def test_a_record_that_was_written_by_hand_may_fail() -> None:
    records = [{"eventSource": "aws:sqs", "messageId": "1", "body": "no JSON"}]
    handler = make_handler(Classifier("http://127.0.0.1:1/invocations", signature=Signature()))
    answer = handler({"Records": records}, Context())
    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}


def test_a_token_that_cannot_be_had_is_not_the_callers_fault(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def expired() -> str:
        raise RuntimeError("no metadata service")

    handler = make_handler(
        Classifier("http://127.0.0.1:1/invocations", signature=Signature(), token=expired)
    )
    answer = handler(http_event("http", {"text": "x"}), Context())
    assert (answer["statusCode"], json.loads(answer["body"])["error"]) == (502, "CredentialsError")
    assert "answered 502: CredentialsError" in caplog.text


def test_how_long_the_server_asks_to_wait_is_passed_on() -> None:
    with serving(answering(outputs(), error(429, "Retry-After: 7"))) as server:
        answer = handler_for(server)(http_event("rest", {"text": "x"}), Context())
    assert answer["headers"]["Retry-After"] == "7"


def test_the_errors_of_an_invocation_are_raised() -> None:
    with serving(answering(outputs(), error(401))) as server, pytest.raises(AccessDenied):
        handler_for(server)({"text": "x"}, Context())


@pytest.mark.parametrize(
    ("setting", "left", "expected"),
    [(10, 800, 0.3), (0.2, 60_000, 0.2), (10, 400, 0.001), (10, 0, 0.001)],
)
def test_the_deadline_is_the_smaller_of_the_setting_and_what_is_left(
    setting: float, left: int, expected: float, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(answering(outputs()), hang) as server:
        handler = handler_for(server, timeout=setting)
        server.end_connections()
        with pytest.raises(TimedOut) as caught:
            handler({"text": "x"}, Context(left))
        assert caught.value.timeout == pytest.approx(expected)
        assert handler(http_event("http", {"text": "x"}), Context(left))["statusCode"] == 504
        caplog.clear()
        assert failures(handler(batch_event("sqs", GOOD, GOOD), Context(left))) == ["id-0", "id-1"]
        # When the time is up, it looks at no further records.
        assert caplog.text.count(f"within {expected:g} s") == 1
        assert "records after it that come again: 1" in caplog.text


def test_called_by_hand_without_a_context(url: str) -> None:
    with Classifier(url) as classifier:
        assert make_handler(classifier)({"text": "a gem"}, None)["label"] == "POSITIVE"


@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_without_a_failure(
    name: str, classifier: Classifier, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = ["a gem", "a mess", "a wonderful film"]
    handler = make_handler(classifier)
    assert failures(handler(batch_event(name, *({"text": text} for text in texts)), None)) == []
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["itemIdentifier"] for line in lines] == ["id-0", "id-1", "id-2"]
    labels = [answer.label for answer in classifier.classify(texts)]
    assert [line["label"] for line in lines] == labels
    assert not any(text in json.dumps(lines) for text in texts)


BAD = ["no JSON", "[]", {}, {"texts": ["x"]}, {"text": 5}, {"text": [SECRET]}, {"text": "\ud800"}]
GOOD = {"text": "a gem", "id": 7}


@pytest.mark.parametrize("bad", BAD, ids=short)
def test_a_record_without_a_text_fails_alone(
    bad: object, handle: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert failures(handle(batch_event("sqs", GOOD, bad, GOOD, bad))) == ["id-1", "id-3"]
    assert [record.getMessage()[:16] for record in caplog.records] == [
        "record id-1 fail",
        "record id-3 fail",
    ]
    reason = "is not JSON" if bad == "no JSON" else 'the field "text" of a record'
    assert caplog.text.count(reason) == 2
    assert SECRET not in caplog.text
    assert failures(handle(batch_event("sqs", bad))) == ["id-0"]


def test_a_failure_holds_up_the_rest_of_a_fifo_queue_and_of_a_stream(
    classifier: Classifier,
) -> None:
    delivered: list[str] = []
    handler = make_handler(
        classifier, deliver=lambda record, _: delivered.append(record.get("messageId", "id"))
    )
    for name in ("sqs-fifo", "kinesis"):
        event = batch_event(name, GOOD, GOOD, {}, GOOD, {})
        assert failures(handler(event, None)) == ["id-2", "id-3", "id-4"]
    assert delivered == ["id-0", "id-1", "id", "id"]


def test_a_stream_s_data_that_is_not_base64(handle: Any) -> None:
    event = batch_event("kinesis", GOOD, GOOD)
    event["Records"][1]["kinesis"]["data"] = "?"
    assert failures(handle(event)) == ["id-1"]


@pytest.mark.parametrize("kind", ["batch", "list"])
def test_many_texts_go_in_few_requests(kind: str) -> None:
    bodies, texts = [], [f"{at} gems" for at in range(400)]

    def count(connection: socket.socket) -> None:
        while request := read_request(connection):
            body = json.loads(request.partition(b"\r\n\r\n")[2])
            bodies.append(len(body["inputs"]["input_ids"]))
            connection.sendall(outputs([[-1.0, 1.0]] * bodies[-1]))

    with serving(count) as server:
        handler = handler_for(server)
        if kind == "batch":
            event = batch_event("sqs", *({"text": text} for text in texts))
            assert failures(handler(event, Context())) == []
        else:
            assert len(handler({"texts": texts}, Context())) == 400
    assert bodies[0] == 1  # the warm-up
    assert sum(bodies[1:]) == 400
    assert 1 < len(bodies[1:]) < 20


@pytest.mark.parametrize("name", BATCHES)
def test_a_server_that_fails_fails_all_records(name: str) -> None:
    with serving(answering(outputs(), error(401))) as server:
        handler = handler_for(server)
        found = failures(handler(batch_event(name, GOOD, GOOD, GOOD), Context()))
    assert found == ["id-0", "id-1", "id-2"]


def test_deliver_gets_each_record_with_its_answer(classifier: Classifier) -> None:
    delivered: list[tuple[Any, Classification]] = []
    handler = make_handler(classifier, deliver=lambda *found: delivered.append(found))
    event = batch_event("sqs", {"text": "a gem"}, {}, {"text": ["a mess", "a bore"], "id": 5})
    assert failures(handler(event, Context())) == ["id-1"]
    assert [record for record, _ in delivered] == [event["Records"][0], event["Records"][2]]
    assert [answer.label for _, answer in delivered] == [
        answer.label for answer in classifier.classify(["a gem", ("a mess", "a bore")])
    ]


def test_an_answer_that_cannot_be_delivered_makes_its_record_come_again(
    classifier: Classifier, caplog: pytest.LogCaptureFixture
) -> None:
    def deliver(record: Any, answer: Classification) -> None:
        if record["messageId"] == "id-1":
            raise OSError("the table is gone")

    handler = make_handler(classifier, deliver=deliver)
    event = batch_event("sqs", GOOD, GOOD, GOOD)
    assert failures(handler(event, Context())) == ["id-1"]
    assert "the answer for record id-1 was not delivered" in caplog.text
    assert "the table is gone" in caplog.text


def test_it_is_warm_before_the_first_event(url: str) -> None:
    heads = []

    def note(connection: socket.socket) -> None:
        while request := read_request(connection):
            heads.append(request.split(b"\r\n")[0])
            connection.sendall(outputs())

    with serving(note) as server:
        handler_for(server)
        assert heads == [b"POST /v1/models/m:predict HTTP/1.1"]


def test_a_server_that_comes_up_after_the_handler_was_made(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = ScriptedServer([answering(outputs())], listens=False)
    try:
        handler = handler_for(server)
        assert "not warmed up: CannotConnect" in caplog.text
        server.come_up()
        assert handler({"text": "a gem"}, Context())["label"] == "POSITIVE"
    finally:
        server.close()


def test_pauses_are_not_drawn_from_what_clones_of_a_snapshot_share() -> None:
    """If they were, all clones would come back at the same moment."""
    state = random.getstate()
    with serving(answering(outputs(), error(503), error(503), outputs())) as server:
        assert handler_for(server, retries=2)({"text": "a gem"}, Context())["label"] == "POSITIVE"
    assert random.getstate() == state


def test_a_connection_that_died_meanwhile_costs_no_error() -> None:
    with serving(answering(outputs())) as server:
        handler = handler_for(server)
        server.end_connections()
        assert handler({"text": "a gem"}, Context())["label"] == "POSITIVE"
        assert server.connections == 2


def test_only_a_classifier_makes_a_handler() -> None:
    with pytest.raises(InputError, match="takes a Classifier, not 'http://x'"):
        make_handler("http://x")  # type: ignore[arg-type]


def run(code: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if "LIGHTCLIENT" not in name}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent.parent,
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_handler_is_made_from_the_environment_when_it_is_asked_for(url: str) -> None:
    code = """
import lightclient.aws_lambda as module
from lightclient.aws_lambda import make_handler  # needs no environment
print(module.handler is module.handler, module.handler({"text": "a gem"}, None)["label"])
"""
    assert run(code, LIGHTCLIENT_URL=url).stdout == "True POSITIVE\n"
    without = run(code)
    assert without.stdout == ""
    assert "SettingError: no server is named" in without.stderr


NEW_MODULES = """
import sys
from lightclient import LightClientError
from lightclient.aws_lambda import handler
from tests.lambda_events import BATCHES, HTTP, http_event, read_event
known = set(sys.modules)
for event in ({"text": "x"}, {"texts": ["x"]}, *map(read_event, [*HTTP, *BATCHES])):
    try:
        handler(event, None)
    except LightClientError:
        pass  # where nobody answers
for name in HTTP:
    handler(http_event(name, "no JSON"), None)
print(sorted(set(sys.modules) - known), "numpy" in known)
"""


@pytest.mark.parametrize("answers", [True, False], ids=["answers", "is down"])
def test_no_event_has_to_wait_for_an_import(url: str, answers: bool) -> None:
    server = url if answers else "http://localhost:1/v1/models/m"
    done = run(NEW_MODULES, LIGHTCLIENT_URL=server, LIGHTCLIENT_TIMEOUT="0.2")
    assert done.stdout.splitlines()[-1:] == ["[] True"], done.stderr


def test_it_has_no_other_names() -> None:
    import lightclient.aws_lambda

    assert sorted(lightclient.aws_lambda.__all__) == ["handler", "make_handler"]
    with pytest.raises(AttributeError, match="has no attribute 'absent'"):
        lightclient.aws_lambda.absent  # type: ignore[attr-defined]  # noqa: B018


def test_who_does_not_name_it_does_not_load_it(url: str) -> None:
    code = """
import sys, lightclient
assert lightclient.classify("a gem").label == "POSITIVE"
print([name for name in sys.modules if "aws_lambda" in name])
"""
    assert run(code, LIGHTCLIENT_URL=url).stdout == "[]\n"


@pytest.fixture(autouse=True)
def _warnings(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="lightclient")
