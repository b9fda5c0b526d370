"""The load of a stream climbs to what its server does best, and stays within the deadline."""

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from lightclient import Classifier, Signature
from lightclient.standin import StandIn
from lightclient.streams.load import FIRST, LEAST, MOST, Climb, Load
from tests.scripted import response
from tests.stress.callers import logits_of_text
from tests.stress.server import Server, rows_of, well

TOKENS_OF_A_CHUNK = 22_000  # 1,024 sentences
Seconds = Callable[[Load], float]


def server(fixed: float, token: float, at_once: int, strain: float = float("inf")) -> Seconds:
    """The seconds until an answer, where so many requests are computed at once."""

    def seconds(load: Load) -> float:
        alone = fixed + load.tokens * token * (1 + load.tokens / strain)
        return alone * max(1.0, load.requests / at_once)

    return seconds


SERVERS = {
    "a processor": server(0.002, 0.00012, at_once=1, strain=12_000),
    "an accelerator": server(0.004, 0.000_002, at_once=4),
    "a slower accelerator": server(0.004, 0.000_005, at_once=1),
    "eight processors": server(0.002, 0.00012, at_once=8, strain=12_000),
    "a server far away": server(0.1, 0.000_002, at_once=100),
}
LOADS = [Load(512 << power, requests) for power in range(5) for requests in (4, 8, 16)]


