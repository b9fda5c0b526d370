"""Every fault, by every way of asking: in time, the right answer or the named error, no traces."""

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lightclient import TimedOut
from tests.faults.calls import CALLS, TEXTS, Call, ask
from tests.faults.case import case_of, classifier_of
from tests.faults.catalogue import AT_METADATA, CATALOGUE
from tests.faults.certificates import Certificates
from tests.faults.checks import ids_of
from tests.faults.fault import RIGHT, SENT_IN_PARTS, Fault
from tests.faults.server import close, logits_of

Records = list[logging.LogRecord]


def cases(*, lasts: bool) -> list[Any]:
    return [
        _param(fault, CALLS[call], scheme)
        for fault in CATALOGUE
        if not fault.waits
        for scheme in _schemes_for(fault)
        for call in _calls_for(fault, scheme, lasts=lasts)
    ]


def _schemes_for(fault: Fault) -> tuple[str, ...]:
    return ("http", "https") if fault.tls else ("http",)


def _calls_for(fault: Fault, scheme: str, *, lasts: bool) -> list[str]:
    if fault.heavy:
        return ["one", "many5"] if lasts else []
    # Streams repeat some until their deadline, and have a test of their own.
    names = [name for name in CALLS if not (fault.is_repeated and CALLS[name].many)]
    if lasts and scheme == "http":
        # Each text of 200 would be asked for by itself, which takes its time and shows no more.
        in_parts = any(issubclass(kind, SENT_IN_PARTS) for kind in fault.lasting)
        return [name for name in names if not (in_parts and CALLS[name].returns_errors)]
    if not lasts and (not fault.listens or fault.lasting == RIGHT):
        return []
    many = "many200" if scheme == "https" and lasts else "many200-returned"
    return ["one", many] if not lasts or many in names else ["one"]


def _param(fault: Fault, call: Call, scheme: str) -> Any:
    return pytest.param(fault, call, scheme, id=f"{fault.name}-{call.name}-{scheme}")


def options_for(fault: Fault, scheme: str, certificates: Certificates) -> tuple[Any, Any]:
    """Those of the server and those of the classifier."""
    server = {
        "at_accept": fault.at_accept,
        "listens": fault.listens,
        "only": fault.asks,
    }
    client: dict[str, Any] = {"timeout": fault.timeout, "retries": fault.retries}
    if scheme == "https":
        server["wrap"], client["ca_certs"] = certificates.good, certificates.file
    return server, client


@pytest.mark.parametrize(("fault", "call", "scheme"), cases(lasts=True))
def test_while_it_lasts(
    fault: Fault, call: Call, scheme: str, certificates: Certificates, records: Records
) -> None:
    served, asked = options_for(fault, scheme, certificates)
    limit = fault.timeout / 2 if fault.at_once else fault.timeout
    with case_of(fault.name, records, fault.act, **served) as (case, server):
        classifier = classifier_of(server.url, **asked)
        case.ask(classifier, call, fault.lasting, limit)
        server.mend()
        case.end_well(classifier, server, fault.timeout)


@pytest.mark.parametrize(
    ("fault", "scheme"),
    [(fault, scheme) for fault in CATALOGUE if fault.waits for scheme in _schemes_for(fault)],
    ids=lambda value: getattr(value, "name", value),
)
def test_until_the_deadline(
    fault: Fault, scheme: str, certificates: Certificates, records: Records
) -> None:
    """All calls at once, each with a classifier of its own, as each one waits."""
    served, asked = options_for(fault, scheme, certificates)
    names = ["one", "many5"] if fault.heavy else list(CALLS)
    with case_of(fault.name, records, fault.act, **served) as (case, server):
        classifiers = {name: classifier_of(server.url, **asked) for name in names}
        with ThreadPoolExecutor(len(names)) as pool:
            outcomes = list(pool.map(lambda name: ask(classifiers[name], CALLS[name]), classifiers))
        for outcome in outcomes:
            case.judge(outcome, fault.lasting, fault.timeout)
        server.mend()
        for classifier in classifiers.values():
            case.end_well(classifier, server, 2.0)


@pytest.mark.parametrize(
    ("fault", "scheme"),
    [
        (fault, scheme)
        for fault in CATALOGUE
        if fault.is_repeated and not fault.heavy
        for scheme in _schemes_for(fault)
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_stream_repeats_until_the_deadline_of_a_request(
    fault: Fault, scheme: str, certificates: Certificates, records: Records
) -> None:
    """Only the first requests: once they have failed, the others are repeated as single calls."""
    served, asked = options_for(fault, scheme, certificates)
    asked["timeout"] = timeout = 0.5
    names = [name for name in CALLS if CALLS[name].many]
    with case_of(fault.name, records, fault.act, **served) as (case, server):
        classifiers = {name: classifier_of(server.url, **asked) for name in names}
        with ThreadPoolExecutor(len(names)) as pool:
            outcomes = list(pool.map(lambda name: ask(classifiers[name], CALLS[name]), classifiers))
        for outcome in outcomes:
            case.judge(outcome, (*fault.lasting, TimedOut), timeout)
        first: list[Any] = [outcome.errors[0] for outcome in outcomes]
        assert max(error.attempts for error in first) > 2
        server.mend()
        for classifier in classifiers.values():
            case.end_well(classifier, server, timeout)


@pytest.mark.parametrize(("fault", "call", "scheme"), cases(lasts=False))
def test_when_it_passes(
    fault: Fault, call: Call, scheme: str, certificates: Certificates, records: Records
) -> None:
    served, asked = options_for(fault, scheme, certificates)
    expected = fault.expected(lasts=False, many=call.many)
    with case_of(fault.name, records, fault.act, times=1, **served) as (case, server):
        classifier = classifier_of(server.url, **asked)
        case.ask(classifier, call, expected, fault.timeout, all_fail=not call.many)
        case.end_well(classifier, server, fault.timeout)


@pytest.mark.parametrize("fault", [pytest.param(fault, id=fault.name) for fault in AT_METADATA])
def test_at_the_question_for_the_signature(
    fault: Fault, certificates: Certificates, records: Records
) -> None:
    served, asked = options_for(fault, "http", certificates)
    with case_of(fault.name, records, fault.act, **served) as (case, server):
        classifier = classifier_of(server.url, signature=None, **asked)
        case.ask(classifier, CALLS["one"], fault.lasting, fault.timeout)
        server.mend()
        case.end_well(classifier, server, fault.timeout)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_without_a_fault(
    call: str, scheme: str, certificates: Certificates, records: Records
) -> None:
    fault = Fault("none", close, RIGHT)
    served, asked = options_for(fault, scheme, certificates)
    with case_of(fault.name, records, times=0, **served) as (case, server):
        classifier = classifier_of(server.url, **asked)
        case.ask(classifier, CALLS[call], RIGHT, fault.timeout)
        case.end_well(classifier, server, fault.timeout)


def test_no_two_texts_have_the_same_logits() -> None:
    assert len({tuple(logits_of(ids_of(text))) for text in TEXTS}) == len(TEXTS)
