"""lightclient in a warm process."""

import asyncio
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

from lightclient import AsyncClassifier, Classifier, Signature

SETUP = setup()
SENTENCES = json.loads(Path(SETUP["sentences"]).read_text(encoding="utf-8"))
PAGE = os.sysconf("SC_PAGE_SIZE")


@lru_cache
def classifier(model: str, length: int | None) -> Classifier:
    return Classifier(_url(model), signature=Signature(length=length), timeout=60)


@lru_cache
def nli_classifier() -> Classifier:
    return Classifier(_url("nli"), timeout=60)  # the model tells its labels


@lru_cache
def async_classifier(model: str, length: int | None) -> AsyncClassifier:
    return AsyncClassifier(_url(model), signature=Signature(length=length), timeout=60)


@lru_cache
def event_loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def _url(model: str) -> str:
    return f"http://127.0.0.1:{SETUP['port']}/v1/models/{model}"


def classify(text: str, calls: int, model: str, length: int | None = None) -> list[float]:
    """One text a call."""
    ours = classifier(model, length)
    return timed(lambda: ours.classify(text), calls)


def awaited(text: str, calls: int, model: str, length: int | None = None) -> list[float]:
    """The same from a task."""
    ours, seconds = async_classifier(model, length), []

    async def work() -> None:
        for _ in range(calls):
            begun = time.perf_counter()
            await ours.classify(text)
            seconds.append(time.perf_counter() - begun)

    event_loop().run_until_complete(work())
    return seconds


def tasks(tasks: int) -> float:
    """Seconds for some tasks to make a call each with one classifier."""
    ours = async_classifier("free", None)

    async def work() -> None:
        await asyncio.gather(*(ours.classify("a text") for _ in range(tasks)))

    return spent(lambda: event_loop().run_until_complete(work()))["wall"]


def bulk(count: int) -> dict[str, float]:
    """Many texts through classify_many."""
    ours, texts = classifier("free", None), _cycle(count)
    return spent(lambda: deque(ours.classify_many(texts), maxlen=0))


def one_by_one(count: int) -> dict[str, float]:
    """Many texts, a call each."""
    ours = classifier("free", None)
    return spent(lambda: [ours.classify(text) for text in _cycle(count)])


def zero_shot(count: int, labels: list[str]) -> dict[str, float]:
    """Which of the labels fits each of many texts, asked of a model of three NLI labels."""
    ours = nli_classifier()
    return spent(lambda: list(ours.zero_shot_many(_cycle(count), labels)))


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


answer_commands(classify, awaited, tasks, bulk, one_by_one, zero_shot, threads, million)
