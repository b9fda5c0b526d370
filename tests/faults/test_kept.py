"""Connections that were kept, and died while nobody looked."""

import logging
import select
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from lightclient import TimedOut
from lightclient.http import deadline
from tests.faults.calls import CALLS, ask
from tests.faults.case import case_of, classifier_of
from tests.faults.certificates import Certificates
from tests.faults.fault import RIGHT
from tests.faults.server import Act, close, good, reply, reset, stay_silent
from tests.scripted import read_request, response

Records = list[logging.LogRecord]
HOURS = 3 * 60 * 60


def idle_then(how: str, now: threading.Event) -> Act:
    """Answers rightly, and ends the connection once it is time and no request waits."""

    def act(connection: Any, _: bytes) -> bool:
        while not (now.is_set() and not select.select([connection], [], [], 0)[0]):
            if select.select([connection], [], [], 0.01)[0]:
                if not (request := read_request(connection)):
                    return False
                connection.sendall(good(request))
        if how == "resets":
            return reset(connection)
        connection.sendall(LAST_WORDS.get(how, b""))
        if how not in STAYING:
            connection.close()
        return stay_silent(connection) if how in STAYING else False

    return act


LAST_WORDS = {
    "sends 408 and closes": response(408, "", "Connection: close"),
    "sends an answer nobody asked for": response(200, '{"outputs": [[9.0, 9.0]]}'),
}
STAYING = ("sends an answer nobody asked for",)
ENDS = ["closes", "resets", *LAST_WORDS]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("how", ENDS)
def test_a_kept_connection_that_ended_while_idle(
    how: str, scheme: str, call: str, certificates: Certificates, records: Records,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    wrap = certificates.good if scheme == "https" else None
    now = threading.Event()
    options = {"at_accept": True, "wrap": wrap}
    with case_of(f"idle, then {how}", records, idle_then(how, now), **options) as (case, server):
        classifier = classifier_of(server.url, ca_certs=certificates.file, retries=0)
        case.ask(classifier, CALLS["many200"], RIGHT, 10.0)
        server.mend()
        now.set()
        time.sleep(0.05)  # each end comes within 10 ms; one that came later would be met as well
        freeze(monkeypatch, HOURS)
        case.ask(classifier, CALLS[call], RIGHT, 10.0)
        case.end_well(classifier, server, 10.0)


def freeze(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Time goes on, and the process did not see it pass: the freeze of a Lambda."""
    later = SimpleNamespace(monotonic=lambda: time.monotonic() + seconds, sleep=time.sleep)
    monkeypatch.setattr(deadline, "time", later)


@pytest.mark.parametrize("call", ["one", "three", "many5"])
@pytest.mark.parametrize("act", [close, reset], ids=["closes", "resets"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_kept_connection_that_ends_at_the_next_request(
    act: Act, scheme: str, call: str, certificates: Certificates, records: Records
) -> None:
    """As where a firewall forgot it: nothing is to be seen before the request is sent."""
    wrap = certificates.good if scheme == "https" else None
    with case_of("kept, then dead", records, act, times=0, wrap=wrap) as (case, server):
        classifier = classifier_of(server.url, ca_certs=certificates.file, retries=0)
        case.ask(classifier, CALLS["one"], RIGHT, 10.0)
        server.fail(times=1)
        case.ask(classifier, CALLS[call], RIGHT, 10.0)
        case.end_well(classifier, server, 10.0)


def test_a_freeze_in_the_middle_of_a_call(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deadline has passed when the process wakes up, and the call says so."""

    def act(connection: Any, request: bytes) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n")
        freeze(monkeypatch, HOURS)
        connection.sendall(b" ")
        return stay_silent(connection)

    with case_of("frozen in a call", records, act) as (case, server):
        classifier = classifier_of(server.url, timeout=5)
        case.ask(classifier, CALLS["one"], (TimedOut,), 5.0)
        monkeypatch.setattr(deadline, "time", time)
        server.mend()
        case.end_well(classifier, server, 5.0)


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_an_error_leaves_the_connection_in_use(status: int, records: Records) -> None:
    act = reply(response(status, '{"error": "no"}'))
    with case_of("errors on a kept connection", records, act) as (case, server):
        classifier = classifier_of(server.url, retries=0)
        for _ in range(3):
            assert ask(classifier, CALLS["one"]).raised
        server.mend()
        case.end_well(classifier, server, 10.0)
        assert server.connections == 1
