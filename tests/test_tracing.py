"""Tracing by OpenTelemetry's own instrumentation of urllib3."""

import socket
from collections.abc import Iterator

import pytest
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id

from lightclient import Classifier, ConnectionLost, Signature
from lightclient.standin import StandIn
from tests.scripted import outputs, read_request, response, serving


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    URLLib3Instrumentor().instrument(tracer_provider=provider)
    yield exporter
    URLLib3Instrumentor().uninstrument()


def test_every_exchange_is_a_span(spans: InMemorySpanExporter) -> None:
    with StandIn() as url, Classifier(url) as classifier:
        classifier.classify("a gem")
        classifier.classify(["a gem", "a mess"])
    found = spans.get_finished_spans()
    assert [span.name for span in found] == ["GET", "POST", "POST"]
    assert all(span.kind is SpanKind.CLIENT for span in found)
    urls = [span.attributes["http.url"] for span in found]
    assert urls == [f"{url}/metadata", f"{url}:predict", f"{url}:predict"]
    assert [span.attributes["http.status_code"] for span in found] == [200, 200, 200]


def test_the_server_sees_the_span_that_called_it(spans: InMemorySpanExporter) -> None:
    seen: list[str] = []

    def script(connection: socket.socket) -> None:
        while request := read_request(connection):
            seen.append(parent(request))
            connection.sendall(outputs([[-1.0, 1.0]] * request.count(b"[101")))

    with serving(script) as server, Classifier(server.url, signature=Signature()) as classifier:
        classifier.classify("a gem")
        list(classifier.classify_many(["a", "b c d"] * 500))
    assert len(seen) > 5
    made = {parent_of(span) for span in spans.get_finished_spans()}
    assert sorted(seen) == sorted(made)  # each its own, although several are under way at once


def test_requests_of_a_stream_belong_to_the_span_around_it(spans: InMemorySpanExporter) -> None:
    around = TracerProvider().get_tracer("tests").start_as_current_span("mine")
    with StandIn() as url, Classifier(url) as classifier, around as mine:
        assert len(list(classifier.classify_many(["a", "b c d"] * 500))) == 1000
    found = spans.get_finished_spans()
    assert len(found) > 3
    assert {span.context.trace_id for span in found} == {mine.get_span_context().trace_id}


@pytest.mark.parametrize("streams", [False, True])
def test_each_attempt_is_a_span_of_its_own(streams: bool, spans: InMemorySpanExporter) -> None:
    seen: list[str] = []

    def script(connection: socket.socket) -> None:
        seen.append(parent(read_request(connection)))
        busy = response(503, '{"error": "later"}', "Connection: close")
        if len(seen) != 2:  # the second connection breaks
            connection.sendall(busy if len(seen) == 1 else outputs())

    with serving(script) as server, Classifier(server.url, signature=Signature()) as classifier:
        list(classifier.classify_many(["a gem"])) if streams else classifier.classify("a gem")
    found = spans.get_finished_spans()
    assert [span.attributes.get("http.status_code") for span in found] == [503, None, 200]
    assert found[1].status.status_code is StatusCode.ERROR
    assert seen == [parent_of(span) for span in found]
    assert len(set(seen)) == 3


@pytest.mark.parametrize("streams", [False, True])
def test_a_failure_is_a_span_with_an_error(streams: bool, spans: InMemorySpanExporter) -> None:
    with serving(lambda connection: None) as server:
        classifier = Classifier(server.url, signature=Signature(), retries=0)
        with pytest.raises(ConnectionLost):
            list(classifier.classify_many(["a gem"])) if streams else classifier.classify("a gem")
    [span] = spans.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR


def parent(request: bytes) -> str:
    """The trace and the span that a request names."""
    head = request.decode().partition("\r\n\r\n")[0].lower()
    return head.partition("traceparent: ")[2].partition("\r\n")[0][:-3]


def parent_of(span: ReadableSpan) -> str:
    return f"00-{format_trace_id(span.context.trace_id)}-{format_span_id(span.context.span_id)}"
