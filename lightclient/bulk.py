"""Many texts: read in chunks, sorted by length, cut into requests of which several are under way.

A model's time grows with the tokens it is given, padding included, so texts of similar length
share a request. A request is bounded by tokens and not by texts, so that it takes about as long
with short texts as with long ones, and the same deadline fits both.

The two bounds are a compromise between two kinds of servers (`python -m tests.benchmarks.sweep
URL` tries others). A processor is busy with any request, and large ones leave its cache: with
DistilBERT on two cores 512, 1,024 and 2,048 tokens gave at best 78, 69 and 60 texts a second. Where
each request has a fixed cost, as on an accelerator, large or simultaneous requests are better: at
4 ms each, 1,024 tokens one by one gave 6,100 texts a second, four at once 14,200, twice that size
20,200.
"""

import logging
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from copy import copy
from dataclasses import replace

from lightclient.chunk import Chunk, cut, read_chunks
from lightclient.classification import Classification
from lightclient.errors import BadRequest, LightClientError, ReplyError, ServerFailed
from lightclient.http.deadline import Deadline
from lightclient.model.encoding import Row, Text
from lightclient.serving.predictor import Plan, Predictor
from lightclient.serving.refusal import refuses_lengths

Outcome = Classification | LightClientError
# The request that a text is in, and its place there.
_Answer = tuple["Future[list[Outcome]]", int]

TOKENS_PER_REQUEST = 1024
REQUESTS_AT_ONCE = 4
_CHUNKS_AT_ONCE = 2
_PADDING_ATTEMPTS = 5
# One text can cause these errors for its whole request. All others come from the connection or the
# server, and sending the texts one by one would not help.
_PERHAPS_ONE_TEXT = (BadRequest, ReplyError, ServerFailed)
_THREADS = "lightclient-many"
_LOG = logging.getLogger("lightclient")


def classify_stream(
    texts: Iterable[object], predictor: Predictor, timeout: float, *, stops_at_error: bool
) -> Iterator[Outcome]:
    """Classify texts as they come, in their order; see `Classifier.classify_many`."""
    pid = os.getpid()
    started: deque[tuple[Chunk, Mapping[int, _Answer]]] = deque()
    with _Stream(predictor, timeout, stops_at_error=stops_at_error) as stream:
        for chunk in read_chunks(texts):
            started.append((chunk, stream.start(chunk)))
            if len(started) == _CHUNKS_AT_ONCE:
                yield from _outcomes(*started.popleft(), pid, stops_at_error)
        while started:
            yield from _outcomes(*started.popleft(), pid, stops_at_error)


def _outcomes(
    chunk: Chunk, answers: Mapping[int, _Answer], pid: int, stops_at_error: bool
) -> Iterator[Outcome]:
    for place in range(chunk.start, chunk.start + len(chunk.texts)):
        if os.getpid() != pid:
            raise LightClientError(
                "this classify_many was begun before a fork, and what it waits for goes on in the "
                "parent process only: begin another in the child"
            )
        request, at = answers[place]
        outcome = request.result()[at]
        if isinstance(outcome, LightClientError):
            outcome = _placed(outcome, place)
            if stops_at_error:
                raise outcome
        yield outcome
    if chunk.failure is not None:
        raise chunk.failure


def _placed(error: LightClientError, place: int) -> LightClientError:
    """The error of a request as that of one of its texts."""
    placed = copy(error)
    placed.index = place
    where = f"texts[{place}]"
    if not str(error).startswith(where):
        placed.args = (f"{where}: {error}",)
    placed.__cause__ = error.__cause__
    return placed


