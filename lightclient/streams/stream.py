"""Many texts: read in chunks, sorted by length, cut into requests of which several are under way.

A model's time grows with the tokens it is given, padding included, so texts of similar length
share a request. A request is bounded by tokens and not by texts, so that it takes about as long
with short texts as with long ones, and the same deadline fits both.

How many tokens a request has and how many requests are under way follows from the answers; see
`load.py`. Texts that are equal and stand in the same chunk are asked once.
"""

import os
import sys
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from contextvars import copy_context
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from lightclient.classification import Classification
from lightclient.errors import LightClientError
from lightclient.http.deadline import Stop
from lightclient.http.pace import Pace
from lightclient.model.encoding import Row, Text
from lightclient.questions.question import Question
from lightclient.serving.plan import Plan
from lightclient.serving.predictor import PLANS_TRIED
from lightclient.streams.chunk import Chunk, cut, read_chunks
from lightclient.streams.sender import ABOUT_A_TEXT, Outcome, Outdated, Sender
from lightclient.texts import Missing

_Job = Callable[[], None]

_CHUNKS_AT_ONCE = 2
_LONGEST_WAIT = 0.1  # seconds


def ask_stream(
    texts: Iterable[object],
    question: Question,
    sender: Sender,
    noun: str | None = "texts",
    *,
    may_be_missing: bool = False,
) -> Generator[Any, None, None]:
    """Ask a question about texts as they come, in their order; see `Classifier.classify_many`.

    What the stream gives or raises after it was stopped has no meaning. `noun`: what errors call
    the texts, of which they name one; None: there is only one.
    """
    started: deque[_Started] = deque()
    with closing(_Stream(sender, question)) as stream:
        for chunk in read_chunks(texts, question.rows_a_text, may_be_missing=may_be_missing):
            started.append(stream.start(chunk))
            if len(started) == _CHUNKS_AT_ONCE:
                yield from stream.in_order(started.popleft(), noun)
        while started:
            yield from stream.in_order(started.popleft(), noun)


class _Piece(NamedTuple):
    """A row of a text, to be answered.

    `at`: the place of the text in its chunk. `answers`: has a place for the answer to each of its
    rows. `number`: the place of this one.
    """

    at: int
    answers: list[Classification | None]
    number: int
    row: Row


@dataclass
class _Started:
    """A chunk whose requests are under way.

    `sender`, `question`: those of the stream. `outcomes`: one a text, None until it is known; a
    foreign error if that broke a request off. `answers`: the list that the rows of a text have
    their answers in, by its first place. `ended`: gets an item from each request at its end.
    `twins`: the other places of a text that comes more than once, by its first place.
    """

    chunk: Chunk
    sender: Sender
    question: Question
    outcomes: list[Any]
    answers: dict[int, list[Classification | None]] = field(default_factory=dict)
    ended: "SimpleQueue[None]" = field(default_factory=SimpleQueue)
    twins: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))

    def places(self) -> list[int]:
        """The first places of the texts to send. A value that is no text has its error."""
        firsts: dict[Text, int] = {}
        for at, text in enumerate(self.chunk.texts):
            if isinstance(text, (LightClientError, Missing)):
                self.outcomes[at] = text
            elif (first := firsts.setdefault(text, at)) != at:
                self.twins[first].append(at)
        return list(firsts.values())

    def pieces(self, places: Iterable[int], plan: Plan) -> list[_Piece]:
        """All rows of the texts at these places."""
        found: list[_Piece] = []
        for at, rows in self._make_rows(places, plan).items():
            answers = self.answers[at] = [None] * len(rows)
            found += [_Piece(at, answers, number, row) for number, row in enumerate(rows)]
        return found

    def _make_rows(self, places: Iterable[int], plan: Plan) -> dict[int, list[Row]]:
        """The rows of texts; the error of a text that cannot be tokenized is its outcome."""
        texts: dict[int, Any] = {at: self.chunk.texts[at] for at in places}
        with suppress(LightClientError):
            rows = self.question.rows(list(texts.values()), plan)
            return dict(zip(texts, rows, strict=True))
        found: dict[int, list[Row]] = {}
        for at, text in texts.items():  # one by one, to find out which text it is
            try:
                [found[at]] = self.question.rows([text], plan)
            except LightClientError as error:
                self.set_outcome(at, error)
        return found

    def send(self, pieces: Sequence[_Piece], plan: Plan) -> None:
        """Send one request, and see which texts are answered by it."""
        try:
            # A text may have failed by the request for another row of it.
            pieces = [piece for piece in pieces if self.outcomes[piece.at] is None]
            self._send(pieces, plan)
        except BaseException as failure:
            for piece in pieces:
                self.set_outcome(piece.at, failure)
            raise
        finally:
            self.ended.put(None)

    def _send(self, pieces: Sequence[_Piece], plan: Plan) -> None:
        """Send pieces, and all of a text once more if one of them meets another version."""
        send: Callable[[Sequence[Row], Plan], list[Outcome]] = self.sender.send
        for _ in range(PLANS_TRIED):
            outcomes = send([piece.row for piece in pieces], plan) if pieces else []
            outdated = self._take(pieces, outcomes, plan)
            if not outdated:
                return
            plan, send = self.sender.plan(), self.sender.send_smaller
            pieces = self.pieces(outdated, plan)
        for at, error in outdated.items():
            self.set_outcome(at, error)

    def _take(
        self, pieces: Sequence[_Piece], outcomes: Sequence[Outcome], plan: Plan
    ) -> dict[int, LightClientError]:
        """Take what pieces met; return the places of texts to ask again, each with the reason."""
        outdated: dict[int, LightClientError] = {}
        for piece, outcome in zip(pieces, outcomes, strict=True):
            if self.answers.get(piece.at) is not piece.answers:
                continue  # the text is asked again already
            if isinstance(outcome, Outdated):
                self.answers.pop(piece.at, None)
                outdated[piece.at] = outcome.error
            elif isinstance(outcome, LightClientError):
                self.set_outcome(piece.at, outcome)
            else:
                piece.answers[piece.number] = outcome
                # If two threads bring the last two answers, both give the text its outcome.
                if None not in piece.answers:
                    self.set_outcome(piece.at, self._answer(piece.answers, plan))
        return outdated

    def _answer(self, answers: Sequence[Any], plan: Plan) -> Any:
        try:
            return self.question.answer(answers, plan)
        except LightClientError as error:
            return error

    def set_outcome(self, at: int, outcome: Any) -> None:
        """The outcome of the text at this place, and of those equal to it, if it has none yet."""
        for place in (at, *self.twins.get(at, ())):
            if self.outcomes[place] is None:
                self.outcomes[place] = outcome


