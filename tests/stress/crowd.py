"""Several processes that stream at one server, which is too small for them, or down."""

import multiprocessing
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from lightclient import Classifier, Signature
from tests.scripted import response
from tests.stress.callers import logits_of_text
from tests.stress.server import Server, right_answer, rows_of

BUSY = response(503, '{"error": "busy"}')
WORDS = "word " * 45


class Admits:
    """Answers so many requests at a time, after `seconds` for each row, and refuses the others.

    `refused`: how many.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self.most, self.seconds = most, seconds
        self.refused = 0
        self._under_way, self._lock = 0, threading.Lock()

    def __call__(self, connection: socket.socket, request: bytes) -> bool:
        if not self._admit():
            connection.sendall(BUSY)
            return True
        if self.seconds:
            time.sleep(self.seconds * len(rows_of(request)))
        body = right_answer(request)
        with self._lock:
            self._under_way -= 1
        connection.sendall(response(200, body))
        return True

    def _admit(self) -> bool:
        with self._lock:
            if self._under_way == self.most:
                self.refused += 1
                return False
            self._under_way += 1
            return True


class Down(Admits):
    """Refuses all for `down` seconds after the first request, and answers all after that.

    It answers 503, or with `closes` it closes the connection, as a port does that is forwarded to
    nothing. `late`: how long after that the first request was answered.
    """

    def __init__(self, down: float, *, closes: bool, works: float = 0.0005) -> None:
        super().__init__(1000, works)
        self._down, self._closes, self._up_at, self.late = down, closes, 0.0, 0.0

    def __call__(self, connection: socket.socket, request: bytes) -> bool:
        self._up_at = self._up_at or time.monotonic() + self._down
        if time.monotonic() < self._up_at:
            with self._lock:
                self.refused += 1
            if not self._closes:
                connection.sendall(BUSY)
            return not self._closes
        self.late = self.late or time.monotonic() - self._up_at
        return super().__call__(connection, request)


class Ran(NamedTuple):
    """How long all took together, in seconds, and how many right answers each process got."""

    seconds: float
    right: list[int]


def texts_of(process: int, count: int) -> list[str]:
    return [f"{process} {at} {WORDS}" for at in range(count)]


def _stream(url: str, texts: list[str], timeout: float, start: Any, ended: Any) -> None:
    with Classifier(url, signature=Signature(output="logits"), timeout=timeout) as classifier:
        start.wait()
        began = time.monotonic()
        answers = list(classifier.classify_many(texts))
        took = began, time.monotonic()
    right = [
        answer.logits == logits_of_text(text) for answer, text in zip(answers, texts, strict=True)
    ]
    ended.put((*took, sum(right)))


def run(url: str, processes: int, rows: int, timeout: float = 60) -> Ran:
    """Divide the rows among processes, which begin at the same moment."""
    context = multiprocessing.get_context("spawn")
    start, ended = context.Barrier(processes, timeout=60), context.SimpleQueue()
    children = [
        context.Process(
            target=_stream, args=(url, texts_of(at, rows // processes), timeout, start, ended)
        )
        for at in range(processes)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
    found = [ended.get() for child in children if child.exitcode == 0]
    took = max(end for _, end, _ in found) - min(began for began, _, _ in found)
    return Ran(took, [count for *_, count in found])


@contextmanager
def serving(handle: Admits) -> Iterator[str]:
    with Server(handle) as server:
        yield server.url
