"""The handler as Lambda's own runtime client runs it, in a process of its own."""

import json
import queue
import socket
import threading
from collections.abc import Iterator

import pytest

from lightclient.standin import StandIn
from tests.lambda_events import BATCHES, HTTP, batch_event, failures, http_event, read_event
from tests.scripted import Script, ScriptedServer, read_request, response, serving
from tests.stress.server import right_answer

pytest.importorskip("awslambdaric", reason="needs the extra: pip install '.[lambda]'")

from tests.aws_lambda.runtime import Function

pytestmark = pytest.mark.aws_lambda


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with StandIn() as url:
        yield url


@pytest.fixture(scope="module")
def function(url: str) -> Iterator[Function]:
    with Function({"LIGHTCLIENT_URL": url}) as function:
        function.wait_until_ready()
        yield function


class ModelServer(ScriptedServer):
    """Answers every text on its first connection, and follows the scripts `then` on later ones.

    `seen`: what happened on the connections where it answers, in order.
    """

    def __init__(self, *then: Script, listens: bool = True) -> None:
        self.seen: queue.Queue[str] = queue.Queue()
        super().__init__([self.answer, *then], listens=listens)

    def answer(self, connection: socket.socket) -> None:
        self.seen.put("opened")
        while request := read_request(connection):
            self.seen.put(request.split(b" ")[0].decode())
            connection.sendall(response(200, right_answer(request)))
        self.seen.put("closed")

    def sees(self, count: int) -> list[str]:
        return [self.seen.get(timeout=60) for _ in range(count)]

    def __enter__(self) -> "ModelServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def hang(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


COLD = ["opened", "GET", "POST"]


def test_it_is_loaded_connected_and_warm_before_the_first_event() -> None:
    with ModelServer() as server, Function({"LIGHTCLIENT_URL": server.url}) as function:
        function.wait_until_ready()
        assert server.sees(3) == COLD
        for _ in range(3):  # a warm call is one request on the same connection
            assert function.result({"text": "a gem"})["truncated"] is False
            assert server.sees(1) == ["POST"]
        assert server.connections == 1


def test_invocations(function: Function) -> None:
    assert function.result({"text": "a gem"})["label"] == "POSITIVE"
    found = function.result({"texts": ["a gem", ["a mess", "a bore"], "schön"], "top_k": 2})
    assert [len(answer["scores"]) for answer in found] == [2, 2, 2]


@pytest.mark.parametrize("base64", [False, True], ids=["plain", "base64"])
@pytest.mark.parametrize("name", HTTP)
def test_http_requests(name: str, base64: bool, function: Function) -> None:
    answer = function.result(http_event(name, {"text": "a gem"}, base64=base64))
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["label"] == "POSITIVE"
    refused = function.result(http_event(name, {"text": 5}, base64=base64))
    assert refused["statusCode"] == 400


@pytest.mark.parametrize("name", BATCHES)
def test_batches(name: str, function: Function) -> None:
    assert failures(function.result(read_event(name))) == []
    good, bad = {"text": "a gem"}, "no JSON"
    expected = {
        "sqs": ["id-1", "id-3"],
        "sqs-fifo": ["id-1", "id-2", "id-3"],
        "kinesis": ["id-1", "id-2", "id-3"],
    }
    assert failures(function.result(batch_event(name, good, bad, good, bad))) == expected[name]
    assert '{"itemIdentifier": "id-0", "label": "POSITIVE"' in function.log
    assert "record id-1 failed: InputError" in function.log


def test_an_invocation_that_fails(function: Function) -> None:
    answer = function.invoke({"text": 5})
    assert (answer.kind, answer.value["errorType"]) == ("error", "InputError")
    assert answer.value["errorMessage"].startswith("text must be a str or a pair")
    answer = function.invoke({"Records": [{"eventSource": "aws:s3"}]})
    assert "does not know this form of event" in answer.value["errorMessage"]
    assert function.result({"text": "a gem"})["label"] == "POSITIVE"


