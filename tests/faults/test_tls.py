"""Certificates and handshakes that are not what they must be."""

import logging
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from lightclient import CannotConnect, ConnectionLost, NotTensorFlowServing, TimedOut
from tests.faults.calls import CALLS
from tests.faults.case import case_of, classifier_of
from tests.faults.certificates import Certificates
from tests.faults.fault import RIGHT, Kinds
from tests.faults.server import Wrap, close, drip, reply_then, reset, stay_silent
from tests.scripted import response

Records = list[logging.LogRecord]
CERTIFICATES = ("expired", "not_yet_valid", "self_signed", "of_a_stranger", "for_another_host")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", CERTIFICATES)
def test_a_certificate_not_to_be_trusted(
    kind: str, call: str, certificates: Certificates, records: Records
) -> None:
    wrap = Switch(getattr(certificates, kind)())
    with case_of(f"TLS: {kind}", records, wrap=wrap) as (case, server):
        classifier = classifier_of(server.url, ca_certs=certificates.file, timeout=5)
        outcome = case.ask(classifier, CALLS[call], (CannotConnect,), 5.0)
        assert all("certificate is not trusted" in str(error) for error in outcome.errors)
        wrap.now = certificates.good
        case.end_well(classifier, server, 5.0)


@dataclass
class Switch:
    """A handshake that changes its ways."""

    now: Wrap

    def __call__(self, connection: Any) -> Any:
        return self.now(connection)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", ["none", "strange"])
def test_a_client_without_the_certificate_it_needs(
    kind: str, call: str, certificates: Certificates, records: Records
) -> None:
    wrap = Switch(certificates.wanting_a_client_s())
    own = certificates.strange_client if kind == "strange" else None
    with case_of(f"TLS: {kind} of a client's", records, wrap=wrap) as (case, server):
        classifier = classifier_of(server.url, ca_certs=certificates.file, client_cert=own)
        case.ask(classifier, CALLS[call], (CannotConnect,), 10.0)
        wrap.now = certificates.good
        case.end_well(classifier, server, 10.0)


def test_a_client_with_its_certificate(certificates: Certificates, records: Records) -> None:
    wrap = certificates.wanting_a_client_s()
    with case_of("TLS: a client's", records, wrap=wrap) as (case, server):
        classifier = classifier_of(
            server.url, ca_certs=certificates.file, client_cert=certificates.client
        )
        case.ask(classifier, CALLS["many200"], RIGHT, 10.0)
        case.end_well(classifier, server, 10.0)


HANDSHAKES: dict[str, tuple[Any, Kinds]] = {
    # A stream repeats these until the deadline, which may pass in the middle of a handshake.
    "closes": (close, (CannotConnect, TimedOut)),
    "closes after the hello": (lambda c, r: c.recv(65536) and False, (CannotConnect, TimedOut)),
    "resets after the hello": (lambda c, r: c.recv(65536) and reset(c), (CannotConnect, TimedOut)),
    "answers without TLS": (
        lambda c, r: c.recv(65536) and reply_then(response(400, "no TLS"), close)(c, r),
        (CannotConnect,),
    ),
    "never answers": (stay_silent, (TimedOut,)),
    "drips": (
        lambda c, r: c.recv(65536) and drip(b"\x16\x03\x03\x40\x00", b"\x02", 0.05)(c, r),
        (TimedOut,),
    ),
}


@pytest.mark.parametrize("call", ["one", "many5", "many200-returned"])
@pytest.mark.parametrize("kind", HANDSHAKES)
def test_a_handshake_that_fails(
    kind: str, call: str, certificates: Certificates, records: Records
) -> None:
    act, expected = HANDSHAKES[kind]
    timeout = 0.4 if TimedOut in expected else 5.0
    wrap = Switch(lambda connection: act(connection, b"") or _gone())
    with case_of(f"TLS: handshake {kind}", records, wrap=wrap) as (case, server):
        classifier = classifier_of(server.url, ca_certs=certificates.file, timeout=timeout)
        case.ask(classifier, CALLS[call], expected, timeout)
        wrap.now = certificates.good
        case.end_well(classifier, server, timeout)


@pytest.mark.parametrize("call", ["one", "three", "many5", "many200"])
def test_a_handshake_that_is_closed_once(
    call: str, certificates: Certificates, records: Records
) -> None:
    turn = count()

    def wrap(connection: Any) -> Any:
        return certificates.good(connection) if next(turn) else _hang_up(connection)

    name = "TLS: handshake closes once"
    with case_of(name, records, wrap=wrap) as (case, server):
        classifier = classifier_of(server.url, ca_certs=certificates.file)
        case.ask(classifier, CALLS[call], RIGHT, 10.0)
        case.end_well(classifier, server, 10.0)


def _hang_up(connection: Any) -> None:
    connection.recv(65536)
    _gone()


def _gone() -> None:
    raise ConnectionAbortedError


def test_http_to_a_server_with_tls(certificates: Certificates, records: Records) -> None:
    with case_of("http to a TLS port", records, wrap=certificates.good) as (case, server):
        classifier = classifier_of(server.url.replace("https://", "http://"))
        case.ask(classifier, CALLS["one"], (ConnectionLost, NotTensorFlowServing), 10.0)
        classifier.close()


def test_a_body_of_no_length_that_is_cut(certificates: Certificates, records: Records) -> None:
    """TLS ends without its own goodbye, so that nothing tells the cut from the end."""

    def act(connection: Any, request: bytes) -> bool:
        connection.sendall(b'HTTP/1.1 200 OK\r\n\r\n{"outputs": [[1.0, 2.0')
        return False

    with case_of("TLS: cut without a goodbye", records, act, wrap=certificates.good) as (
        case,
        server,
    ):
        classifier = classifier_of(server.url, ca_certs=certificates.file)
        case.ask(classifier, CALLS["one"], (NotTensorFlowServing,), 10.0)
        server.mend()
        case.end_well(classifier, server, 10.0)
