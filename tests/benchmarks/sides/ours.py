"""lightclient in a warm process."""

import itertools
import json
import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from commands import answer_commands, setup, spent, timed

from lightclient import Classifier, Signature

SETUP = setup()
SENTENCES = json.loads(Path(SETUP["sentences"]).read_text(encoding="utf-8"))
PAGE = os.sysconf("SC_PAGE_SIZE")


@lru_cache
def classifier(model: str, length: int | None) -> Classifier:
    url = f"http://127.0.0.1:{SETUP['port']}/v1/models/{model}"
    return Classifier(url, signature=Signature(length=length), timeout=60)


def classify(text: str, calls: int, model: str, length: int | None = None) -> list[float]:
    """One text a call."""
    ours = classifier(model, length)
    return timed(lambda: ours.classify(text), calls)


def bulk(count: int) -> dict[str, float]:
    """Many texts through classify_many."""
    ours, texts = classifier("free", None), _cycle(count)
    return spent(lambda: deque(ours.classify_many(texts), maxlen=0))


def threads(threads: int, calls: int) -> float:
    """Seconds for each of some threads to make some calls with one classifier."""
    ours = classifier("free", None)
    some = [
        threading.Thread(target=timed, args=(lambda: ours.classify("a text"), calls))
        for _ in range(threads)
    ]
    return spent(lambda: _run(some))["wall"]


def _run(some: list[threading.Thread]) -> None:
    for thread in some:
        thread.start()
    for thread in some:
        thread.join()


def million(count: int, step: int) -> list[tuple[float, int]]:
    """The clock and the memory after each `step` texts."""
    ours, seen = classifier("free", None), []
    for at, _ in enumerate(ours.classify_many(_cycle(count)), 1):
        if at % step == 0:
            seen.append((time.perf_counter(), _resident()))
    return seen


def _cycle(count: int) -> Iterator[str]:
    return itertools.islice(itertools.cycle(SENTENCES), count)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * PAGE


answer_commands(classify, bulk, threads, million)
