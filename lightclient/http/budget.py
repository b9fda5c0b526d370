"""How many repeats the calls of one client may cause."""

import time

# In fifths of a repeat: whole numbers, so that nothing is lost by rounding.
_REPEAT = 5
_MOST = 35 * _REPEAT
_SECONDS_BETWEEN_TURNS = 5


class RetryBudget:
    """A bucket of tokens. Each call adds a fifth of one, and each repeat takes one.

    So a server gets at most 6 requests for 5 calls in the long run, and 35 more at first or after
    a quiet time, whatever `retries` allows for one call. Without such a bound, repeats multiply the
    load of a server that fails because it has too much to do, and keep it down.

    The share of 20 % is that of Finagle (its blog of 2016-02-08, Retry Budgets). gRPC has such a
    bucket as well (its proposal A6, Throttling Configuration), and so have the AWS SDKs in their
    standard mode. There, 500 tokens at 14 a repeat are enough for 35 repeats, which is our number
    too. It takes a stream of four requests through a restart of five seconds at the usual pauses,
    and eleven single calls through all of their three repeats.

    The requests of a stream are repeated until their deadline. Those that find the bucket empty
    take turns: one of them is repeated every five seconds, and the next one at once if that was
    answered. In an outage of T seconds, a stream of n requests thus sends at most n + 36 + T / 5,
    until their deadlines come near. `python -m tests.benchmarks.crowd` counts them.

    There is no lock, which an interrupt could leave locked. If an update is lost to that of another
    thread, there is one repeat too many or too few. After a fork, each process has its own bucket.
    """

    def __init__(self) -> None:
        self._fifths = _MOST
        self._next_turn = 0.0

    def add_call(self) -> None:
        """Count a call, without its repeats."""
        self._fifths = min(self._fifths + 1, _MOST)

    def take_repeat(self) -> bool:
        """Take a token for a repeat, and say whether there was one."""
        if self._fifths < _REPEAT:
            return False
        self._fifths -= _REPEAT
        return True

    def repeat_helped(self) -> None:
        """A repeat was answered, so the server is back: the next turn begins now."""
        self._next_turn = 0.0

    def take_turn(self) -> bool:
        """The same for a request that is repeated without a token as well, when it is its turn."""
        if self.take_repeat():
            return True
        now = time.monotonic()
        if now < self._next_turn:
            return False
        self._next_turn = now + _SECONDS_BETWEEN_TURNS
        return True
