"""What the user of a client does to it, in the middle of things."""

import gc
import logging
import pickle
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import pytest

from lightclient import Classification, Classifier, InputError, LightClientError, TimedOut
from tests.faults.calls import CALLS, MARKER, TEXTS, Outcome
from tests.faults.case import case_of, classifier_of
from tests.faults.checks import leaked_text
from tests.faults.fault import RIGHT
from tests.faults.models import inputs_of
from tests.faults.server import good, reset, stay_silent

Records = list[logging.LogRecord]


def interrupt_and_stay_silent(connection: Any, request: bytes) -> bool:
    """Ctrl-C, while the main thread waits for the answer."""
    time.sleep(0.05)  # until it does wait: Python drops an interrupt that meets a finalizer
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    return stay_silent(connection)


@pytest.mark.parametrize("call", ["one", "three", "many5", "many200", "many200-returned"])
def test_ctrl_c(call: str, records: Records) -> None:
    with case_of("Ctrl-C", records, interrupt_and_stay_silent, times=1) as (case, server):
        classifier = classifier_of(server.url, timeout=5)
        gc.collect()  # so that no finalizer of other tests' objects is left to meet it
        with pytest.raises(KeyboardInterrupt):
            case.ask(classifier, CALLS[call], RIGHT, 5.0)
        case.end_well(classifier, server, 5.0)


SHORT_TEXTS = [str(at) for at in range(192)]


def only_for_the_first_64(connection: Any, request: bytes) -> bool:
    if len(inputs_of(request)[0]) != 64:
        return stay_silent(connection)
    connection.sendall(good(request))
    return True


@pytest.mark.parametrize("taken", [0, 1, 64])
def test_a_run_that_is_left_early(taken: int, records: Records) -> None:
    with case_of("left early", records, only_for_the_first_64) as (case, server):
        classifier = classifier_of(server.url, timeout=5)
        stream = classifier.classify_many(iter(SHORT_TEXTS))
        answers = list(islice(stream, taken))
        began = time.monotonic()
        stream.close()  # type: ignore[attr-defined]
        left = Outcome(SHORT_TEXTS[:taken], answers, slowest=time.monotonic() - began)
        case.judge(left, RIGHT, 0.0)
        server.mend()
        case.end_well(classifier, server, 5.0)


def test_a_run_that_is_forgotten(records: Records) -> None:
    with case_of("forgotten", records) as (case, server):
        classifier = classifier_of(server.url)
        assert next(classifier.classify_many(iter(TEXTS)))
        case.end_well(classifier, server, 10.0)


def breaking(after: int) -> Iterator[str]:
    yield from TEXTS[:after]
    raise OSError("the disk is gone")


@pytest.mark.parametrize("after", [0, 1, 64, 150])
@pytest.mark.parametrize("on_error", ["raise", "return"])
def test_an_input_that_breaks(after: int, on_error: Any, records: Records) -> None:
    with case_of("the input breaks", records) as (case, server):
        classifier = classifier_of(server.url)
        answers: list[Any] = []
        with pytest.raises(OSError, match="the disk is gone"):
            answers.extend(classifier.classify_many(breaking(after), on_error=on_error))
        case.judge(Outcome(TEXTS[:after], answers), RIGHT, 10.0)
        case.end_well(classifier, server, 10.0)


def test_an_input_that_asks_the_same_classifier(records: Records) -> None:
    with case_of("the input asks, too", records) as (case, server):
        classifier = classifier_of(server.url)

        def texts() -> Iterator[str]:
            for text in TEXTS:
                assert classifier.classify(text)
                yield text

        case.judge(Outcome(TEXTS, list(classifier.classify_many(texts()))), RIGHT, 10.0)
        case.end_well(classifier, server, 10.0)


NO_TEXTS = [None, 7, 1.5, b"bytes", f"{MARKER} \ud800", (MARKER,), (MARKER, 3), {MARKER}, [MARKER]]


