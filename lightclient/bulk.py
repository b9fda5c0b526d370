"""Many texts: windows of them, sorted by length, cut into requests of which several are under way.

A model's time goes with the tokens it is given, padding included, so texts of like length share a
request. Its tokens are bounded rather than its texts: that keeps its time, and so the deadline it
needs, the same for short texts and long ones.

The two bounds are a choice between two kinds of servers (`python -m tests.benchmarks.sweep URL`). A
processor is busy with any request, and the larger one is the slower, as it leaves the cache: with
DistilBERT on two cores 512, 1,024 and 2,048 tokens gave at best 78, 69 and 60 texts a second.
Where each request has a fixed cost, as on an accelerator, it should be large, or one of several: at
4 ms each, 1,024 tokens one by one gave 6,100 texts a second, four at once 14,200, twice that size
20,200.
"""

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from typing import Literal, get_args

from lightclient.chunk import Outcome, Window, cut, read_windows
from lightclient.classification import Classification
from lightclient.errors import BadRequest, LightClientError, ReplyError, ServerFailed
from lightclient.http.deadline import Deadline
from lightclient.model.encoding import Row, Text
from lightclient.serving.predictor import Plan, Predictor
from lightclient.serving.refusal import refuses_lengths

OnError = Literal["raise", "return"]
ON_ERROR: tuple[OnError, ...] = get_args(OnError)

TOKENS_PER_REQUEST = 1024
REQUESTS_AT_ONCE = 4
_WINDOWS_AT_ONCE = 2
_CURES = 5
# What one text of a request may cause for all; what concerns the connection or the server is not.
_PERHAPS_ONE_TEXT = (BadRequest, ReplyError, ServerFailed)
_THREADS = "lightclient-many"
_LOG = logging.getLogger("lightclient")


def classify_stream(
    texts: Iterable[object], predictor: Predictor, timeout: float, on_error: OnError
) -> Iterator[Outcome]:
    """Classify texts as they come, in their order; see `Classifier.classify_many`."""
    pid = os.getpid()
    started: deque[Window] = deque()
    with _running(predictor, timeout, stops_at_error=on_error == "raise") as stream:
        for window in read_windows(texts):
            stream.start(window)
            started.append(window)
            if len(started) == _WINDOWS_AT_ONCE:
                yield from _finished(started.popleft(), on_error, pid)
        while started:
            yield from _finished(started.popleft(), on_error, pid)


def _finished(window: Window, on_error: OnError, pid: int) -> Iterator[Outcome]:
    for place in range(window.start, window.start + len(window.texts)):
        if os.getpid() != pid:
            raise LightClientError(
                "this classify_many was begun before a fork, and what it waits for goes on in the "
                "parent process only: begin another in the child"
            )
        outcome = window.outcome(place - window.start)
        if isinstance(outcome, LightClientError):
            error = _placed(outcome, place)
            if on_error == "raise":
                raise error
            yield error
        else:
            yield outcome
    if window.failure is not None:
        raise window.failure


def _placed(error: LightClientError, place: int) -> LightClientError:
    """The error of a request as that of one of its texts."""
    placed = copy(error)
    placed.index = place
    where = f"texts[{place}]"
    if not str(error).startswith(where):
        placed.args = (f"{where}: {error}",)
    placed.__cause__ = error.__cause__
    return placed


@contextmanager
def _running(predictor: Predictor, timeout: float, *, stops_at_error: bool) -> Iterator["_Stream"]:
    """A stream that leaves nothing under way, however it ends."""
    stop = threading.Event()
    executor = ThreadPoolExecutor(REQUESTS_AT_ONCE, thread_name_prefix=_THREADS)
    try:
        yield _Stream(
            predictor, executor, lambda: Deadline(timeout, stop), stops_at_error=stops_at_error
        )
    finally:
        stop.set()
        # The garbage collector may close a lost stream in one of its own threads.
        own = threading.current_thread().name.startswith(_THREADS)
        executor.shutdown(wait=not own, cancel_futures=True)


