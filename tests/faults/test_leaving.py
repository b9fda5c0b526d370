"""Leaving a run while other requests of it still connect: at once, and with nothing left open."""

import logging
import socket
import threading
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from lightclient import TimedOut
from lightclient.http import sockets
from tests.faults.calls import CALLS, TEXTS, Outcome
from tests.faults.case import case_of, classifier_of
from tests.faults.certificates import Certificates
from tests.faults.fault import RIGHT
from tests.faults.server import good, stay_silent
from tests.faults.test_kept import HOURS, freeze

Records = list[logging.LogRecord]


def slowly(conn: Any, request: bytes) -> bool:
    """A good answer, after the others had time to begin."""
    time.sleep(0.15)
    conn.sendall(good(request))
    return True


def leave_after_the_first(case: Any, classifier: Any, begun: threading.Event) -> None:
    short = min(TEXTS, key=len)  # so that the first window is one request

    def texts() -> Iterator[str]:
        yield from [short] * 64
        begun.wait(5)  # the others come after it
        yield from [short] * 136

    stream = classifier.classify_many(texts())
    answers = [next(stream)]
    began = time.monotonic()
    stream.close()
    case.judge(Outcome([short], answers, slowest=time.monotonic() - began), RIGHT, 0.0)


def test_while_others_look_the_name_up(monkeypatch: pytest.MonkeyPatch, records: Records) -> None:
    real, turn = socket.getaddrinfo, count()
    begun, ended = threading.Event(), threading.Event()

    def look_up(host: str, port: int, *args: Any, flags: int = 0, **options: Any) -> Any:
        if host != "model.example" or flags & socket.AI_NUMERICHOST:
            return real(host, port, *args, flags=flags, **options)
        if next(turn):
            ended.wait()
        begun.set()
        return real("127.0.0.1", port, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with case_of("left while looking up", records, slowly) as (case, server):
        classifier = classifier_of(server.url.replace("127.0.0.1", "model.example"), timeout=1)
        leave_after_the_first(case, classifier, begun)
        ended.set()
        for thread in threading.enumerate():
            if thread.name == "lightclient-resolve":
                thread.join()
        server.mend()
        case.end_well(classifier, server, 5.0)


def test_while_others_shake_hands(certificates: Certificates, records: Records) -> None:
    turn, begun = count(), threading.Event()

    def wrap(conn: Any) -> Any:
        if next(turn) in (1, 2, 3):
            stay_silent(conn)
            raise ConnectionAbortedError
        begun.set()
        return certificates.good(conn)

    with case_of("left while shaking hands", records, slowly, wrap=wrap) as (
        case,
        server,
    ):
        classifier = classifier_of(server.url, timeout=1, ca_certs=certificates.file)
        leave_after_the_first(case, classifier, begun)
        server.mend()
        case.end_well(classifier, server, 5.0)


def test_a_deadline_that_passes_at_connecting(
    monkeypatch: pytest.MonkeyPatch, records: Records, request: pytest.FixtureRequest
) -> None:
    """As where a Lambda is frozen there, or a run is left there."""
    real = sockets.TimedSocket.connect_ex
    opened: list[Any] = []

    def connect(sock: Any, address: Any) -> int:
        opened.append(sock)
        found: int = real(sock, address)
        freeze(monkeypatch, HOURS)
        return found

    request.addfinalizer(lambda: [sock.close() for sock in opened])
    with case_of("frozen at connecting", records) as (case, server):
        with monkeypatch.context() as patch:
            patch.setattr(sockets.TimedSocket, "connect_ex", connect)
            classifier = classifier_of(server.url, timeout=5)
            case.ask(classifier, CALLS["one"], (TimedOut,), 5.0)
        case.end_well(classifier, server, 5.0)
