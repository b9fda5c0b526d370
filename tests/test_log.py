"""The record that each exchange leaves in the log, for whoever runs a service."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from lightclient import Classifier, LightClientError, ServerError, Signature
from lightclient.standin import StandIn
from tests.pages import PAGES
from tests.scripted import Script, answering, once, outputs, read_request, response, serving

BUSY = response(503, '{"error": "later"}', "Connection: close")


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.DEBUG, "lightclient"):
        yield caplog


def records(log: pytest.LogCaptureFixture) -> list[Any]:
    return [record for record in log.records if record.name == "lightclient"]


def connect(url: str, **options: Any) -> Classifier:
    return Classifier(url, signature=Signature(), **options)


def test_a_call(log: pytest.LogCaptureFixture) -> None:
    sent: list[bytes] = []

    def script(connection: socket.socket) -> None:
        sent.append(read_request(connection))
        connection.sendall(outputs())

    with serving(script) as server, connect(server.url) as classifier:
        classifier.classify("a gem")
    [record] = records(log)
    size = len(sent[0].partition(b"\r\n\r\n")[2])
    received = len(b'{"outputs": [[-1.0, 1.0]]}')
    assert (record.levelno, record.method) == (logging.DEBUG, "POST")
    assert record.url == f"{server.url}:predict"
    assert (record.status, record.error, record.attempts, record.repeated) == (200, None, 1, [])
    assert (record.bytes_sent, record.bytes_received) == (size, received)
    assert 0 < record.seconds < 60
    assert record.getMessage() == (
        f"POST {server.url}:predict status=200 error=None attempts=1 repeated=[] "
        f"bytes_sent={size} bytes_received={received} seconds={record.seconds:.4f}"
    )


def test_what_the_first_call_asks_before(log: pytest.LogCaptureFixture) -> None:
    with StandIn() as url, Classifier(url) as classifier:
        classifier.classify("a gem")
    assert [(record.method, record.url) for record in records(log)] == [
        ("GET", f"{url}/metadata"),
        ("POST", f"{url}:predict"),
    ]


def test_repeats_are_in_the_same_record(log: pytest.LogCaptureFixture) -> None:
    with serving(once(BUSY), read_request_only, once(outputs())) as server:
        connect(server.url).classify("a gem")
    [record] = records(log)
    assert (record.status, record.error, record.attempts) == (200, None, 3)
    assert record.repeated == ["503", "ConnectionLost"]


def read_request_only(connection: socket.socket) -> None:
    read_request(connection)


def test_a_refusal_that_stays(log: pytest.LogCaptureFixture) -> None:
    with serving(once(BUSY)) as server, pytest.raises(ServerError):
        connect(server.url, retries=1).classify("a gem")
    [record] = records(log)
    assert (record.status, record.error, record.attempts) == (503, None, 2)
    assert (record.repeated, record.bytes_received) == (["503"], len('{"error": "later"}'))


def no_token() -> str:
    raise OSError


@pytest.mark.parametrize(
    ("script", "options", "status", "error"),
    [
        (read_request_only, {}, None, "ConnectionLost"),
        (lambda connection: read_request(connection) + read_request(connection), {"timeout": 0.2},
         None, "TimedOut"),
        (answering(response(302, "", "Location: /")), {}, 302, "RedirectRefused"),
        (once(b"\x00\xff"), {}, None, "NotTensorFlowServing"),
        (answering(response(400, '{"error": "no"}')), {}, 400, None),
        (answering(outputs()), {"token": no_token}, None, "CredentialsError"),
    ],
)  # fmt: skip
def test_a_call_that_fails(
    script: Script, options: Any, status: int | None, error: str | None,
    log: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    with serving(script) as server, pytest.raises(LightClientError):
        connect(server.url, retries=0, **options).classify("a gem")
    [record] = records(log)
    assert (record.levelno, record.attempts, record.repeated) == (logging.DEBUG, 1, [])
    assert (record.status, record.error) == (status, error)


def test_a_call_that_a_signal_ends(log: pytest.LogCaptureFixture) -> None:
    def script(connection: socket.socket) -> None:
        read_request(connection)
        os.kill(os.getpid(), signal.SIGINT)
        read_request(connection)

    with serving(script) as server, pytest.raises(KeyboardInterrupt):
        connect(server.url).classify("a gem")
    [record] = records(log)
    assert (record.status, record.error) == (None, "KeyboardInterrupt")


def test_each_request_of_a_stream(log: pytest.LogCaptureFixture) -> None:
    sizes: list[int] = []

    def script(connection: socket.socket) -> None:
        while request := read_request(connection):
            sizes.append(len(request.partition(b"\r\n\r\n")[2]))
            connection.sendall(outputs([[-1.0, 1.0]] * request.count(b"[101")))

    with serving(script) as server, connect(server.url) as classifier:
        list(classifier.classify_many(f"text {n}" for n in range(1000)))
    found = records(log)
    assert sorted(record.bytes_sent for record in found) == sorted(sizes)
    assert len(sizes) > 3
    assert threading.get_ident() not in {record.thread for record in found}


def test_the_threads_of_a_classifier(log: pytest.LogCaptureFixture) -> None:
    with StandIn() as url, connect(url) as classifier:
        work = [
            threading.Thread(target=classifier.classify, args=(["a gem"] * (n + 1),))
            for n in range(8)
        ]
        for thread in work:
            thread.start()
        for thread in work:
            thread.join()
    found = {record.threadName: record.bytes_sent for record in records(log)}
    sizes = [found[thread.name] for thread in work]
    assert sizes == sorted(set(sizes))  # each thread has a larger request than the one before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_process(log: pytest.LogCaptureFixture) -> None:
    with StandIn() as url, connect(url) as classifier:
        classifier.classify("a gem")
        child = os.fork()
        if child == 0:
            signal.alarm(20)  # it ends a child that hangs
            classifier.classify("a gem")
            first, second = records(log)
            os._exit(0 if (second.status, first.process) == (200, os.getppid()) else 1)
        assert os.waitpid(child, 0)[1] == 0
    assert len(records(log)) == 1


@pytest.mark.parametrize("level", [logging.INFO, logging.WARNING])
def test_no_record_without_debug(level: int, log: pytest.LogCaptureFixture) -> None:
    logging.getLogger("lightclient").setLevel(level)  # of the logger alone; handlers take it all
    with StandIn() as url, connect(url) as classifier:
        classifier.classify("a gem")
        list(classifier.classify_many(["a gem"]))
    assert records(log) == []


@pytest.fixture
def factory() -> Iterator[Callable[[Any], None]]:
    former = logging.getLogRecordFactory()
    yield logging.setLogRecordFactory
    logging.setLogRecordFactory(former)


def test_records_of_an_application_that_have_such_attributes_already(
    factory: Callable[[Any], None], log: pytest.LogCaptureFixture
) -> None:
    """A web service may add the request that it serves to all its records."""

    def of_a_web_service(*args: Any, **options: Any) -> logging.LogRecord:
        record = logging.LogRecord(*args, **options)
        vars(record).update(method="PUT", url="/mine", status=0, error="", attempts=0)
        return record

    factory(of_a_web_service)
    with StandIn() as url, connect(url) as classifier:
        assert classifier.classify("a gem").label == "POSITIVE"
    [record] = records(log)
    assert (record.method, record.status, record.attempts) == ("POST", 200, 1)


@pytest.fixture
def metrics() -> Iterator[Callable[..., float | None]]:
    """The README's recipe for Prometheus; gives the value of a sample."""
    registry = pytest.importorskip("prometheus_client").REGISTRY
    recipe = PAGES["lightclient/SERVICES.md"].block("python", "prometheus_client")
    names: dict[str, Any] = {}
    exec(compile(recipe, "SERVICES.md", "exec"), names)
    yield lambda name, **labels: registry.get_sample_value(f"lightclient_{name}", labels)
    names["log"].removeFilter(names["count"])
    for metric in (names["exchanges"], names["repeats"]):
        registry.unregister(metric)


