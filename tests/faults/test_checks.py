"""The checks see what they are there for: made-up outcomes, each with one thing wrong."""

import logging
import socket
import threading
import time
from typing import Any

import numpy as np
import pytest

from lightclient import BadRequest, Classification, ReplyError, Score, TimedOut
from lightclient.scoring import classify_logits
from tests.faults.calls import BUNDLE, CALLS, MARKER, TEXTS, Outcome, ask
from tests.faults.case import Case, case_of, classifier_of
from tests.faults.checks import (
    SLACK,
    Watch,
    ids_of,
    leaked_text,
    overruns,
    unexpected,
    wrong_answers,
)
from tests.faults.fault import RIGHT
from tests.faults.report import Tally
from tests.faults.server import good_body, logits_of, mending, shaped
from tests.scripted import response


def answer_to(text: str, **changes: Any) -> Classification:
    [answer] = classify_logits(
        np.array([logits_of(ids_of(text))], dtype=np.float32), BUNDLE, [False]
    )
    fields = {name: getattr(answer, name) for name in (
        "label", "score", "scores", "logits", "truncated")}  # fmt: skip
    return Classification(**{**fields, **changes})


def outcome_of(*given: Any, texts: int = 3, **fields: Any) -> Outcome:
    return Outcome(TEXTS[:texts], list(given), **fields)


def right(count: int) -> list[Classification]:
    return [answer_to(text) for text in TEXTS[:count]]


def test_right_answers_pass() -> None:
    assert unexpected(outcome_of(*right(3)), RIGHT) == []


@pytest.mark.parametrize(
    "changes",
    [{"logits": (1.0, 2.0)}, {"score": 0.5}, {"label": "OTHER"}, {"truncated": True}],
    ids=str,
)
def test_a_wrong_answer_is_seen(changes: dict[str, Any]) -> None:
    outcome = outcome_of(answer_to(TEXTS[0], **changes), *right(3)[1:])
    [complaint] = wrong_answers(outcome)
    assert complaint.startswith("wrong answer: text 0")


def test_answers_in_the_wrong_order_are_seen() -> None:
    assert len(wrong_answers(outcome_of(*reversed(right(3))))) == 2


def test_what_is_no_answer_is_seen() -> None:
    assert wrong_answers(outcome_of(None, "a", Score("POSITIVE", 1.0)))


@pytest.mark.parametrize("count", [0, 2])
def test_missing_answers_are_seen(count: int) -> None:
    [complaint] = unexpected(outcome_of(*right(count)), RIGHT)
    assert complaint.startswith("missing")


def test_more_answers_than_texts_are_seen() -> None:
    assert unexpected(outcome_of(*right(3), right(1)[0]), RIGHT)


def test_the_class_of_an_error_is_held_to_exactly() -> None:
    outcome = outcome_of(raised=ReplyError("no"))
    assert unexpected(outcome, (ReplyError,)) == []
    assert unexpected(outcome, (Exception,))  # type: ignore[arg-type]
    assert unexpected(outcome, (TimedOut,))
    assert unexpected(outcome, RIGHT)
    assert unexpected(outcome_of(raised=ValueError()), (ReplyError,))


def test_an_error_that_does_not_come_is_seen() -> None:
    complaints = unexpected(outcome_of(*right(3)), (TimedOut,))
    assert any(complaint.startswith("no error") for complaint in complaints)


def test_an_answer_beside_errors_is_seen() -> None:
    outcome = outcome_of(right(1)[0], raised=TimedOut("late"))
    assert unexpected(outcome, (TimedOut,), all_fail=False) == []
    assert unexpected(outcome, (TimedOut,), all_fail=True)


def test_an_error_at_another_text_is_seen() -> None:
    error = BadRequest("no")
    error.index = 1
    assert unexpected(outcome_of(raised=error), (BadRequest,)) == ["unexpected index: 1 at 0"]


def test_an_overrun_is_seen() -> None:
    assert overruns(Outcome([], slowest=1 + SLACK - 0.01), 1.0) == []
    assert overruns(Outcome([], slowest=1 + SLACK + 0.01), 1.0)


def test_the_longest_wait_is_measured() -> None:
    class Slow:
        def classify_many(self, texts: list[str]) -> Any:
            for text in texts:
                time.sleep(0.1 if text == TEXTS[3] else 0)
                yield None

    assert 0.1 <= ask(Slow(), CALLS["many5"]).slowest < 0.2  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "words",
    [
        MARKER,
        f"x{MARKER[:7]}",
        *(sep.join(map(str, ids_of(MARKER, special=False))) for sep in (",", ", ", " ")),
    ],
)
def test_a_text_that_is_told_is_seen(words: str) -> None:
    assert leaked_text([ValueError(words)], [], TEXTS)
    record = logging.LogRecord("any", logging.DEBUG, "", 0, "%s", (words,), None)
    assert leaked_text([], [record], TEXTS)
    outer = ReplyError("a clean message")
    outer.__cause__ = ReplyError("also clean")
    assert leaked_text([outer], [], TEXTS) == []
    outer.__cause__.__context__ = ValueError(words)
    assert leaked_text([outer], [], TEXTS)
    raised = logging.LogRecord("any", logging.DEBUG, "", 0, "x", (), (ValueError, outer, None))
    assert leaked_text([], [raised], TEXTS)


def test_a_thread_that_is_left_is_seen() -> None:
    watch, end = Watch(), threading.Event()
    thread = threading.Thread(target=end.wait, name="forgotten")
    thread.start()
    assert watch.left_threads() == ["leaked thread: forgotten"]
    assert watch.left_threads(but=[thread]) == []
    end.set()
    thread.join()
    assert watch.left_threads() == []


def test_a_socket_and_a_file_that_are_left_are_seen() -> None:
    watch = Watch()
    with socket.socket(), open(__file__):
        assert len(watch.left_files()) == 2
    assert watch.left_files() == []


def test_a_wrong_answer_of_a_server_fails_the_case(records: list[logging.LogRecord]) -> None:
    def swapped(body: bytes) -> bytes:
        return response(200, body.replace(b"[[", b"[[1"))

    def run() -> None:
        with case_of("wrong", records, shaped(swapped), tally=tally) as (case, server):
            classifier = classifier_of(server.url)
            case.ask(classifier, CALLS["one"], RIGHT, 5.0)
            classifier.close()

    tally = Tally()
    with pytest.raises(pytest.fail.Exception, match="wrong answer: text 0"):
        run()
    assert any(line.split()[:3] == ["wrong", "answers", "1"] for line in tally.lines())


def test_a_connection_that_is_left_fails_the_case(records: list[logging.LogRecord]) -> None:
    with mending() as server:
        case = Case("left", records, tally=Tally())
        classifier = classifier_of(server.url)
        case.ask(classifier, CALLS["one"], RIGHT, 5.0)
        case.expect_no_threads(server)
        case.close()
        assert any(complaint.startswith("leaked file") for complaint in case.complaints)
        classifier.close()


def test_the_good_server_answers_by_the_row() -> None:
    request = b'POST\r\n\r\n{"inputs":{"input_ids":[[1,2,0],[3,4,5]],"attention_mask":'
    body = good_body(request + b"[[1,1,0],[1,1,1]]}}")
    assert body == b'{"outputs": [[0.0234375, 0.0390625], [0.09375, 0.203125]]}'