def chunks(climb: Climb, seconds: Seconds, count: int) -> Iterator[Load]:
    """Have so many chunks answered; gives the load of each."""
    for _ in range(count):
        load = climb.next_load()
        yield load
        for _ in range(max(2, TOKENS_OF_A_CHUNK // load.tokens)):
            climb.ended(load.tokens, load.requests, seconds(load))


def rate(load: Load, seconds: Seconds) -> float:
    return load.tokens * load.requests / seconds(load)


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_it_finds_what_the_server_does_best(kind: str, noise: float) -> None:
    random.seed(1)
    seconds = SERVERS[kind]
    climb = Climb(timeout=10)
    [*_, last] = chunks(climb, lambda load: seconds(load) * random.uniform(1, 1 + noise), 12)
    assert rate(last, seconds) >= 0.95 * max(rate(load, seconds) for load in LOADS)


def test_a_server_that_gains_nothing_keeps_the_smallest_load() -> None:
    loads = list(chunks(Climb(timeout=10), server(0, 0.0001, at_once=1), 30))
    assert loads.count(FIRST) > 25
    assert loads[-1] == FIRST


def test_no_load_is_tried_that_could_take_half_the_deadline() -> None:
    seconds = server(0, 0.001, at_once=1)  # 2 s for the first load; the next would take 8 s
    assert set(chunks(Climb(timeout=7), seconds, 20)) == {FIRST}


def test_a_server_that_needs_half_the_deadline_gets_less() -> None:
    seconds = server(0, 0.003, at_once=1)  # 6 s for the first load
    *_, last = chunks(Climb(timeout=10), seconds, 20)
    assert last == LEAST


def test_a_server_that_becomes_slow_in_mid_stream_gets_less() -> None:
    climb = Climb(timeout=2)
    *_, before = chunks(climb, SERVERS["an accelerator"], 12)
    assert before.tokens > FIRST.tokens
    slow = server(0, 0.001, at_once=4)
    *_, after = chunks(climb, slow, 12)
    assert slow(before) > 2 > 2 * slow(after)


def test_a_server_that_becomes_fast_in_mid_stream_gets_more() -> None:
    climb = Climb(timeout=10)
    *_, before = chunks(climb, SERVERS["a processor"], 12)
    assert before == FIRST
    *_, after = chunks(climb, SERVERS["an accelerator"], 300)
    assert after.tokens == MOST.tokens


def test_only_requests_of_the_load_count() -> None:
    climb = Climb(timeout=10)
    for _ in range(3):
        load = climb.next_load()
        for _ in range(50):
            climb.ended(load.tokens // 2, load.requests, 0.001)  # the end of a chunk
            climb.ended(load.tokens + 1, load.requests, 0.001)  # a single long text
            climb.ended(load.tokens, load.requests // 2, 0.001)  # while the stream begins
            climb.ended(load.tokens, load.requests + 1, 0.001)  # of the load before
    assert load == FIRST


WALL = 1500  # tokens of a request


def refuse(connection: socket.socket) -> bool:
    connection.sendall(response(429, '{"error": "OOM when allocating tensor"}'))
    return True


def give_up(connection: socket.socket) -> bool:
    connection.sendall(response(504, '{"error": "Timed out"}'))
    return True


def break_off(connection: socket.socket) -> bool:
    return False


def hang(connection: socket.socket) -> bool:
    while connection.recv(1 << 16):
        pass
    return False


@pytest.mark.parametrize("fail", [refuse, give_up, break_off, hang])
def test_no_text_fails_because_its_request_became_too_large(
    fail: Callable[[socket.socket], bool],
) -> None:
    """Each answer takes 10 ms, so that large requests pay; but the largest ones fail."""
    failed = []

    def handle(connection: socket.socket, request: bytes) -> bool:
        rows = rows_of(request)
        if sum(map(len, rows)) > WALL:
            failed.append(rows)
            return fail(connection)
        time.sleep(0.01)
        return well(connection, request)

    def read() -> Iterator[str]:
        """On a busy machine it takes longer until large requests pay."""
        for at in range(100_000):
            if failed and len(texts) % 3000 == 0:
                return
            texts.append(f"{at} " + "word " * 20)
            yield texts[-1]

    texts: list[str] = []
    with Server(handle) as server:
        classifier = Classifier(server.url, signature=Signature(output="logits"), timeout=1)
        answers: list[Any] = list(classifier.classify_many(read()))
    assert [answer.logits for answer in answers] == [logits_of_text(text) for text in texts]
    assert failed
    assert len(failed) < 50  # the wall is remembered


def test_a_server_that_becomes_slow_loses_no_text() -> None:
    """At the load that it had, no answer would come in time any more."""
    large, texts = 0, list[str]()

    def handle(connection: socket.socket, request: bytes) -> bool:
        nonlocal large
        tokens = sum(map(len, rows_of(request)))
        large += tokens > 4000
        time.sleep(tokens / 3800 if large > 2 else 0.01)
        return well(connection, request)

    def read() -> Iterator[str]:
        # However long it takes on this machine until the load is large.
        while large <= 2 and len(texts) < 100_000:
            texts.append(f"{len(texts)} " + "word " * 20)
            yield texts[-1]

    with Server(handle) as server:
        classifier = Classifier(server.url, signature=Signature(output="logits"), timeout=1)
        answers: list[Any] = list(classifier.classify_many(read()))
    assert [answer.logits for answer in answers] == [logits_of_text(text) for text in texts]
    assert large > 2


def test_a_stream_sends_more_to_a_server_with_a_cost_a_request() -> None:
    """Each answer takes 20 ms, however large or numerous the requests are."""
    sizes: list[int] = []
    at_once, most, lock = 0, 0, threading.Lock()

    def model(inputs: dict[str, Any]) -> dict[str, Any]:
        nonlocal at_once, most
        rows = np.array(inputs["input_ids"])
        with lock:
            at_once += 1
            most = max(most, at_once)
            sizes.append(rows.size)
        time.sleep(0.02)
        with lock:
            at_once -= 1
        return {"logits": np.stack([rows[:, 1], -rows[:, 1]], axis=1).astype(np.float32)}

    words = " ".join(["word"] * 60)
    texts = [f"{at} {words}" for at in range(4000)]
    with StandIn(model) as url, Classifier(url) as classifier:
        answers = list(classifier.classify_many(texts))
    assert len(answers) == len(texts)
    assert max(sizes[:8]) <= FIRST.tokens
    assert FIRST.tokens * 4 < max(sizes) <= MOST.tokens
    assert FIRST.requests < most <= MOST.requests