@pytest.mark.parametrize("bad", NO_TEXTS, ids=lambda bad: type(bad).__name__)
def test_what_is_no_text(bad: Any, records: Records) -> None:
    with case_of("no text", records) as (case, server):
        classifier = classifier_of(server.url)
        errors = [error_of(classifier.classify, [bad] if isinstance(bad, list) else bad)]
        errors += [error_of(classifier.classify, ["fine", bad])]
        errors += [error_of(lambda texts: list(classifier.classify_many(texts)), ["fine", bad])]
        [fine, returned] = classifier.classify_many(["fine", bad], on_error="return")
        assert isinstance(fine, Classification)
        assert {type(error) for error in [*errors, returned]} == {InputError}
        case.complaints += leaked_text([*errors, returned], records, [MARKER])
        case.end_well(classifier, server, 10.0)


def error_of(ask: Any, *args: Any) -> Any:
    with pytest.raises(LightClientError) as caught:
        ask(*args)
    return caught.value


@pytest.mark.parametrize("call", ["one", "three", "many5"])
def test_a_timeout_that_is_over_at_once(call: str, records: Records) -> None:
    with case_of("no time at all", records) as (case, server):
        classifier = classifier_of(server.url, timeout=1e-9)
        case.ask(classifier, CALLS[call], (TimedOut,), 1e-9)
        classifier.close()


def test_nothing_to_ask(records: Records) -> None:
    with case_of("nothing to ask", records, stay_silent) as (case, server):
        classifier = classifier_of(server.url)
        assert classifier.classify([]) == list(classifier.classify_many([])) == []
        assert server.connections == 0
        server.mend()
        case.end_well(classifier, server, 10.0)


@pytest.mark.parametrize("call", CALLS)
def test_closing_while_another_thread_asks(call: str, records: Records) -> None:
    """Closing takes the idle connections only; the call goes on, and so may later ones."""
    asked, closed = threading.Event(), threading.Event()

    def act(connection: Any, request: bytes) -> bool:
        asked.set()
        closed.wait(5)
        connection.sendall(good(request))
        return True

    with case_of("closed while asking", records, act) as (case, server):
        classifier = classifier_of(server.url)
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(case.ask, classifier, CALLS[call], RIGHT, 10.0)
            assert asked.wait(5)
            classifier.close()
            closed.set()
            future.result()
        server.mend()
        case.end_well(classifier, server, 10.0)


def test_many_threads_and_a_server_that_keeps_breaking(records: Records) -> None:
    """Every third request is reset: each thread still gets the answers to its own texts."""
    count, lock = 0, threading.Lock()

    def act(connection: Any, request: bytes) -> bool:
        nonlocal count
        with lock:
            count += 1
            breaks = count % 3 == 0
        if breaks:
            return reset(connection)
        connection.sendall(good(request))
        return True

    with case_of("many threads, many resets", records, act) as (case, server):
        classifier = classifier_of(server.url, timeout=20, retries=20)
        with ThreadPoolExecutor(8) as pool:
            outcomes = list(pool.map(lambda at: one_by_one(classifier, at), range(8)))
        for outcome in outcomes:
            case.judge(outcome, RIGHT, 20.0)
        server.mend()
        case.end_well(classifier, server, 20.0)


def one_by_one(classifier: Classifier, start: int) -> Outcome:
    texts = TEXTS[start * 20 : start * 20 + 20]
    return Outcome(texts, [classifier.classify(text) for text in texts])


def test_a_pickled_classifier(records: Records) -> None:
    with case_of("pickled", records) as (case, server):
        classifier = classifier_of(server.url)
        case.ask(classifier, CALLS["many5"], RIGHT, 10.0)
        copy = pickle.loads(pickle.dumps(classifier))
        case.end_well(classifier, server, 10.0)
        case.end_well(copy, server, 10.0)
