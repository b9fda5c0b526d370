"""A server that restarts, gets another model, batches, or limits bodies, in the middle of a run."""

import logging

import pytest

from lightclient import BadRequest, ReplyError, Signature, SignatureError
from tests.faults.calls import CALLS
from tests.faults.case import case_of, classifier_of
from tests.faults.certificates import Certificates
from tests.faults.fault import RIGHT, Kinds
from tests.faults.models import Batching, always_refusing, limited, new_version, restarting

Records = list[logging.LogRecord]


@pytest.mark.parametrize(
    ("scheme", "call"),
    # Over TLS a restart may meet other requests in their handshake: see test_tls.
    [*(("http", call) for call in CALLS), ("https", "one"), ("https", "many5")],
)
def test_a_restart(scheme: str, call: str, certificates: Certificates, records: Records) -> None:
    act, servers = restarting(pause=0.15)
    wrap = certificates.good if scheme == "https" else None
    with case_of("a restart", records, act, times=0, wrap=wrap) as (case, server):
        servers.append(server)
        classifier = classifier_of(server.url, ca_certs=certificates.file, retries=8)
        case.ask(classifier, CALLS["many5"], RIGHT, 10.0)
        server.fail(times=1)
        case.ask(classifier, CALLS[call], RIGHT, 10.0)
        case.end_well(classifier, server, 10.0)


@pytest.mark.parametrize("call", ["many200", "many200-returned"])
@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_restart_between_the_requests_of_a_run(after: int, call: str, records: Records) -> None:
    act, servers = restarting(pause=0.1)
    with case_of("a restart", records, act, times=1, after=after) as (case, server):
        servers.append(server)
        classifier = classifier_of(server.url, retries=8)
        case.ask(classifier, CALLS[call], RIGHT, 10.0)
        case.end_well(classifier, server, 10.0)


VERSIONS: dict[str, tuple[int, int, Kinds, Kinds]] = {
    # length, labels; what must come when the signature is asked for, and when it is stated
    "three labels": (-1, 3, (SignatureError,), (ReplyError,)),
    "one label": (-1, 1, (SignatureError,), (ReplyError,)),
    "a fixed length": (64, 2, RIGHT, (BadRequest,)),
}


@pytest.mark.parametrize("stated", [False, True], ids=["asked", "stated"])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("after", [0, 1, 2])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_new_version(version: str, after: int, call: str, stated: bool, records: Records) -> None:
    length, classes, if_asked, if_stated = VERSIONS[version]
    expected = if_stated if stated else if_asked
    act = new_version(length, classes)
    signature = Signature() if stated else None
    with case_of("a new version", records, act, times=0) as (case, server):
        classifier = classifier_of(server.url, signature=signature)
        case.ask(classifier, CALLS["one"], RIGHT, 10.0)
        server.fail(times=10_000, after=after if CALLS[call].count == 200 else 0)
        case.ask(classifier, CALLS[call], expected, 10.0, all_fail=after == 0)
        server.mend()
        case.end_well(classifier, server, 10.0)


@pytest.mark.parametrize("call", ["many5", "many200", "many200-returned"])
def test_a_server_that_batches(call: str, records: Records) -> None:
    batching = Batching()
    with case_of("a server that batches", records, batching.act) as (case, server):
        classifier = classifier_of(server.url)
        case.ask(classifier, CALLS[call], RIGHT, 10.0)
        server.mend()
        case.end_well(classifier, server, 10.0)
    assert (batching.refused > 0) == (call != "many5")


@pytest.mark.parametrize("call", CALLS)
def test_a_server_that_refuses_every_length(call: str, records: Records) -> None:
    with case_of("a server that refuses all lengths", records, always_refusing) as (case, server):
        classifier = classifier_of(server.url)
        outcome = case.ask(classifier, CALLS[call], (BadRequest,), 10.0)
        assert all("pad_to=N" in str(error) for error in outcome.errors)
        server.mend()
        case.end_well(classifier, server, 10.0)


@pytest.mark.parametrize("call", CALLS)
def test_a_limit_on_bodies(call: str, records: Records) -> None:
    """A list is one request, which is refused; many texts are sent again in smaller parts."""
    expected = (BadRequest,) if call == "three" else RIGHT
    with case_of("a limit on bodies", records, limited(640)) as (case, server):
        classifier = classifier_of(server.url)
        case.ask(classifier, CALLS[call], expected, 10.0)
        server.mend()
        case.end_well(classifier, server, 10.0)
