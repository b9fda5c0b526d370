"""Many texts: read in chunks, sorted by length, cut into requests of which several are under way.

A model's time grows with the tokens it is given, padding included, so texts of similar length
share a request. A request is bounded by tokens and not by texts, so that it takes about as long
with short texts as with long ones, and the same deadline fits both.

How many tokens a request has and how many requests are under way follows from the answers; see
`lightclient.load`. Texts that are equal and stand in the same chunk are asked once.
"""

import logging
import os
import sys
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from contextvars import copy_context
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue

from lightclient.chunk import Chunk, cut, read_chunks
from lightclient.classification import Classification
from lightclient.column import Missing
from lightclient.errors import (
    BadRequest,
    BundleError,
    ConnectionLost,
    InputError,
    LightClientError,
    Overloaded,
    ReplyError,
    ReplyTooLarge,
    ServerFailed,
    TimedOut,
    Unavailable,
)
from lightclient.http.deadline import Deadline, Stop
from lightclient.http.pace import Pace
from lightclient.load import FIRST, MOST, Climb
from lightclient.model.encoding import Row, Text
from lightclient.serving.plan import Plan
from lightclient.serving.predictor import MAY_BE_OUTDATED, PLANS_TRIED, Predictor
from lightclient.serving.refusal import refuses_lengths

Outcome = Classification | LightClientError | Missing
_Job = Callable[[], None]

_CHUNKS_AT_ONCE = 2
_LONGEST_WAIT = 0.1  # seconds
_PADDING_ATTEMPTS = 5
# One text can cause these errors for its whole request. All others come from the connection or the
# server, and sending the texts one by one would not help.
_PERHAPS_ONE_TEXT = (BadRequest, ReplyError, ServerFailed)
# What a request can meet because it is too large for the server's memory, time or limits.
_PERHAPS_TOO_LARGE = (ConnectionLost, Overloaded, ReplyTooLarge, TimedOut, Unavailable)
ABOUT_A_TEXT = (*_PERHAPS_ONE_TEXT, BundleError, InputError)
_LOG = logging.getLogger("lightclient")


def classify_stream(
    texts: Iterable[object],
    predictor: Predictor,
    timeout: float,
    *,
    stops_at_error: bool,
    may_be_missing: bool = False,
    within: Deadline | None = None,
    stop: Stop | None = None,
) -> Generator[Classification | LightClientError | None, None, None]:
    """Classify texts as they come, in their order; see `Classifier.classify_many`.

    `timeout` holds for each request, and `within` for all of them together. Another thread can end
    the stream by setting `stop`. What the stream gives or raises after that has no meaning.
    """
    started: deque[_Started] = deque()
    stop = stop or Stop()
    with _Stream(predictor, timeout, within, stop, stops_at_error=stops_at_error) as stream:
        for chunk in read_chunks(texts, may_be_missing=may_be_missing):
            started.append(stream.start(chunk))
            if len(started) == _CHUNKS_AT_ONCE:
                yield from _in_order(started.popleft(), stops_at_error)
        while started:
            yield from _in_order(started.popleft(), stops_at_error)


@dataclass
class _Started:
    """A chunk whose requests are under way.

    `pid`: the process that began it. `outcomes`: one a text, None until its request has ended; a
    foreign error if that broke the request off. `stop`: that of the stream. `ended`: gets an item
    from each request at its end. `twins`: the other places of a text that comes more than once, by
    its first place.
    """

    chunk: Chunk
    pid: int
    outcomes: list[Outcome | BaseException | None]
    stop: Stop
    ended: "SimpleQueue[None]" = field(default_factory=SimpleQueue)
    twins: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))

    def texts(self) -> dict[int, Text]:
        """The texts to send, by their first places. A value that is no text has its error."""
        firsts: dict[Text, int] = {}
        for at, text in enumerate(self.chunk.texts):
            if isinstance(text, (LightClientError, Missing)):
                self.outcomes[at] = text
            elif (first := firsts.setdefault(text, at)) != at:
                self.twins[first].append(at)
        return {at: text for text, at in firsts.items()}

    def finish(self, places: Sequence[int], answer: Callable[[], list[Outcome]]) -> None:
        """Fetch the outcomes of the request that has the texts of these places."""
        try:
            for at, outcome in zip(places, answer(), strict=True):
                self.set_outcome(at, outcome)
        except BaseException as failure:
            for at in places:
                self.set_outcome(at, failure)
            raise
        finally:
            self.ended.put(None)

    def set_outcome(self, at: int, outcome: Outcome | BaseException) -> None:
        """The outcome of the text at this place, and of those that are equal to it."""
        for place in (at, *self.twins.get(at, ())):
            self.outcomes[place] = outcome

    def wait(self) -> None:
        """Wait until another request has ended, or for a while."""
        _check_process(self.pid)
        if self.stop.is_set():
            raise LightClientError("this classify_many has been ended")
        # A Ctrl-C that comes just before a wait begins is dealt with only when the wait is over.
        with suppress(Empty):
            self.ended.get(timeout=_LONGEST_WAIT)


