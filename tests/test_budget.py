"""The repeats that all calls of a client may cause together."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lightclient import CannotConnect, Classifier, Signature, Unavailable
from lightclient.http.deadline import Deadline
from lightclient.http.pace import Pace
from lightclient.http.transport import Transport
from tests.scripted import answering, outputs, read_request, serving
from tests.stress.crowd import BUSY, Down
from tests.stress.server import Server

PATH = "/v1/models/m:predict"
BODY = b'{"inputs": {"input_ids": [[1]], "attention_mask": [[1]]}}'
FIRST, REQUESTS = 35, 4
SIGNATURE = Signature()


@pytest.fixture
def no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


def sent_by(call: Callable[[], Any]) -> int:
    """How often a call was sent, which fails."""
    with pytest.raises((Unavailable, CannotConnect)) as caught:
        call()
    assert ("tried" in str(caught.value)) == (caught.value.attempts > 1)
    return int(caught.value.attempts)


@pytest.fixture(params=["503", "refused"])
def down(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A server that is down for good."""
    with serving(answering(BUSY)) as server:
        if request.param == "refused":
            server.go_down()
        yield server


@pytest.mark.usefixtures("no_time_passes")
def test_single_calls_to_a_server_that_is_down_are_repeated_for_a_fifth_of_them(down: Any) -> None:
    classifier = Classifier(down.url, signature=SIGNATURE, retries=3)
    sent = [sent_by(lambda: classifier.classify("a")) for _ in range(300)]
    assert sent[:8] == [4] * 8
    assert sum(sent) - len(sent) == FIRST + 299 // 5  # the first call found the bucket full
    assert set(sent[20:]) == {1, 2}


@pytest.mark.usefixtures("no_time_passes")
def test_no_call_is_repeated_more_often_than_the_budget_has(down: Any) -> None:
    classifier = Classifier(down.url, signature=SIGNATURE, retries=1000)
    assert [sent_by(lambda: classifier.classify("a")) for _ in range(6)] == [FIRST + 1, *[1] * 4, 2]


@pytest.mark.usefixtures("no_time_passes")
def test_a_connection_that_is_opened_anew_is_no_repeat() -> None:
    def closing_later(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(outputs())
        connection.recv(1)  # the next request meets a closed connection

    with serving(*[closing_later] * 100, answering(BUSY)) as server:
        classifier = Classifier(server.url, signature=SIGNATURE, retries=1000)
        for _ in range(100):
            classifier.classify("a")
        assert server.connections == 100
        assert sent_by(lambda: classifier.classify("a")) == FIRST + 1


def test_a_stream_that_gave_up_sends_no_request_at_once_when_the_budget_is_used_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    pace = Pace(REQUESTS)
    pace.gave_up()
    with serving(answering(BUSY)) as server:
        transport = Transport(server.origin, retries=3)
        replies = [transport.send("POST", PATH, BODY, Deadline(60, pace=pace)) for _ in range(20)]
        transport.close()
    assert [reply.attempts for reply in replies[15:]] == [2, 1, 1, 1, 1]
    assert all(0.2 <= pause <= 0.4 for pause in slept[-4:])
    assert len(slept) == sum(reply.attempts - 1 for reply in replies) + sum(
        reply.attempts <= 3 for reply in replies
    )


class VirtualTime:
    """Stands still while any of the threads works, and goes on when all of them sleep."""

    def __init__(self, threads: int) -> None:
        self.now, self._awake = 0.0, threads
        self._wakes: list[float] = []
        self._changed = threading.Condition()

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._changed:
            wakes = self.now + seconds
            self._wakes.append(wakes)
            self.fall_asleep()
            self._changed.wait_for(lambda: self.now >= wakes)

    def fall_asleep(self) -> None:
        """One thread less is awake; the last one wakes those that are next."""
        with self._changed:
            self._awake -= 1
            if self._awake == 0 and self._wakes:
                self.now = min(self._wakes)
                self._awake = self._wakes.count(self.now)
                self._wakes = [wakes for wakes in self._wakes if wakes > self.now]
                self._changed.notify_all()


@pytest.mark.parametrize("closes", [False, True])
def test_eight_streams_make_no_storm_at_a_server_that_is_down_for_20_s(
    closes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = VirtualTime(8 * REQUESTS)
    handle = Down(20, closes=closes, works=0)
    monkeypatch.setattr(time, "monotonic", clock.monotonic)
    monkeypatch.setattr(time, "sleep", clock.sleep)
    statuses = []

    def request(transport: Transport, pace: Pace) -> None:
        try:
            statuses.append(transport.send("POST", PATH, BODY, Deadline(100, pace=pace)).status)
        finally:
            clock.fall_asleep()

    with Server(handle) as server:
        origin = server.url.partition("/v1")[0]
        streams = [(Transport(origin), Pace(REQUESTS)) for _ in range(8)]
        threads = [
            threading.Thread(target=request, args=stream)
            for stream in streams
            for _ in range(REQUESTS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for transport, _ in streams:
            transport.close()
    assert statuses == [200] * len(threads)
    # As the docstring of the budget says it. Without the budget there are 550.
    assert 8 * (REQUESTS + FIRST) <= handle.refused <= 8 * (REQUESTS + FIRST + 1 + 20 / 5)
    assert handle.late <= 5
    assert clock.now < 20 + 10
