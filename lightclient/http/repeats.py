"""Whether a request that failed is sent again, and after which pause."""

import random
import time

from lightclient.http.deadline import Deadline

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
_REPEAT = 5  # in fifths of a repeat: whole numbers, so that nothing is lost by rounding
_MOST = 35 * _REPEAT
_SECONDS_BETWEEN_TURNS = 5
# Processes that are restored from one snapshot share the state of the random module, and would all
# come back at the same moment.
_RANDOM = random.SystemRandom()


class Repeats:
    """The repeats of one client: so many for each call, and a budget for all of them together.

    Without a budget, repeats keep down a server that fails because it has too much to do. It is a
    bucket of tokens: each call adds a fifth of one, and each repeat takes one. So a server gets at
    most 6 requests for 5 calls in the long run, and 35 more at first or after a quiet time. The
    fifth is that of Finagle (its blog of 2016-02-08, Retry Budgets), the 35 that of the AWS SDKs in
    their standard mode (500 tokens at 14 a repeat).

    The requests of a stream are repeated until their deadline. Those that find the bucket empty
    take turns: one is repeated every five seconds, and the next one at once if that was answered.
    In an outage of T seconds, a stream of n requests thus sends at most n + 36 + T / 5, until their
    deadlines come near. `python -m tests.benchmarks.crowd` counts them.
    """

    def __init__(self, retries: int) -> None:
        self._retries = retries
        # No lock, which an interrupt could leave locked. If an update is lost to that of another
        # thread, there is one repeat too many or too few.
        self._fifths, self._next_turn = _MOST, 0.0

    def add_call(self) -> None:
        """Count a call, without its repeats."""
        self._fifths = min(self._fifths + 1, _MOST)

    def helped(self) -> None:
        """A repeat was answered, so the server is back: the next turn begins now."""
        self._next_turn = 0.0

    def wait(self, attempt: int, deadline: Deadline, asked_for: float | None = None) -> bool:
        """Pause before the next attempt, or give up; whether there is a next attempt.

        `asked_for`: the seconds that the server asked to wait.
        """
        pace = deadline.pace
        patient = pace is not None and pace.patient and self._retries > 0
        pause = asked_for or _backoff(attempt)  # 0 would repeat at once
        if patient and not asked_for and deadline.left > 2 * _FIRST_PAUSE:
            pause = min(pause, deadline.left / 2)  # to use the deadline up
        if (patient or attempt <= self._retries) and deadline.left > pause:
            if self._take_token():
                deadline.pause(pause)
                return True
            if pace:
                pace.refused()
                # Also before it gives up, or the next request of the stream would be sent at once.
                deadline.pause(pause if patient else min(_backoff(self._retries), deadline.left))
            if patient:
                deadline.pause(deadline.left / 2, until=self._take_turn)
                return True
        if pace:
            pace.gave_up()
        return False

    def _take_token(self) -> bool:
        if self._fifths < _REPEAT:
            return False
        self._fifths -= _REPEAT
        return True

    def _take_turn(self) -> bool:
        """Whether a request may be repeated, with a token or because it is its turn."""
        if self._take_token():
            return True
        now = time.monotonic()
        if now < self._next_turn:
            return False
        self._next_turn = now + _SECONDS_BETWEEN_TURNS
        return True


def _backoff(attempt: int) -> float:
    # Doubling, with jitter, so that clients that failed together do not come back together.
    pause = min(_FIRST_PAUSE * 2.0 ** min(attempt - 1, 10), _LONGEST_PAUSE)
    return pause * _RANDOM.uniform(0.5, 1)
