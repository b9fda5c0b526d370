"""Calls against a server with random faults: python -m tests.stress.soak [--seconds N] [--seed N]

Every answer is checked; memory, sockets and threads of the first minute are compared with those of
the last one. Exit status 1 if anything is that must not be.
"""

import argparse
import random
import sys
import time
from statistics import median
from typing import NamedTuple

from lightclient import Classifier
from tests.stress.callers import (
    Callers,
    Tally,
    answers,
    memory,
    own_threads,
    sockets,
)
from tests.stress.server import serving_elsewhere

TIMEOUT = 1.0
_THREADS = 8
_SETTLED = 30.0  # before, the start is seen rather than a drift
_SHARE_OF_FAULTS = 0.15
_MORE_MEGABYTES, _MORE_SOCKETS, _MORE_THREADS = 8.0, 4, 4


class Sample(NamedTuple):
    """What the process holds at a moment."""

    megabytes: float
    sockets: int
    threads: int

    def __str__(self) -> str:
        return f"{self.megabytes:.1f} MB, {self.sockets} sockets, {self.threads} own threads"


def sample() -> Sample:
    return Sample(memory(), sockets(), len(own_threads()))


def typical(samples: list[Sample]) -> Sample:
    return Sample(*(median(values) for values in zip(*samples, strict=True)))


def run(seconds: float, seed: int, every: float = 30.0) -> tuple[Tally, list[str]]:
    """Soak; gives what was counted and what must not be."""
    answers()
    before = sample()
    with serving_elsewhere(seed, _SHARE_OF_FAULTS) as url:
        with Classifier(url, timeout=TIMEOUT) as classifier:
            callers = Callers(classifier, _THREADS, TIMEOUT, seed)
            callers.start()
            samples = _watch(callers, seconds, every)
            callers.stop()
        after = sample()
    minute = max(1, min(60, len(samples) // 3))
    first, last = typical(samples[:minute]), typical(samples[-minute:])
    print(f"first {minute} s: {first}\nlast {minute} s:  {last}\nafter close: {after}")
    return callers.tally, _defects(seconds, callers.tally, first, last, before, after)


def _watch(callers: Callers, seconds: float, every: float) -> list[Sample]:
    began, told, samples = time.monotonic(), 0.0, []
    while (past := time.monotonic() - began) < seconds:
        time.sleep(min(1.0, seconds - past))
        samples.append(sample())
        if past - told >= every:
            told = past
            print(f"{past:5.0f} s: {callers.tally}; {samples[-1]}", flush=True)
    return samples


def _defects(
    seconds: float, tally: Tally, first: Sample, last: Sample, before: Sample, after: Sample
) -> list[str]:
    settled = seconds >= _SETTLED
    told = {
        "no right answer": not tally.right,
        f"wrong answers: {tally.wrong[:5]}": bool(tally.wrong),
        f"{tally.overruns} calls took longer than their timeout": bool(tally.overruns),
        "memory grows": settled and last.megabytes > first.megabytes + _MORE_MEGABYTES,
        "sockets grow": settled and last.sockets > first.sockets + _MORE_SOCKETS,
        "threads grow": settled and last.threads > first.threads + _MORE_THREADS,
        "sockets are left": after.sockets > before.sockets,
        "threads are left": after.threads > 0,
    }
    return [words for words, true in told.items() if true]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.stress.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=900)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    tally, defects = run(arguments.seconds, arguments.seed)
    print(f"in all: {tally}")
    print(*(f"DEFECT: {words}" for words in defects), sep="\n")
    return 1 if defects else 0


if __name__ == "__main__":
    sys.exit(main())
