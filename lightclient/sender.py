"""One request of a stream: its outcomes, whatever the server makes of it."""

import logging
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple, cast

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
from lightclient.load import FIRST, Climb
from lightclient.model.encoding import Row, Text
from lightclient.question import Question
from lightclient.serving.plan import Plan
from lightclient.serving.predictor import MAY_BE_OUTDATED, PLANS_TRIED, Predictor
from lightclient.serving.refusal import refuses_lengths

_PADDING_ATTEMPTS = 5
# One text can cause these errors for its whole request. All others come from the connection or the
# server, and sending the texts one by one would not help.
_PERHAPS_ONE_TEXT = (BadRequest, ReplyError, ServerFailed)
# What a request can meet because it is too large for the server's memory, time or limits.
_PERHAPS_TOO_LARGE = (ConnectionLost, Overloaded, ReplyTooLarge, TimedOut, Unavailable)
ABOUT_A_TEXT = (*_PERHAPS_ONE_TEXT, BundleError, InputError)
_LOG = logging.getLogger("lightclient")


class Piece(NamedTuple):
    """A row of a text. `at`: the place of the text in its chunk; `number`: of the row in the text.

    `is_whole`: the text has no other row.
    """

    at: int
    number: int
    is_whole: bool
    text: Text
    row: Row


class Outdated(LightClientError):
    """Stands for the answer to a piece whose text must be sent again, to another version."""


Outcome = Classification | LightClientError


class Sender:
    """Sends the requests of one stream. Threads share it.

    `timeout` holds for each request, and `within` for all of them together. `stop` ends them.
    `stops_at_error`: nobody will see what comes after the first error. `climb`, `pace`: how large
    the requests are, and how many are under way.
    """

    def __init__(
        self,
        predictor: Predictor,
        question: Question,
        timeout: float,
        within: Deadline | None,
        stop: Stop,
        *,
        stops_at_error: bool,
    ) -> None:
        self._predictor, self._question = predictor, question
        self._timeout, self._within, self._stop = timeout, within, stop
        self._stops_at_error = stops_at_error
        self.climb = Climb(timeout)
        self.pace = Pace(self.climb.load.requests, self.climb.most_requests)
        self._under_way: set[object] = set()
        self._pad_lock = threading.Lock()

    def new_deadline(self) -> Deadline:
        """The deadline of a request that begins now."""
        return Deadline(self._timeout, self._stop, self._within, self.pace)

    def send(self, pieces: Sequence[Piece], plan: Plan) -> tuple[list[Outcome], Plan]:
        """The outcomes of one request, and the plan that those are answers by."""
        rows = [piece.row for piece in pieces]
        if len(rows) > 1 and _count_tokens(rows, plan) > self.climb.most_tokens:
            return self._send_smaller(rows, plan), plan
        try:
            for _ in range(PLANS_TRIED):
                try:
                    return list(self._predict(rows, plan)), plan
                except (*MAY_BE_OUTDATED, ServerFailed) as error:
                    # Perhaps a new version of the model has another plan. If not, find the culprit.
                    new_plan = self._predictor.next_plan(plan, error, self.new_deadline())
                    if new_plan is None and not isinstance(error, _PERHAPS_ONE_TEXT):
                        raise
                if new_plan is None:
                    break
                new_rows = self._make_rows_again(pieces, new_plan)
                if new_rows is None:
                    return [Outdated("another version")] * len(rows), plan
                plan, rows = new_plan, new_rows
        except _PERHAPS_TOO_LARGE as error:
            if len(rows) == 1 or _count_tokens(rows, plan) <= FIRST.tokens:
                return [error] * len(rows), plan
            return self._send_smaller(rows, plan), plan
        except LightClientError as error:
            return [error] * len(rows), plan
        return self._send_in_parts(rows, plan), plan

    def _make_rows_again(self, pieces: Sequence[Piece], plan: Plan) -> list[Row] | None:
        """The rows by another plan; None if the texts do not have one row each."""
        if not all(piece.is_whole for piece in pieces):
            return None
        with suppress(LightClientError):  # each text will have an error of its own
            found = self._question.rows([piece.text for piece in pieces], plan)
            if all(len(rows) == 1 for rows in found):
                return [row for [row] in found]
        return None

    def ask_again(self, text: Text) -> Any:
        """The answer to a text of which some rows would have met another version than others.

        Raises:
            LightClientError: what went wrong.
        """
        plan = self._predictor.plan(self.new_deadline())
        for _ in range(PLANS_TRIED):
            [rows] = self._question.rows([text], plan)
            outcomes = self._send_smaller(rows, plan)
            errors = [outcome for outcome in outcomes if isinstance(outcome, LightClientError)]
            if not errors:
                return self._question.answer(cast("list[Classification]", outcomes), plan)
            new_plan = None
            if isinstance(errors[0], MAY_BE_OUTDATED):
                new_plan = self._predictor.next_plan(plan, errors[0], self.new_deadline())
            if new_plan is None:
                break
            plan = new_plan
        raise errors[0]

    def _send_smaller(self, rows: Sequence[Row], plan: Plan) -> list[Outcome]:
        """Send the rows in requests that are no larger than the first ones of a stream were."""
        outcomes: list[Outcome] = []
        size = max(1, len(rows) * FIRST.tokens // _count_tokens(rows, plan))
        while len(outcomes) < len(rows):
            outcomes += self._send_in_parts(rows[len(outcomes) :][:size], plan)
            last = outcomes[-1]
            if isinstance(last, _PERHAPS_TOO_LARGE) or self._is_the_end(last):
                # It was not the size.
                outcomes += [last] * (len(rows) - len(outcomes))
        return outcomes

    def _is_the_end(self, outcome: Outcome) -> bool:
        """Whether the stream ends at this outcome, so that nobody will see what comes after it."""
        return self._stops_at_error and isinstance(outcome, LightClientError)

    def _send_in_parts(self, rows: Sequence[Row], plan: Plan) -> list[Outcome]:
        try:
            return list(self._predict(rows, plan))
        except _PERHAPS_ONE_TEXT as error:
            if len(rows) == 1:
                return [error]
        except LightClientError as error:
            return [error] * len(rows)
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
            answers = self._predictor.predict(rows, plan, deadline)
        except _PERHAPS_TOO_LARGE:
            self.climb.failed(tokens, time.monotonic() - begun)
            raise
        finally:
            self._under_way.discard(request)
        if refusals == self.pace.refusals:
            self.climb.ended(tokens, under_way, time.monotonic() - begun)
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
