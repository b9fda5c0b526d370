"""lightclient over long streams: a worker among others, at its own load or at a fixed one."""

import json
import resource
import time
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from itertools import count, islice, pairwise
from pathlib import Path

from commands import answer_commands, setup
from loads import fixed
from tokenizers import Tokenizer

from lightclient import Classification, Classifier, Signature

SETUP = setup()
SENTENCES = json.loads(Path(SETUP["sentences"]).read_text(encoding="utf-8"))
CHUNK = 1024  # texts whose answers come at about the same time


@lru_cache
def classifier() -> Classifier:
    url = f"http://127.0.0.1:{SETUP['port']}/v1/models/free"
    return Classifier(url, signature=Signature(), timeout=120)


def rows(first: int = 0, step: int = 1) -> Iterator[str]:
    """The rows of an endless table, each with its number: no two are equal."""
    return (f"{SENTENCES[at % len(SENTENCES)]} {at}" for at in count(first, step))


def tokens(number: int) -> float:
    """The tokens of a row on average."""
    encoded = Tokenizer.from_file(SETUP["tokenizer"]).encode_batch(list(islice(rows(), number)))
    return sum(len(row.ids) for row in encoded) / number


def stream(ends: list[int], load: tuple[int, int] | None = None) -> list[float]:
    """The seconds until so many answers of one stream. Without a load it finds its own."""
    context: AbstractContextManager[None] = fixed(*load) if load else nullcontext()
    seen = []
    with context:
        begun = time.perf_counter()
        answers = classifier().classify_many(islice(rows(), ends[-1]))
        for before, end in pairwise([0, *ends]):
            deque(islice(answers, end - before), maxlen=0)
            seen.append(time.perf_counter() - begun)
    return seen


@lru_cache
def endless(worker: int, workers: int) -> Iterator[Classification]:
    """This worker's part of the table; the stream goes on from one measurement to the next."""
    return classifier().classify_many(rows(worker, workers))


def work(worker: int, workers: int, since: float, until: float) -> dict[str, float]:
    """Answers a second between the first and the last whole chunk in a time, and their cost.

    `since` and `until` are those of the monotonic clock, which all processes share. `cpu`: the
    seconds on the processors for one row.
    """
    seen: list[tuple[float, float]] = []
    while time.monotonic() < until or len(seen) < 2:
        deque(islice(endless(worker, workers), CHUNK), maxlen=0)
        if time.monotonic() >= since:
            seen.append((time.monotonic(), time.process_time()))
    (begun, spent), (ended, spent_at_last) = seen[0], seen[-1]
    answers = CHUNK * (len(seen) - 1)
    return {"rate": answers / (ended - begun), "cpu": (spent_at_last - spent) / answers}


def memory(number: int) -> int:
    """The most memory in bytes that this process has had, after so many rows."""
    deque(classifier().classify_many(islice(rows(), number)), maxlen=0)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def sent(number: int) -> float:
    """The bytes of the requests' bodies for a row on average."""
    sizes: list[int] = []

    def headers(method: str, url: str, body: bytes | None) -> dict[str, str]:
        sizes.append(len(body or b""))
        return {}

    url = f"http://127.0.0.1:{SETUP['port']}/v1/models/free"
    with Classifier(url, signature=Signature(), headers=headers) as ours:
        deque(ours.classify_many(islice(rows(), number)), maxlen=0)
    return sum(sizes) / number


answer_commands(tokens, stream, work, memory, sent)
