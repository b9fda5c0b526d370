"""What the stress runs have in common: texts with their answers, callers, and what is counted."""

import os
import random
import sys
import threading
import time
from bisect import bisect_left
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

from lightclient import Bundle, Classification, Classifier, LightClientError
from lightclient.model.encoding import Text, tokenize
from tests.stress.server import Logits, logits_of

# Beyond its timeout a call may take so long, for what is not waiting.
GRACE = 0.25
_WORDS = "good bad film the a of plot zebra Ünïcode 电影 :-) unbelievable [SEP]".split()


@cache
def bundle() -> Bundle:
    return Bundle.load()


def logits_of_text(text: Text) -> Logits:
    return logits_of(tokenize([text], bundle(), 512)[0].input_ids)


@cache
def answers() -> dict[Text, Logits]:
    """Texts of all lengths, pairs among them, each with its own logits."""
    choice = random.Random(1)
    found: dict[Text, Logits] = {}
    for at in range(600):
        words = choice.choices(_WORDS, k=int(choice.paretovariate(0.9)) % 700)
        text: Text = " ".join([*words, str(at)])
        text = (text, " ".join(words[:20])) if at % 11 == 0 else text
        found[text] = logits_of_text(text)
    return found


class Scheduling(threading.Thread):
    """How late this process itself is: a thread that wants to run every 10 ms, and when it did."""

    def __init__(self) -> None:
        super().__init__(daemon=True, name="scheduling")
        self._moments: list[float] = []
        self._late: list[float] = []
        self._ended = threading.Event()

    def run(self) -> None:
        before = time.monotonic()
        while not self._ended.wait(0.01):
            now = time.monotonic()
            if now - before > 0.03:
                self._late.append(now - before - 0.01)
                self._moments.append(now)
            before = now

    def worst(self, start: float, end: float) -> float:
        """The longest delay that ended between two moments, or just after them."""
        first = bisect_left(self._moments, start)
        last = bisect_left(self._moments, end + 0.5)
        return max(self._late[first:last], default=0.0)

    def stop(self) -> None:
        self._ended.set()
        self.join()


class Tally:
    """What came of the calls. `late`: the machine was; `overruns`: the call itself was."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.calls = self.right = self.late = self.overruns = 0
        self.errors: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.longest = 0.0

    def outcome(self, text: Text, got: Any) -> None:
        with self._lock:
            if isinstance(got, Classification):
                if got.logits == answers()[text]:
                    self.right += 1
                else:
                    self.wrong.append(f"{text!r:.60}: {got.logits}, not {answers()[text]}")
            elif isinstance(got, LightClientError):
                self.errors[type(got).__name__] += 1
            else:
                self.wrong.append(f"{text!r:.60}: {got!r:.200}")

    def call(self) -> None:
        with self._lock:
            self.calls += 1

    def took(self, start: float, end: float, timeout: float, scheduling: Scheduling) -> None:
        over = end - start - timeout
        with self._lock:
            self.longest = max(self.longest, over)
            if over > GRACE + scheduling.worst(start, end):
                self.overruns += 1
            elif over > GRACE:
                self.late += 1

    def __str__(self) -> str:
        errors = ", ".join(f"{name} {n}" for name, n in sorted(self.errors.items())) or "none"
        return (
            f"calls {self.calls}, right answers {self.right}, wrong {len(self.wrong)}; errors: "
            f"{errors}; beyond the timeout: at most {self.longest * 1000:.0f} ms, overruns "
            f"{self.overruns}, explained by a late machine {self.late}"
        )


class Callers:
    """Threads that share a classifier and call it in every way, until `stop`."""

    def __init__(self, classifier: Classifier, count: int, timeout: float, seed: int = 0) -> None:
        self.tally, self.scheduling = Tally(), Scheduling()
        self._classifier, self._timeout = classifier, timeout
        self._stop = threading.Event()
        self._texts = list(answers())
        ways = (self._one, self._several, self._many, self._one)
        self._threads = [
            threading.Thread(
                target=self._call, args=(ways[at % len(ways)], random.Random(seed + at))
            )
            for at in range(count)
        ]

    def start(self) -> None:
        self.scheduling.start()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self.scheduling.stop()

    def _call(self, way: Any, choice: random.Random) -> None:
        while not self._stop.is_set():
            self.tally.call()
            way(choice)

    def _one(self, choice: random.Random) -> None:
        text = choice.choice(self._texts)
        self._timed([text], lambda: [self._classifier.classify(text)])

    def _several(self, choice: random.Random) -> None:
        texts = choice.sample(self._texts, choice.randint(1, 12))
        self._timed(texts, lambda: self._classifier.classify(texts))

    def _timed(self, texts: list[Text], call: Any) -> None:
        start = time.monotonic()
        try:
            got = call()
        except Exception as error:  # noqa: BLE001 - told in the tally, which fails the run
            got = [error] * len(texts)
        self.tally.took(start, time.monotonic(), self._timeout, self.scheduling)
        for text, outcome in zip(texts, got, strict=True):
            self.tally.outcome(text, outcome)

    def _many(self, choice: random.Random) -> None:
        texts = choice.choices(self._texts, k=choice.randint(1, 250))
        leaves_at = choice.choice([None, None, 10])
        stream = self._classifier.classify_many(texts, on_error="return")
        try:
            for at, (text, got) in enumerate(zip(texts, stream, strict=True)):
                self.tally.outcome(text, got)
                if isinstance(got, LightClientError) and got.index != at:
                    self.tally.wrong.append(f"index {got.index} at {at}")
                if at == leaves_at or self._stop.is_set():
                    break
        except Exception as error:  # noqa: BLE001 - with "return" nothing may be raised
            self.tally.wrong.append(f"{error!r:.200}")


def own_threads() -> list[str]:
    """The client's threads that run now; a stand-in of some other test may run too."""
    # Python lists one for ever that an interrupt kept from starting.
    names = [thread.name for thread in threading.enumerate() if thread.is_alive()]
    return [name for name in names if name.startswith(("lightclient-many", "lightclient-resolve"))]


def sockets() -> int:
    """This process's open sockets."""
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found += os.readlink(entry).startswith("socket:")
        except OSError:
            continue  # the one that lists them
    return found


def memory() -> float:
    """This process's resident memory in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


LINUX = sys.platform == "linux"