def _placed(error: LightClientError, noun: str, place: int) -> LightClientError:
    """The error of a request as that of one of its texts."""
    placed = copy(error)
    placed.index = place
    where = f"{noun}[{place}]"
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

    def __init__(self, sender: Sender, question: Question) -> None:
        self._sender, self._question = sender, question
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._pid = os.getpid()

    def close(self) -> None:
        """End the stream, and wait until nothing of it is under way."""
        self._end()
        if sys.is_finalizing():
            return  # the interpreter has stopped the threads where they were: a join never returns
        # If nobody holds the stream any more, the garbage collector may close it in one of its own
        # threads, which cannot wait for itself.
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()

    def __del__(self) -> None:
        self._end()  # an interrupt may have come before `close` could

    def _end(self) -> None:
        self._sender.stop.set()
        self._sender.pace.give_all_permits()
        self._jobs.put(None)

    def start(self, chunk: Chunk) -> _Started:
        """Tokenize a chunk and send its requests off."""
        self._check()
        load = self._sender.climb.next_load()
        self._sender.pace.set_limit(load.requests)
        started = _Started(chunk, self._sender, self._question, [None] * len(chunk.texts))
        places = started.places()
        if not places:
            return started
        within = None if chunk.start else self._sender.within
        if within and within.over:  # by what is done already
            within = None
        try:
            plan = self._sender.plan()
            pieces = started.pieces(places, plan)
            if within and within.over:
                raise self._sender.predictor.too_late(within, "tokenizing alone")
        except LightClientError as error:
            for at in places:
                started.set_outcome(at, error)
            return started
        lengths = {at: len(piece.row.input_ids) for at, piece in enumerate(pieces)}
        predictor = self._sender.predictor
        width, most = plan.length or predictor.pad_to, predictor.most_rows
        for request in cut(lengths, width, load.tokens, most):
            self._do(partial(started.send, [pieces[at] for at in request], plan))
        return started

    def in_order(self, started: _Started, noun: str | None) -> Iterator[Any]:
        """The answers to a chunk, in order; raises what comes in the place of one."""
        for at in range(len(started.outcomes)):
            while (outcome := started.outcomes[at]) is None:
                self._wait(started)
            if isinstance(outcome, LightClientError):
                if noun:
                    outcome = _placed(outcome, noun, started.chunk.start + at)
                if self._sender.stops_at_error:
                    raise outcome
            elif isinstance(outcome, BaseException):
                raise outcome
            yield None if isinstance(outcome, Missing) else outcome
        if started.chunk.failure is not None:
            raise started.chunk.failure

    def _wait(self, started: _Started) -> None:
        """Wait until another request of a chunk has ended, or for a while."""
        self._check()
        # A Ctrl-C that comes just before a wait begins is dealt with only when the wait is over.
        with suppress(Empty):
            started.ended.get(timeout=_LONGEST_WAIT)

    def _check(self) -> None:
        """Raise a LightClientError if no answer can come any more."""
        if os.getpid() != self._pid:
            raise LightClientError(
                "this stream of answers was begun before a fork, and what it waits for goes on in "
                "the parent process only: begin another in the child"
            )
        if self._sender.stop.is_set():
            raise LightClientError("this stream of answers has been ended")

    def _do(self, job: _Job) -> None:
        """Have a thread do a job, or do it here if there is no thread to be had."""
        if len(self._threads) < self._sender.climb.load.requests:
            shared = self._jobs, self._sender.pace, self._sender.stop
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


def _work(jobs: "SimpleQueue[_Job | None]", pace: Pace, stop: Stop) -> None:
    """Do jobs until None comes. It holds on to no job, since that would keep its stream alive."""
    pace.take_permit()
    while (job := jobs.get()) is not None:
        if not stop.is_set():
            with suppress(BaseException):  # `in_order` raises it when its turn comes
                job()
        del job
        pace.give_permit_back()
        pace.take_permit()
    jobs.put(None)  # for the next thread
