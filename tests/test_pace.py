"""Streams whose server is overloaded, restarts, or is gone for good."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from lightclient import (
    CannotConnect,
    Classification,
    Classifier,
    ConnectionLost,
    Overloaded,
    Signature,
    TimedOut,
    Unavailable,
)
from lightclient.http.deadline import Deadline
from lightclient.http.pace import Pace
from lightclient.http.transport import Transport
from lightclient.standin import Batching, StandIn
from lightclient.streams.load import FIRST
from tests.exchanges import BATCHING
from tests.scripted import (
    ScriptedServer,
    answering,
    outputs,
    read_request,
    response,
    serving,
)
from tests.stress.callers import logits_of_text, own_threads
from tests.stress.server import Server, right_answer, rows_of, well

QUEUE_IS_FULL = response(503, BATCHING["a full queue"])
BUSY = response(429, '{"error": "busy"}')
SIGNATURE = Signature(output="logits")
# Each fills a twentieth of a request.
TEXTS = [f"{at} " + "word " * 45 for at in range(6000)]
PATH = "/v1/models/m:predict"


def assert_right(answers: list[Any], texts: list[str]) -> None:
    assert [answer.logits for answer in answers] == [logits_of_text(text) for text in texts]


class Admitting:
    """Admits so many requests at a time and refuses the others.

    The first ones are waited for, so that they meet. `refused`, `answered`: how many requests were.
    """

    def __init__(self, admits: int) -> None:
        self.admits, self.refused, self.answered = admits, 0, 0
        self._first = threading.Barrier(FIRST.requests, timeout=30)
        self._changed = threading.Condition()
        self._under_way = 0

    def __call__(self, connection: socket.socket, request: bytes) -> bool:
        meets = self.answered + self.refused == 0
        if not self._admit(self._first.wait() < self.admits if meets else True):
            connection.sendall(QUEUE_IS_FULL)
            return True
        answer = response(200, right_answer(request))
        time.sleep(0.002)  # the model computes
        with self._changed:
            self._under_way -= 1
            self.answered += 1
        connection.sendall(answer)
        return True

    def _admit(self, may_come: bool) -> bool:
        with self._changed:
            if not may_come or self._under_way >= self.admits:
                self.refused += 1
                return False
            self._under_way += 1
            self._changed.notify_all()
            self._wait()
            return True

    def _wait(self) -> None:
        """Before the request is answered."""

    def wait_until_under_way(self, count: int) -> bool:
        """Whether so many requests come to be under way at once."""
        return self._changed.wait_for(lambda: self._under_way >= count, timeout=30)


class Relieved(Admitting):
    """Admits one at a time, and all after 100 answers.

    After 100 more it answers none before all that may be under way at once are.
    """

    refused_before = 0
    met = False

    def _wait(self) -> None:
        if self.answered == 100:
            self.admits, self.refused_before = FIRST.requests, self.refused
        if self.answered >= 200 and not self.met:
            self.met = self.wait_until_under_way(FIRST.requests)
            assert self.met


def test_less_is_under_way_while_a_server_is_overloaded_and_more_again_when_it_is_not() -> None:
    handle = Relieved(admits=1)
    with Server(handle) as server, Classifier(server.url, signature=SIGNATURE) as classifier:
        assert_right(list(classifier.classify_many(TEXTS)), TEXTS)
    assert FIRST.requests - 1 <= handle.refused_before < 100 / 4
    assert handle.met
    assert handle.refused == handle.refused_before


class Recording:
    """Answers the first request when the other three, which are refused, have come once more.

    Then they are refused no longer. `bodies`: the requests that came, in the order of their first
    coming; `answered_at_the_fifth`: how many were answered when the fifth came.
    """

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.answered = self.answered_at_the_fifth = 0
        self._repeated: set[bytes] = set()
        self._changed = threading.Condition()

    def __call__(self, connection: socket.socket, request: bytes) -> bool:
        if not self._admit(request):
            connection.sendall(QUEUE_IS_FULL)
            return True
        with self._changed:
            self.answered += 1
        return well(connection, request)

    def _admit(self, request: bytes) -> bool:
        with self._changed:
            if request in self.bodies:
                self._repeated.add(request)
                self._changed.notify_all()
            else:
                self.bodies.append(request)
            if request == self.bodies[0]:
                return self._changed.wait_for(lambda: len(self._repeated) == 3, timeout=30)
            if len(self.bodies) == 5 and not self.answered_at_the_fifth:
                self.answered_at_the_fifth = self.answered
            return self.answered > 0


def test_no_new_request_gets_in_the_way_of_those_that_were_refused() -> None:
    """Else they might be refused until their deadline."""
    texts = TEXTS[:500]
    handle = Recording()
    with Server(handle) as server, Classifier(server.url, signature=SIGNATURE) as classifier:
        assert_right(list(classifier.classify_many(texts)), texts)
    assert len(handle.bodies) > 5
    assert handle.answered_at_the_fifth == 4


def test_a_stream_gets_through_a_small_queue_of_the_stand_in() -> None:
    batching = Batching(max_batch_size=32, timeout=0.001, threads=1, max_enqueued_batches=1)
    texts = TEXTS[:1000]
    with StandIn(batching=batching) as url, Classifier(url, pad_to=64) as classifier:
        answers = list(classifier.classify_many(texts))
    assert [type(answer) for answer in answers] == [Classification] * len(texts)


@contextmanager
def away_for(seconds: float, server: ScriptedServer) -> Iterator[None]:
    """The server goes down now, and comes up on the same port later, or with the end."""
    server.go_down()
    rising = threading.Timer(seconds, server.come_up)
    rising.start()
    yield
    rising.join()


def conversing(connection: socket.socket) -> None:
    while request := read_request(connection):
        well(connection, request)


@pytest.mark.parametrize("on_error", ["raise", "return"])
def test_a_server_that_restarts_three_times_in_mid_stream(on_error: Any) -> None:
    with serving(conversing) as server:
        classifier = Classifier(server.url, signature=SIGNATURE, timeout=60)
        stream = classifier.classify_many(TEXTS, on_error=on_error)
        answers = [next(stream)]
        for reached in (1000, 2500, 4000):
            answers += [next(stream) for _ in range(reached - len(answers))]
            # Longer than the three repeats of a single call take.
            with away_for(0.8, server):
                answers.append(next(stream))
        answers += stream
    assert_right(answers, TEXTS)


def test_a_server_that_is_gone_for_good_is_not_waited_for_by_each_request() -> None:
    texts = TEXTS[:2000]
    with serving(conversing) as server:
        classifier = Classifier(server.url, signature=SIGNATURE, timeout=1, retries=1)
        stream = classifier.classify_many(texts, on_error="return")
        answers: list[Any] = [next(stream) for _ in range(100)]
        server.go_down()
        answers += stream
    assert len(answers) == len(texts)
    errors = [answer for answer in answers if not isinstance(answer, Classification)]
    assert {type(error) for error in errors} <= {CannotConnect, ConnectionLost, TimedOut}
    first = max(errors, key=lambda error: error.attempts)
    assert first.attempts > 2
    assert str(first).endswith(f"(tried {first.attempts} times)")
    assert errors[-1].attempts <= 2  # as a single call: once, where the budget is used up


def test_a_server_that_is_gone_for_good_ends_a_stream() -> None:
    with serving(conversing) as server:
        stream = Classifier(server.url, signature=SIGNATURE, timeout=0.5).classify_many(TEXTS)
        answers = [next(stream)]
        server.go_down()
        with pytest.raises((CannotConnect, ConnectionLost, TimedOut)) as caught:
            answers.extend(stream)
    assert_right(answers, TEXTS[: len(answers)])
    assert caught.value.index == len(answers)


@pytest.mark.parametrize("refusal", [QUEUE_IS_FULL, BUSY])
def test_a_stream_that_is_left_ends_its_pauses(refusal: bytes) -> None:
    """One request is answered, and its thread waits for the others, which pause for very long."""
    refused = threading.Semaphore(0)
    later = refusal.replace(b"\r\n", b"\r\nRetry-After: 100\r\n", 1)

    def handle(connection: socket.socket, request: bytes) -> bool:
        if len(rows_of(request)) == 64:  # the first chunk
            return all(refused.acquire(timeout=30) for _ in range(3)) and well(connection, request)
        connection.sendall(later)
        refused.release()
        return True

    with Server(handle) as server:
        classifier = Classifier(server.url, signature=SIGNATURE, timeout=300)
        stream: Any = classifier.classify_many([*map(str, range(64)), *TEXTS])
        assert next(stream)
        assert own_threads()
        began = time.monotonic()
        stream.close()
        assert time.monotonic() - began < 5
    assert own_threads() == []


def test_nobody_waits_for_a_permit_at_the_end() -> None:
    """As when the garbage collector closes a stream in the thread that has the only permit."""
    pace = Pace(1)
    pace.take_permit()
    waiting = threading.Thread(target=pace.take_permit)
    waiting.start()
    pace.give_all_permits()
    waiting.join(30)
    assert not waiting.is_alive()


@pytest.mark.parametrize(("answer", "kind"), [(QUEUE_IS_FULL, Unavailable), (BUSY, Overloaded)])
def test_no_retries_are_none_in_a_stream_as_well(answer: bytes, kind: type[Unavailable]) -> None:
    with serving(answering(answer, outputs())) as server:
        classifier = Classifier(server.url, signature=SIGNATURE, retries=0)
        [error] = classifier.classify_many(["a"], on_error="return")
    assert isinstance(error, kind)
    assert error.attempts == 1


def test_a_retry_after_beyond_the_deadline_ends_a_request_of_a_stream() -> None:
    later = BUSY.replace(b"\r\n", b"\r\nRetry-After: 100\r\n", 1)
    with serving(answering(later)) as server:
        classifier = Classifier(server.url, signature=SIGNATURE)
        [error] = classifier.classify_many(["a"], on_error="return")
    assert isinstance(error, Overloaded)
    assert (error.attempts, error.retry_after) == (1, 100.0)


def send(server: ScriptedServer, deadline: Deadline, retries: int = 1) -> Any:
    transport = Transport(server.origin, retries=retries)
    try:
        return transport.send("POST", PATH, b"{}", deadline)
    finally:
        transport.close()


def test_pauses_double_up_to_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    with serving(answering(*[BUSY] * 9, outputs())) as server:
        assert send(server, Deadline(60, pace=Pace(4))).attempts == 10
    for at, pause in enumerate(slept):
        longest = min(0.1 * 2**at, 2.0)
        assert longest / 2 <= pause <= longest


@pytest.mark.parametrize("script", [answering(BUSY), lambda connection: None])
def test_a_request_of_a_stream_is_repeated_until_its_deadline(script: Any) -> None:
    """The last attempts are closer to each other, so that no long pause skips the end."""
    with serving(script) as server:
        pace = Pace(4)
        began = time.monotonic()
        with suppress(ConnectionLost, TimedOut):
            send(server, Deadline(1.5, pace=pace))
        assert time.monotonic() - began > 1.5 - 2 * 0.1
        assert not pace.patient
        # From now on as a single call, until the server answers.
        assert attempts_of(server, Deadline(60, pace=pace)) == 2
    with serving(answering(outputs())) as server:
        send(server, Deadline(60, pace=pace))
    assert pace.patient


def attempts_of(server: ScriptedServer, deadline: Deadline) -> int:
    try:
        found: int = send(server, deadline).attempts
    except ConnectionLost as error:
        return error.attempts
    return found


def test_a_deadline_that_passes_in_a_repeat_tells_how_often_it_was_tried() -> None:
    def busy_then_silent(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(BUSY)
        connection.recv(65536)
        connection.recv(65536)

    late = pytest.raises(TimedOut, match=r"\(tried 2 times\)$")
    with serving(busy_then_silent) as server, late as caught:
        send(server, Deadline(0.5))
    assert caught.value.attempts == 2