class _Stream:
    """Sends chunks off, request by request; leaves nothing under way at its end."""

    def __init__(self, predictor: Predictor, timeout: float, *, stops_at_error: bool) -> None:
        self._predictor, self._timeout = predictor, timeout
        self._stops_at_error = stops_at_error
        self._stop = threading.Event()
        self._executor = ThreadPoolExecutor(REQUESTS_AT_ONCE, thread_name_prefix=_THREADS)
        self._pad_to: int | None = None
        self._pad_lock = threading.Lock()

    def __enter__(self) -> "_Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        # If nobody holds the stream any more, the garbage collector may close it in one of its own
        # threads, which cannot wait for itself.
        own = threading.current_thread().name.startswith(_THREADS)
        self._executor.shutdown(wait=not own, cancel_futures=True)

    def _new_deadline(self) -> Deadline:
        return Deadline(self._timeout, self._stop)

    def start(self, chunk: Chunk) -> dict[int, _Answer]:
        """Tokenize a chunk and send its requests off; give the answer of each place."""
        found = dict(enumerate(chunk.texts, chunk.start))
        texts = {at: text for at, text in found.items() if not isinstance(text, LightClientError)}
        errors: dict[int, LightClientError] = {
            at: error for at, error in found.items() if isinstance(error, LightClientError)
        }
        try:
            plan = self._predictor.plan(self._new_deadline())
        except LightClientError as error:
            return _known(errors | dict.fromkeys(texts, error))
        rows = self._tokenize(texts, plan, errors)
        return _known(errors) | dict(self._send(texts, rows, plan))

    def _tokenize(
        self, texts: Mapping[int, Text], plan: Plan, errors: dict[int, LightClientError]
    ) -> dict[int, Row]:
        """The rows of the texts; the error of a text that cannot be tokenized goes to `errors`."""
        with suppress(LightClientError):
            rows = self._predictor.tokenize(list(texts.values()), plan)
            return dict(zip(texts, rows, strict=True))
        found: dict[int, Row] = {}
        for place, text in texts.items():  # one by one, to find out which text it is
            try:
                [found[place]] = self._predictor.tokenize([text], plan)
            except LightClientError as error:
                errors[place] = error
        return found

    def _send(
        self, texts: Mapping[int, Text], rows: Mapping[int, Row], plan: Plan
    ) -> Iterator[tuple[int, _Answer]]:
        lengths = {place: len(row.input_ids) for place, row in rows.items()}
        for places in cut(lengths, plan.length or self._pad_to, TOKENS_PER_REQUEST):
            request = self._submit([texts[at] for at in places], [rows[at] for at in places], plan)
            for at, place in enumerate(places):
                yield place, (request, at)

    def _submit(
        self, texts: Sequence[Text], rows: Sequence[Row], plan: Plan
    ) -> "Future[list[Outcome]]":
        try:
            # In the caller's context, so that tracing knows which span the request belongs to.
            return self._executor.submit(copy_context().run, self._answer, texts, rows, plan)
        except RuntimeError:  # no thread is to be had, as at the interpreter's end
            return _done(self._answer(texts, rows, plan))

    def _answer(self, texts: Sequence[Text], rows: Sequence[Row], plan: Plan) -> list[Outcome]:
        """The outcomes of one request."""
        try:
            with suppress(*_PERHAPS_ONE_TEXT):
                return list(self._predict(rows, plan))
            # Perhaps a new version of the model has another plan. If not, find the culprit.
            new_plan = self._predictor.refresh_plan(plan, self._new_deadline())
            if new_plan is not None:
                plan, rows = new_plan, self._predictor.tokenize(texts, new_plan)
        except LightClientError as error:
            return [error] * len(texts)
        return self._answer_in_parts(rows, plan)

    def _answer_in_parts(self, rows: Sequence[Row], plan: Plan) -> list[Outcome]:
        try:
            return list(self._predict(rows, plan))
        except _PERHAPS_ONE_TEXT as error:
            if len(rows) == 1:
                return [error]
        except LightClientError as error:
            return [error] * len(rows)
        middle = len(rows) // 2
        first = self._answer_in_parts(rows[:middle], plan)
        if self._stops_at_error and isinstance(first[-1], LightClientError):
            # The stream ends at this error, so nobody will see what comes after it.
            return first + [first[-1]] * (len(rows) - middle)
        return first + self._answer_in_parts(rows[middle:], plan)

    def _predict(self, rows: Sequence[Row], plan: Plan) -> list[Classification]:
        """Send one request, padded like all others where the server batches and wants it so."""
        deadline = self._new_deadline()
        for _ in range(_PADDING_ATTEMPTS):
            try:
                return self._predictor.predict(rows, self._padded(plan, rows), deadline)
            except BadRequest as error:
                if plan.length is not None or not refuses_lengths(error):
                    raise
                refusal = error
            # Another attempt may be refused as well: requests that were sent before still have
            # lengths of their own, and can meet this one in a batch.
            self._pad_from_now_on(rows, plan)
        raise refusal

    def _padded(self, plan: Plan, rows: Sequence[Row]) -> Plan:
        if self._pad_to is None or plan.length is not None:
            return plan
        return replace(plan, length=self._length_for(rows, plan))

    def _pad_from_now_on(self, rows: Sequence[Row], plan: Plan) -> None:
        with self._pad_lock:  # several requests of the stream may be refused at the same time
            if self._pad_to is None:
                _LOG.warning(
                    "the server batches requests and refuses different lengths in a batch: from "
                    "now on all are padded to one length; Classifier(pad_to=N) says so from the "
                    "start"
                )
            self._pad_to = self._length_for(rows, plan)

    def _length_for(self, rows: Sequence[Row], plan: Plan) -> int:
        """A power of 2, so that a longer text seldom comes and changes it."""
        longest = max(self._pad_to or 1, *(len(row.input_ids) for row in rows))
        length = 1 << (longest - 1).bit_length()
        return length if plan.limit is None else min(length, plan.limit)


def _known(errors: Mapping[int, LightClientError]) -> dict[int, _Answer]:
    """The answers of texts whose errors are known before any request is sent."""
    return {place: (_done([error]), 0) for place, error in errors.items()}


def _done(outcomes: list[Outcome]) -> "Future[list[Outcome]]":
    request: Future[list[Outcome]] = Future()
    request.set_result(outcomes)
    return request