def test_the_recipe_for_prometheus(
    metrics: Callable[..., float | None], log: pytest.LogCaptureFixture
) -> None:
    with serving(once(BUSY), once(outputs()), read_request_only, once(outputs())) as server:
        classifier = connect(server.url)
        classifier.classify("a gem")
        list(classifier.classify_many(["a gem"]))
    with pytest.raises(LightClientError):
        connect(server.url, retries=1).classify("a gem")  # nobody answers there any more
    assert metrics("seconds_count", result="200") == 2
    assert metrics("seconds_count", result="CannotConnect") == 1
    assert 0 < (metrics("seconds_sum", result="200") or 0) < 60
    reasons = ("503", "ConnectionLost", "CannotConnect", "429")
    assert [metrics("repeats_total", reason=reason) for reason in reasons] == [1, 1, 1, None]
    assert records(log) == []  # they are counted, and not shown


def test_the_recipe_for_prometheus_lets_warnings_through(
    metrics: Callable[..., float | None], log: pytest.LogCaptureFixture
) -> None:
    """Here, that the model carries no bundle."""

    def model(inputs: Any) -> Any:
        return {"logits": np.array([[2.0, -2.0]], dtype=np.float32)}

    with StandIn(model) as url, Classifier(url) as classifier:
        classifier.classify("a gem")
    assert [record.levelno for record in records(log)] == [logging.WARNING]
