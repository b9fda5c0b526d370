"""One request of a stream: its outcomes, whatever the server makes of it."""

import logging
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

from lightclient.classification import Classification
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
from lightclient.model.encoding import Row
from lightclient.serving.plan import Plan
from lightclient.serving.predictor import MAY_BE_OUTDATED, Predictor
from lightclient.serving.refusal import refuses_lengths
from lightclient.streams.load import FIRST, Climb

_PADDING_ATTEMPTS = 5
# One text can cause these errors for its whole request. All others come from the connection or the
# server, and sending the texts one by one would not help.
_PERHAPS_ONE_TEXT = (BadRequest, ReplyError, ServerFailed)
# What a request can meet because it is too large for the server's memory, time or limits.
_PERHAPS_TOO_LARGE = (ConnectionLost, Overloaded, ReplyTooLarge, TimedOut, Unavailable)
ABOUT_A_TEXT = (*_PERHAPS_ONE_TEXT, BundleError, InputError)
_LOG = logging.getLogger("lightclient")


class Outdated(NamedTuple):
    """The outcome of a row that another version of the model may have to answer.

    `error`: what the row met.
    """

    error: LightClientError


Outcome = Classification | LightClientError | Outdated


class Sender:
    """Sends the requests of one stream. Threads share it.

    `timeout` holds for each request, and `within` for all of them together. Another thread can end
    them by setting `stop`. `stops_at_error`: nobody will see what comes after the first error.
    `patient`: a request is repeated until its deadline, rather than as often as `retries` says.
    `climb`, `pace`: how large the requests are, and how many are under way.
    """

    def __init__(
        self,
        predictor: Predictor,
        timeout: float,
        within: Deadline | None,
        stop: Stop | None,
        *,
        stops_at_error: bool,
        patient: bool,
    ) -> None:
        self.predictor, self.within, self.stop = predictor, within, stop or Stop()
        self.stops_at_error, self._timeout = stops_at_error, timeout
        self.climb = Climb(timeout)
        self.pace = Pace(self.climb.load.requests, self.climb.most_requests, patient=patient)
        self._under_way: set[object] = set()
        self._pad_lock = threading.Lock()

    def new_deadline(self) -> Deadline:
        """The deadline of a request that begins now."""
        return Deadline(self._timeout, self.stop, self.within, self.pace)

    def plan(self) -> Plan:
        """The plan of now; raises what `Predictor.plan` does."""
        return self.predictor.plan(self.new_deadline())

    def send(self, rows: Sequence[Row], plan: Plan) -> list[Outcome]:
        """The outcomes of one request."""
        tokens = _count_tokens(rows, plan)
        if len(rows) > 1 and tokens > self.climb.most_tokens:
            return self.send_smaller(rows, plan)
        try:
            return list(self._predict(rows, plan))
        except _PERHAPS_TOO_LARGE as error:
            if len(rows) == 1 or tokens <= FIRST.tokens:
                return [error] * len(rows)
            return self.send_smaller(rows, plan)
        except LightClientError as error:
            found = self._explain(error, plan)
            if found is not error or not isinstance(error, _PERHAPS_ONE_TEXT):
                return [found] * len(rows)
        return self._send_in_parts(rows, plan)

    def _explain(self, error: LightClientError, plan: Plan) -> Outcome:
        """The error; or that its rows are outdated; or that a new version of the model is unfit."""
        if not isinstance(error, (*MAY_BE_OUTDATED, ServerFailed)):
            return error
        try:
            new_plan = self.predictor.next_plan(plan, error, self.new_deadline())
        except LightClientError as unfit:
            return unfit
        return error if new_plan is None else Outdated(error)

    def send_smaller(self, rows: Sequence[Row], plan: Plan) -> list[Outcome]:
        """Send the rows in requests that are no larger than the first ones of a stream were."""
        outcomes: list[Outcome] = []
        size = max(1, len(rows) * FIRST.tokens // _count_tokens(rows, plan))
        while len(outcomes) < len(rows):
            outcomes += self.send(rows[len(outcomes) :][:size], plan)
            last = outcomes[-1]
            if isinstance(last, _PERHAPS_TOO_LARGE) or self._is_the_end(last):
                # It was not the size.
                outcomes += [last] * (len(rows) - len(outcomes))
        return outcomes

    def _is_the_end(self, outcome: Outcome) -> bool:
        """Whether the stream ends at this outcome, so that nobody will see what comes after it."""
        return self.stops_at_error and isinstance(outcome, LightClientError)

    def _send_in_parts(self, rows: Sequence[Row], plan: Plan) -> list[Outcome]:
        try:
            return list(self._predict(rows, plan))
        except _PERHAPS_ONE_TEXT as error:
            if len(rows) == 1:
                return [self._explain(error, plan)]
        except LightClientError as error:
            return [self._explain(error, plan)] * len(rows)
        middle = len(rows) // 2
        first = self._send_in_parts(rows[:middle], plan)
        if self._is_the_end(first[-1]):
            return first + [first[-1]] * (len(rows) - middle)
        return first + self._send_in_parts(rows[middle:], plan)

    def _predict(self, rows: Sequence[Row], plan: Plan) -> list[Classification]:
        """Send one request, padded like all others where the server batches and wants it so."""
        deadline = self.new_deadline()
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
        request, refusals = object(), self.pace.refusals
        tokens, begun = _count_tokens(rows, plan), time.monotonic()
        self._under_way.add(request)
        under_way = len(self._under_way)
        try:
            answers = self.predictor.predict(rows, plan, deadline)
        except _PERHAPS_TOO_LARGE:
            self.climb.failed(tokens, time.monotonic() - begun)
            raise
        finally:
            self._under_way.discard(request)
        if refusals == self.pace.refusals:
            self.climb.ended(tokens, under_way, time.monotonic() - begun)
        return answers

    def _padded(self, plan: Plan, rows: Sequence[Row]) -> Plan:
        if self.predictor.pad_to is None or plan.length is not None:
            return plan
        return plan._replace(length=self._length_for(rows, plan))

    def _pad_from_now_on(self, rows: Sequence[Row], plan: Plan) -> None:
        with self._pad_lock:  # several requests of the stream may be refused at the same time
            if self.predictor.pad_to is None:
                _LOG.warning(
                    "the server batches requests and refuses different lengths in a batch: from "
                    "now on all are padded to one length; Classifier(pad_to=N) says so from the "
                    "start"
                )
            self.predictor.pad_to = self._length_for(rows, plan)

    def _length_for(self, rows: Sequence[Row], plan: Plan) -> int:
        """A power of 2, so that a longer text seldom comes and changes it."""
        longest = max(self.predictor.pad_to or 1, *(len(row.input_ids) for row in rows))
        length = 1 << (longest - 1).bit_length()
        return length if plan.limit is None else min(length, plan.limit)


def _count_tokens(rows: Sequence[Row], plan: Plan) -> int:
    """The tokens of a request, padding included."""
    return len(rows) * max(plan.length or 0, *(len(row.input_ids) for row in rows))