def _in_order(
    started: _Started, stops_at_error: bool
) -> Iterator[Classification | LightClientError | None]:
    for at in range(len(started.outcomes)):
        while (outcome := started.outcomes[at]) is None:
            started.wait()
        if isinstance(outcome, LightClientError):
            outcome = _placed(outcome, started.chunk.start + at)
            if stops_at_error:
                raise outcome
        elif isinstance(outcome, BaseException):
            raise outcome
        yield None if isinstance(outcome, Missing) else outcome
    if started.chunk.failure is not None:
        raise started.chunk.failure


def _check_process(pid: int) -> None:
    if os.getpid() != pid:
        raise LightClientError(
            "this classify_many was begun before a fork, and what it waits for goes on in the "
            "parent process only: begin another in the child"
        )


def _placed(error: LightClientError, place: int) -> LightClientError:
    """The error of a request as that of one of its texts."""
    placed = copy(error)
    placed.index = place
    where = f"texts[{place}]"
    if isinstance(error, ABOUT_A_TEXT) and not str(error).startswith(where):
        placed.args = (f"{where}: {error}",)
    placed.__cause__ = error.__cause__
    return placed


class _Stream:
    """Sends chunks off, request by request; leaves nothing under way at its end.

    The threads are its own, and what they share are SimpleQueues. The futures of a
    ThreadPoolExecutor have locks that an interrupt (Ctrl-C) can leave locked, and then a thread
    would wait for ever, and the interpreter for the thread.
    """

    def __init__(
        self,
        predictor: Predictor,
        timeout: float,
        within: Deadline | None,
        stop: Stop,
        *,
        stops_at_error: bool,
    ) -> None:
        self._predictor, self._timeout, self._within = predictor, timeout, within
        self._stops_at_error = stops_at_error
        self._climb = Climb(timeout)
        self._stop, self._pace = stop, Pace(self._climb.load.requests, MOST.requests)
        self._under_way: set[object] = set()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._pid = os.getpid()
        self._pad_lock = threading.Lock()

    def __enter__(self) -> "_Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        if sys.is_finalizing():
            return  # the interpreter has stopped the threads where they were: a join never returns
        # If nobody holds the stream any more, the garbage collector may close it in one of its own
        # threads, which cannot wait for itself.
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()

    def __del__(self) -> None:
        self._end()  # an interrupt may have come before `__exit__` could

    def _end(self) -> None:
        self._stop.set()
        self._pace.give_all_permits()
        self._jobs.put(None)

    def _new_deadline(self) -> Deadline:
        return Deadline(self._timeout, self._stop, self._within, self._pace)

    def start(self, chunk: Chunk) -> _Started:
        """Tokenize a chunk and send its requests off."""
        _check_process(self._pid)
        load = self._climb.next_load()
        self._pace.set_limit(load.requests)
        started = _Started(chunk, self._pid, [None] * len(chunk.texts), self._stop)
        texts = started.texts()
        if not texts:
            return started
        try:
            plan = self._predictor.plan(self._new_deadline())
        except LightClientError as error:
            for at in texts:
                started.set_outcome(at, error)
            return started
        rows = self._tokenize(texts, plan, started)
        lengths = {at: len(row.input_ids) for at, row in rows.items()}
        width, most = plan.length or self._predictor.pad_to, self._predictor.most_rows
        for places in cut(lengths, width, load.tokens, most):
            request = [texts[at] for at in places], [rows[at] for at in places], plan
            self._do(partial(started.finish, places, partial(self._answer, *request)))
        return started

    def _tokenize(self, texts: Mapping[int, Text], plan: Plan, started: _Started) -> dict[int, Row]:
        """The rows of the texts; the error of a text that cannot be tokenized is its outcome."""
        with suppress(LightClientError):
            rows = self._predictor.tokenize(list(texts.values()), plan)
            return dict(zip(texts, rows, strict=True))
        found: dict[int, Row] = {}
        for at, text in texts.items():  # one by one, to find out which text it is
            try:
                [found[at]] = self._predictor.tokenize([text], plan)
            except LightClientError as error:
                started.set_outcome(at, error)
        return found

    def _do(self, job: _Job) -> None:
        """Have a thread do a job, or do it here if there is no thread to be had."""
        if len(self._threads) < self._climb.load.requests:
            shared = self._jobs, self._pace, self._stop
            thread = threading.Thread(
                target=_work, args=shared, name="lightclient-many", daemon=True
            )
            with suppress(RuntimeError):  # too many threads, or the interpreter's end
                thread.start()
                self._threads.append(thread)
        if self._threads:
            # In the caller's context, so that tracing knows which span the request belongs to.
            self._jobs.put(partial(copy_context().run, job))
        else:
            job()

    def _answer(self, texts: Sequence[Text], rows: Sequence[Row], plan: Plan) -> list[Outcome]:
        """The outcomes of one request."""
        if len(rows) > 1 and _count_tokens(rows, plan) > self._climb.most_tokens:
            return self._answer_smaller(rows, plan)
        try:
            for _ in range(PLANS_TRIED):
                try:
                    return list(self._predict(rows, plan))
                except (*MAY_BE_OUTDATED, ServerFailed) as error:
                    # Perhaps a new version of the model has another plan. If not, find the culprit.
                    new_plan = self._predictor.next_plan(plan, error, self._new_deadline())
                    if new_plan is None and not isinstance(error, _PERHAPS_ONE_TEXT):
                        raise
                if new_plan is None:
                    break
                plan, rows = new_plan, self._predictor.tokenize(texts, new_plan)
        except _PERHAPS_TOO_LARGE as error:
            if len(rows) == 1 or _count_tokens(rows, plan) <= FIRST.tokens:
                return [error] * len(texts)
            return self._answer_smaller(rows, plan)
        except LightClientError as error:
            return [error] * len(texts)
        return self._answer_in_parts(rows, plan)

    def _answer_smaller(self, rows: Sequence[Row], plan: Plan) -> list[Outcome]:
        """Send the rows in requests that are no larger than the first ones of a stream were."""
        outcomes: list[Outcome] = []
        size = max(1, len(rows) * FIRST.tokens // _count_tokens(rows, plan))
        while len(outcomes) < len(rows):
            outcomes += self._answer_in_parts(rows[len(outcomes) :][:size], plan)
            last = outcomes[-1]
            if isinstance(last, _PERHAPS_TOO_LARGE) or self._is_the_end(last):
                # It was not the size.
                outcomes += [last] * (len(rows) - len(outcomes))
        return outcomes

    def _is_the_end(self, outcome: Outcome) -> bool:
        """Whether the stream ends at this outcome, so that nobody will see what comes after it."""
        return self._stops_at_error and isinstance(outcome, LightClientError)

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
        if self._is_the_end(first[-1]):
            return first + [first[-1]] * (len(rows) - middle)
        return first + self._answer_in_parts(rows[middle:], plan)

    def _predict(self, rows: Sequence[Row], plan: Plan) -> list[Classification]:
        """Send one request, padded like all others where the server batches and wants it so."""
        deadline = self._new_deadline()
        for _ in range(_PADDING_ATTEMPTS):
            try:
                return self._measured(rows, self._padded(plan, rows), deadline)
            except BadRequest as error:
                if plan.length is not None or not refuses_lengths(error):
                    raise
                refusal = error
            # Another attempt may be refused as well: requests that were sent before still have
            # lengths of their own, and can meet this one in a batch.
            self._pad_from_now_on(rows, plan)
        raise refusal

    def _measured(
        self, rows: Sequence[Row], plan: Plan, deadline: Deadline
    ) -> list[Classification]:
        """Send one request, and say how long it took if the server refused none meanwhile."""
        request, refusals = object(), self._pace.refusals
        tokens, begun = _count_tokens(rows, plan), time.monotonic()
        self._under_way.add(request)
        under_way = len(self._under_way)
        try:
            answers = self._predictor.predict(rows, plan, deadline)
        except _PERHAPS_TOO_LARGE:
            self._climb.failed(tokens, time.monotonic() - begun)
            raise
        finally:
            self._under_way.discard(request)
        if refusals == self._pace.refusals:
            self._climb.ended(tokens, under_way, time.monotonic() - begun)
        return answers

    def _padded(self, plan: Plan, rows: Sequence[Row]) -> Plan:
        if self._predictor.pad_to is None or plan.length is not None:
            return plan
        return plan._replace(length=self._length_for(rows, plan))

    def _pad_from_now_on(self, rows: Sequence[Row], plan: Plan) -> None:
        with self._pad_lock:  # several requests of the stream may be refused at the same time
            if self._predictor.pad_to is None:
                _LOG.warning(
                    "the server batches requests and refuses different lengths in a batch: from "
                    "now on all are padded to one length; Classifier(pad_to=N) says so from the "
                    "start"
                )
            self._predictor.pad_to = self._length_for(rows, plan)

    def _length_for(self, rows: Sequence[Row], plan: Plan) -> int:
        """A power of 2, so that a longer text seldom comes and changes it."""
        longest = max(self._predictor.pad_to or 1, *(len(row.input_ids) for row in rows))
        length = 1 << (longest - 1).bit_length()
        return length if plan.limit is None else min(length, plan.limit)


def _count_tokens(rows: Sequence[Row], plan: Plan) -> int:
    """The tokens of a request, padding included."""
    return len(rows) * max(plan.length or 0, *(len(row.input_ids) for row in rows))


def _work(jobs: "SimpleQueue[_Job | None]", pace: Pace, stop: Stop) -> None:
    """Do jobs until None comes. It holds on to no job, since that would keep its stream alive."""
    pace.take_permit()
    while (job := jobs.get()) is not None:
        if not stop.is_set():
            with suppress(BaseException):  # `_in_order` raises it when its turn comes
                job()
        del job
        pace.give_permit_back()
        pace.take_permit()
    jobs.put(None)  # for the next thread
