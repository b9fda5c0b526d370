"""How large the requests of a stream are and how many are under way, found out while it runs."""

from collections.abc import Generator
from statistics import median
from typing import NamedTuple

# A larger load has to be faster by this factor. A smaller one is preferred at this share of the
# speed, because its answers come sooner.
_PAYS, _AS_GOOD = 1.05, 0.98
_ENOUGH = 4  # measured requests
_LONGEST_TRIAL = 4  # chunks
_REST = 32  # times that a speed is measured


class Load(NamedTuple):
    """`tokens`: those of a request, padding included; `requests`: those under way at once."""

    tokens: int
    requests: int

    def times(self, tokens: float = 1, requests: float = 1) -> "Load":
        """So many times the load, within the bounds."""
        return Load(
            int(max(LEAST.tokens, min(self.tokens * tokens, MOST.tokens))),
            int(max(LEAST.requests, min(self.requests * requests, MOST.requests))),
        )


FIRST = Load(512, 4)
LEAST = Load(128, 4)
MOST = Load(8192, 16)
# The factors of tokens and requests by which a load becomes larger or smaller, one pair at a time.
_LARGER, _SMALLER = ((4.0, 1.0), (1.0, 2.0)), ((1 / 4, 1.0), (1.0, 1 / 2))


class Climb:
    """Tries larger loads, and keeps them while the server answers more tokens a second.

    What is best depends on the server. A processor is busy with any request, and a large one leaves
    its cache. An accelerator, a server far away, or several servers behind one address are idle
    between small requests, or while there are few.

    It is hill climbing: first in the tokens of a request, then in the number of requests, and from
    time to time in the other direction, because the server may have changed. The speed at a load is
    estimated from each request by Little's law: what is under way, divided by the time for which it
    is. So it takes a few requests and no pause between two loads.

    Args:
        timeout: the seconds that a request may take. No load is tried which could take half of
            them, and one which does is given up.

    `most_tokens`, `most_requests`: what a load may have; less than `MOST` if one has failed.
    """

    def __init__(self, timeout: float) -> None:
        self.most_tokens, self.most_requests = MOST
        self._timeout = timeout
        self._start_at(FIRST)

    def _start_at(self, load: Load) -> None:
        self._steps = self._climb(load)
        self._try(next(self._steps))

    def _try(self, load: Load) -> None:
        self.load, self._chunks, self._slowest, self._has_failed = load, 0, 0.0, False
        self._speeds: list[float] = []

    def ended(self, tokens: int, under_way: int, seconds: float) -> None:
        """A request of so many tokens was answered; so many were under way when it began.

        Only those count that were cut and sent at the load of now. Any thread may call it.
        """
        load = self.load
        if load.tokens < 2 * tokens <= 2 * load.tokens:
            self._slowest = max(self._slowest, seconds)
            if load.requests < 2 * under_way <= 2 * load.requests:
                self._speeds.append(tokens * under_way / max(seconds, 1e-9))

    def failed(self, tokens: int, seconds: float) -> None:
        """A request of so many tokens failed after so many seconds, perhaps because of the load.

        A load beyond the first one is given up for good. Any thread may call it.
        """
        load = self.load
        if tokens > load.tokens:
            return  # it was sent at a load that has been given up already
        self._slowest = max(self._slowest, seconds)
        if load.tokens > FIRST.tokens:
            self.most_tokens = min(self.most_tokens, load.times(tokens=1 / 4).tokens)
        elif load.requests > FIRST.requests:
            self.most_requests = min(self.most_requests, load.times(requests=1 / 2).requests)
        self._has_failed = load != FIRST

    def next_load(self) -> Load:
        """The load for the next chunk."""
        self._chunks += 1
        if self._has_failed and self.load.tokens >= FIRST.tokens:
            self._start_at(FIRST)
        elif self._slowest > self._timeout / 2 and self.load.tokens > LEAST.tokens:
            self._start_at(self.load.times(tokens=1 / 4))
        elif len(self._speeds) >= _ENOUGH or self._chunks >= _LONGEST_TRIAL:
            speed = median(list(self._speeds)) if self._speeds else 0.0
            self._try(self._steps.send(speed))
        return self.load

    def _climb(self, best: Load) -> Generator[Load, float, None]:
        """Yields a load to try, and is sent the tokens a second that it reached; 0 if unknown."""
        while True:
            while not (speed := (yield best)):
                pass
            for change in _LARGER:
                while (trial := best.times(*change)) != best and self._may_try(trial, max(change)):
                    found = yield trial
                    if found <= speed * _PAYS:
                        break
                    best, speed = trial, found
            for _ in range(_REST):
                speed = yield best
            for change in _SMALLER:
                trial = best.times(*change)
                if trial != best and (yield trial) > speed * _AS_GOOD:
                    best = trial

    def _may_try(self, trial: Load, factor: float) -> bool:
        is_quick = self._slowest * factor * 2 <= self._timeout
        is_allowed = trial.tokens <= self.most_tokens and trial.requests <= self.most_requests
        return is_quick and is_allowed
