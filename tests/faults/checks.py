"""What must hold after every call; each check gives its complaints, none if all is well."""

import gc
import logging
import math
import os
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from lightclient import Classification, LightClientError
from tests.faults.calls import BUNDLE, MARKER, Outcome
from tests.faults.fault import RIGHT, Kinds
from tests.faults.server import logits_of

SLACK = 0.5  # seconds; a busy machine alone makes 0.3 of them
_PATIENCE = 5.0


def ids_of(text: str, *, special: bool = True) -> list[int]:
    tokenizer = BUNDLE.loaded.tokenizer
    return tokenizer.encode([text])[0].ids if special else tokenizer.bare_ids(text)


def wrong_answers(outcome: Outcome) -> list[str]:
    """Complain of each answer that is not the one to its text."""
    pairs = zip(outcome.texts, outcome.given, strict=False)
    return [
        f"wrong answer: text {at} got {answer}"
        for at, (text, answer) in enumerate(pairs)
        if not isinstance(answer, BaseException) and not _is_right(text, answer)
    ]


def _is_right(text: str, answer: Any) -> bool:
    first, second = logits_of(ids_of(text))
    score = 1 / (1 + math.exp(-abs(first - second)))
    return (
        isinstance(answer, Classification)
        and answer.logits == (first, second)
        and answer.label == BUNDLE.labels[int(second > first)]
        and abs(answer.score - score) < 1e-6
        and not answer.truncated
    )


def unexpected(outcome: Outcome, expected: Kinds, *, all_fail: bool = True) -> list[str]:
    """Complain of an outcome that is neither all answers nor the errors that must come."""
    complaints = wrong_answers(outcome) + _misplaced(outcome)
    if expected == RIGHT:
        complaints += [f"unexpected error: {error!r:.300}" for error in outcome.errors]
        if not outcome.errors and len(outcome.given) != len(outcome.texts):
            complaints.append(f"missing: {len(outcome.given)} of {len(outcome.texts)} answers")
        return complaints
    complaints += [
        f"unexpected error: {error!r:.300}"
        for error in outcome.errors
        if type(error) not in expected
    ]
    if not outcome.errors:
        complaints.append("no error, though there was to be one")
    if all_fail and any(isinstance(answer, Classification) for answer in outcome.given):
        complaints.append("wrong answer: some came where there was none to give")
    return complaints


def _misplaced(outcome: Outcome) -> list[str]:
    """The `index` of an error is the place of its text; single calls have none."""
    last = [] if outcome.raised is None else [(len(outcome.given), outcome.raised)]
    placed = [(at, e) for at, e in enumerate(outcome.given) if isinstance(e, BaseException)]
    return [
        f"unexpected index: {error.index} at {at}"
        for at, error in placed + last
        if isinstance(error, LightClientError) and error.index not in (None, at)
    ]


def overruns(outcome: Outcome, limit: float) -> list[str]:
    """Complain of a wait beyond the limit and `SLACK`."""
    late = outcome.slowest - limit
    return [f"overrun: {outcome.slowest:.3f} s, {late:.3f} s late"] if late > SLACK else []


def leaked_text(
    errors: Iterable[BaseException], records: Iterable[logging.LogRecord], texts: list[str]
) -> list[str]:
    """Complain of words or token ids of the texts in messages and in the log."""
    marks = _marks(texts)
    told = [(f"{type(error).__name__}", words) for error in errors for words in _words_of(error)]
    told += [(f"log {record.name}", _logged(record)) for record in records]
    return sorted({
        f"leaked text: {mark!r} by {where}" for where, words in told for mark in marks
        if mark in words
    })  # fmt: skip


def _marks(texts: list[str]) -> list[str]:
    """The marker, a piece of it, and its ids however they are written."""
    ids = ids_of(MARKER, special=False)
    written = [between.join(map(str, ids)) for between in (",", ", ", " ", "\n")]
    return [MARKER, MARKER[:6], *written] if texts else []


def _words_of(error: BaseException) -> Iterator[str]:
    yield str(error)
    yield repr(error)
    seen: BaseException | None = error
    while seen is not None:
        yield "".join(traceback.format_exception_only(seen))
        seen = seen.__cause__ or seen.__context__


def _logged(record: logging.LogRecord) -> str:
    raised = record.exc_info[1] if record.exc_info else None
    return " ".join([record.getMessage(), *(_words_of(raised) if raised else ())])


class Watch:
    """The threads and files of this process now, to be compared with those of later."""

    def __init__(self) -> None:
        self._threads = set(threading.enumerate())
        self._files = _open_files()

    def left_threads(self, but: Iterable[threading.Thread] = ()) -> list[str]:
        """Complain of threads that are new, and none of these; they have a moment to end."""
        allowed = self._threads | set(but)
        end = time.monotonic() + _PATIENCE
        for thread in threading.enumerate():
            if thread not in allowed and "resolve" in thread.name:
                thread.join(max(0, end - time.monotonic()))
        return [
            f"leaked thread: {thread.name}"
            for thread in threading.enumerate()
            if thread not in allowed
        ]

    def left_files(self) -> list[str]:
        """Complain of sockets and files that are new."""
        return [f"leaked file: {name}" for name in (_open_files() - self._files)]


def _open_files() -> Counter[str]:
    gc.collect(0)
    found: Counter[str] = Counter()
    for number in os.listdir("/proc/self/fd"):
        try:
            found[os.readlink(f"/proc/self/fd/{number}")] += 1
        except FileNotFoundError:  # the one that lists the folder
            continue
    return found