def test_a_server_that_hangs_is_answered_for_in_time() -> None:
    with ModelServer(hang) as server, Function({"LIGHTCLIENT_URL": server.url}) as function:
        function.wait_until_ready()
        server.end_connections()
        # `invoke` raises TimeIsUpError, if the answer comes later than Lambda allows.
        answer = function.invoke(http_event("http", {"text": "a gem"}), seconds=2)
        assert answer.value["statusCode"] == 504
        assert json.loads(answer.value["body"])["error"] == "TimedOut"
        answer = function.invoke({"text": "a gem"}, seconds=2)
        assert (answer.kind, answer.value["errorType"]) == ("error", "TimedOut")


@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_is_answered_in_time_as_well(name: str) -> None:
    with ModelServer(hang) as server, Function({"LIGHTCLIENT_URL": server.url}) as function:
        function.wait_until_ready()
        server.end_connections()
        answer = function.invoke(batch_event(name, *[{"text": "a gem"}] * 3), seconds=2)
        assert failures(answer.value)[0] == "id-0"


def test_a_thaw_after_the_server_has_dropped_the_connection() -> None:
    bundle = "distilbert-base-uncased-finetuned-sst-2-english"  # or the log would warn of it
    with (
        ModelServer() as server,
        Function({"LIGHTCLIENT_URL": server.url, "LIGHTCLIENT_BUNDLE": bundle}) as function,
    ):
        function.wait_until_ready()
        assert server.sees(3) == COLD
        function.freeze()
        server.end_connections()
        assert server.sees(1) == ["closed"]
        function.thaw()
        assert function.result({"text": "a gem"})["truncated"] is False
        assert server.sees(2) == ["opened", "POST"]
        assert "WARNING" not in function.log


def test_a_server_that_is_down_at_the_start_and_up_at_the_first_event() -> None:
    server = ModelServer(listens=False)
    with server, Function({"LIGHTCLIENT_URL": server.url}) as function:
        function.wait_until_ready()
        assert "not warmed up: CannotConnect" in function.log
        server.come_up()
        assert function.result({"text": "a gem"})["truncated"] is False
        assert server.sees(3) == COLD


def test_a_server_that_hangs_at_the_start_takes_half_of_the_init_phase_at_most() -> None:
    with serving(hang) as server, Function({"LIGHTCLIENT_URL": server.url}) as function:
        function.wait_until_ready()
        assert "not warmed up: TimedOut" in function.log
        assert "within 5 s" in function.log


def test_a_start_that_cannot_succeed_says_why() -> None:
    with Function({}) as function:
        path, value = function.report()
        assert path == "/runtime/init/error"
        assert value["errorType"] == "SettingError"
        assert "set LIGHTCLIENT_URL" in value["errorMessage"]
        assert function.exit_code() == 1


def snapstart(server: ModelServer) -> Function:
    settings = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
    return Function(settings | {"LIGHTCLIENT_URL": server.url})


def test_snapstart() -> None:
    with ModelServer() as server, snapstart(server) as function:
        assert function.report()[0] == "/runtime/restore/next"
        assert server.sees(4) == [*COLD, "closed"]  # a snapshot holds no connection
        function.api.restored.set()
        function.wait_until_ready()
        assert server.sees(2) == ["opened", "POST"]  # and a restored instance is warm
        assert function.result({"text": "a gem"})["truncated"] is False
        assert server.sees(1) == ["POST"]


def test_a_restore_while_the_server_is_down() -> None:
    with ModelServer() as server, snapstart(server) as function:
        assert function.report()[0] == "/runtime/restore/next"
        server.go_down()
        function.api.restored.set()
        function.wait_until_ready()
        server.come_up()
        assert function.result({"text": "a gem"})["truncated"] is False


def test_managed_instances_share_nothing() -> None:
    both = threading.Barrier(2)

    def meet(connection: socket.socket) -> None:
        """Answers events only when there are two at a time."""
        requests = 0
        while request := read_request(connection):
            requests += 1
            if requests > 2:  # after the metadata and the warm-up
                both.wait(60)
            connection.sendall(response(200, right_answer(request)))

    with serving(meet) as server:
        settings = {"LIGHTCLIENT_URL": server.url, "AWS_LAMBDA_MAX_CONCURRENCY": "2"}
        with Function(settings) as function:
            function.wait_until_ready()
            function.wait_until_ready()
            assert server.connections == 2
            begun = [function.api.begin({"text": text}, 60) for text in ("a gem", "a mess")]
            assert [function.wait(one).kind for one in begun] == ["response", "response"]
            assert server.connections == 2
