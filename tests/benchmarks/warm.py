"""Calls of a process that is warm: one text at a time, and many threads."""

import statistics
from collections.abc import Callable
from typing import Any

from tests.benchmarks import texts
from tests.benchmarks.figures import (
    Row,
    Samples,
    Target,
    difference,
    interleave,
    ratio,
    spread,
    value,
)
from tests.benchmarks.processes import Program, Server
from tests.benchmarks.session import Session

_ROUNDS = 30
_CALLS = 100
_THREADS = 8


def short(session: Session) -> Row:
    """9 tokens at a fixed length of 100."""
    samples = _single(session, text=texts.SHORT, model="fixed", length=100)
    title = "warm single call: 9 tokens, fixed 100"
    return Row("short", title, "µs", samples, _figures(samples))


def long(session: Session) -> Row:
    """400 tokens at a free length; the article's client gets 400 instead of its 100, to cut none.

    To tokenize alone takes longer than the exchange.
    """
    samples = _single(session, text=texts.long(), model="free", length=400)
    pairs = zip(samples["us"], samples["encode"], samples["urlopen"], strict=True)
    beside = spread([(us - encode) / urlopen for us, encode, urlopen in pairs])
    figures = [
        *_figures(samples),
        ratio(samples, "encode", "urlopen"),
        value("(us − encode) / urlopen", "×", [beside.low, beside.median, beside.high]),
    ]
    return Row("long", "warm single call: 400 tokens, free length", "µs", samples, figures)


def _figures(samples: Samples) -> list[Any]:
    return [
        ratio(samples, "us", "urlopen", Target("≤", 1.25, 1.10)),
        ratio(samples, "us", "floor"),
        ratio(samples, "article", "us", Target("≥", 4.5)),
    ]


def _single(session: Session, **call: Any) -> dict[str, list[float]]:
    with (
        Server() as server,
        session.side("client", "us", port=server.port) as us,
        session.side("client", "floor", port=server.port) as floor,
        session.side("article", "article", port=server.port) as article,
    ):
        ours = call | {"length": 100 if call["model"] == "fixed" else None}
        calls = session.scaled(_CALLS)
        sides = {
            "us": _median(us, "classify", calls=calls, **ours),
            "urlopen": _median(floor, "urlopen", calls=calls, **ours),
            "floor": _median(floor, "classify", calls=calls, **ours),
            "encode": _median(floor, "encode", calls=calls, text=call["text"]),
            "article": _median(article, "classify", calls=calls, **call),
        }
        return _warmed(sides, session.rounds(_ROUNDS))


def threads(session: Session) -> Row:
    """Against a server that takes 20 ms for each call."""
    calls = session.scaled(40)
    with Server("--delay", "0.02") as server, session.side("client", "us", port=server.port) as us:
        sides = {
            f"{_THREADS} threads": _rate(us, _THREADS, calls),
            "one thread": _rate(us, 1, calls),
        }
        samples = _warmed(sides, session.rounds(8))
    figures = [ratio(samples, "8 threads", "one thread", Target("≥", 7.5, 7.9))]
    title = "8 threads with one classifier, a server that takes 20 ms"
    return Row("threads", title, "calls/s", samples, figures)


def stall(session: Session) -> Row:
    """A small answer and one of 20 KB, in pieces and without TCP_NODELAY."""
    calls = session.scaled(40)
    with (
        Server("--piece", "16384") as server,
        session.side("client", "us", port=server.port) as us,
        session.side("client", "floor", port=server.port) as floor,
    ):
        call = {"text": texts.SHORT, "calls": calls}
        sides = {
            "us, large": _median(us, "classify", "ms", model="large", **call),
            "us, small": _median(us, "classify", "ms", model="free", **call),
            "urlopen, large": _median(floor, "urlopen", "ms", model="large", **call),
            "urlopen, small": _median(floor, "urlopen", "ms", model="free", **call),
        }
        samples = _warmed(sides, session.rounds(8))
    figures = [
        difference(samples, "us, large", "us, small", "ms", Target("≤", 5)),
        difference(samples, "urlopen, large", "urlopen, small", "ms"),
    ]
    title = "an answer of 20 KB, written in pieces of 16,384 bytes"
    return Row("stall", title, "ms", samples, figures)


def _median(
    side: Program, operation: str, unit: str = "µs", **arguments: Any
) -> Callable[[], float]:
    scale = {"µs": 1e6, "ms": 1e3}[unit]
    return lambda: statistics.median(side.ask(operation, **arguments)) * scale


def _rate(us: Program, threads: int, calls: int) -> Callable[[], float]:
    return lambda: threads * calls / us.ask("threads", threads=threads, calls=calls)


def _warmed(sides: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    interleave(sides, 1)
    return interleave(sides, rounds)