class _Stream:
    """Sends windows off, request by request."""

    def __init__(
        self,
        predictor: Predictor,
        executor: ThreadPoolExecutor,
        new_deadline: Callable[[], Deadline],
        *,
        stops_at_error: bool,
    ) -> None:
        self._predictor, self._executor = predictor, executor
        self._new_deadline, self._stops_at_error = new_deadline, stops_at_error
        self._pad_to: int | None = None

    def start(self, window: Window) -> None:
        """Tokenize a window and send its requests off."""
        try:
            plan = self._predictor.plan(self._new_deadline())
        except LightClientError as error:
            places = window.pending()
            window.settle(places, [error] * len(places))
            return
        rows = self._tokenize(window, plan)
        lengths = {place: len(row.input_ids) for place, row in rows.items()}
        for places in cut(lengths, plan.length or self._pad_to, TOKENS_PER_REQUEST):
            request = [rows[place] for place in places]
            try:
                future = self._executor.submit(self._answer, window, places, request, plan)
            except RuntimeError:  # no thread is to be had, as at the interpreter's end
                self._answer(window, places, request, plan)
            else:
                window.expect(places, future)

    def _tokenize(self, window: Window, plan: Plan) -> dict[int, Row]:
        places = window.pending()
        try:
            rows = self._predictor.tokenize([window.texts[at] for at in places], plan)
        except LightClientError:
            return dict(self._tokenize_singly(window, plan))
        return dict(zip(places, rows, strict=True))

    def _tokenize_singly(self, window: Window, plan: Plan) -> Iterator[tuple[int, Row]]:
        for at in window.pending():
            try:
                yield at, self._predictor.tokenize([window.texts[at]], plan)[0]
            except LightClientError as error:
                window.settle([at], [error])

    def _answer(
        self, window: Window, places: Sequence[int], rows: Sequence[Row], plan: Plan
    ) -> None:
        """Settle the texts of one request."""
        try:
            outcomes: Sequence[Outcome] = self._predict(rows, plan)
        except _PERHAPS_ONE_TEXT:
            outcomes = self._again([window.texts[at] for at in places], rows, plan)
        except LightClientError as error:
            outcomes = [error] * len(rows)
        window.settle(places, outcomes)

    def _again(self, texts: Sequence[Text], rows: Sequence[Row], plan: Plan) -> list[Outcome]:
        """With the plan of a new version, if there is one; then in parts, to find the culprit."""
        try:
            renewed = self._predictor.refresh_plan(plan, self._new_deadline())
            if renewed is not None:
                plan, rows = renewed, self._predictor.tokenize(texts, renewed)
        except LightClientError as error:
            return [error] * len(texts)
        return self._in_parts(rows, plan)

    def _in_parts(self, rows: Sequence[Row], plan: Plan) -> list[Outcome]:
        try:
            return list(self._predict(rows, plan))
        except _PERHAPS_ONE_TEXT as error:
            if len(rows) == 1:
                return [error]
        except LightClientError as error:
            return [error] * len(rows)
        middle = len(rows) // 2
        first = self._in_parts(rows[:middle], plan)
        if self._stops_at_error and isinstance(first[-1], LightClientError):
            return first + [first[-1]] * (len(rows) - middle)
        return first + self._in_parts(rows[middle:], plan)

    def _predict(self, rows: Sequence[Row], plan: Plan) -> list[Classification]:
        """One request; padded like all others where the server batches them and wants it so."""
        deadline = self._new_deadline()
        for _ in range(_CURES):
            try:
                return self._predictor.predict(rows, self._padded(plan, rows), deadline)
            except BadRequest as error:
                if plan.length is not None or not refuses_lengths(error):
                    raise
                refusal = error
            self._pad_from_now_on(rows, plan)
        raise refusal

    def _padded(self, plan: Plan, rows: Sequence[Row]) -> Plan:
        if self._pad_to is None or plan.length is not None:
            return plan
        return replace(plan, length=self._length_for(rows, plan))

    def _pad_from_now_on(self, rows: Sequence[Row], plan: Plan) -> None:
        if self._pad_to is None:
            _LOG.warning(
                "the server batches requests and refuses different lengths in a batch: from now on "
                "all are padded to one length; Classifier(pad_to=N) says so from the start"
            )
        self._pad_to = self._length_for(rows, plan)

    def _length_for(self, rows: Sequence[Row], plan: Plan) -> int:
        """A power of 2, so that a longer text seldom comes and changes it."""
        longest = max(self._pad_to or 1, *(len(row.input_ids) for row in rows))
        length = 1 << (longest - 1).bit_length()
        return length if plan.limit is None else min(length, plan.limit)
