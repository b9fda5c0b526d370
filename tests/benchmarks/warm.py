"""Calls of a process that is warm: one text at a time, and many threads."""

import statistics
from collections.abc import Callable
from typing import Any

from tests.benchmarks import texts
from tests.benchmarks.environments import LINES
from tests.benchmarks.figures import ARTICLE, OURS, PLAIN, Comparison, Row, Samples, interleave
from tests.benchmarks.processes import Program, Server
from tests.benchmarks.session import Session

_ROUNDS = 200
_CALLS = 20
_THREADS = 8


def short(session: Session, client: str = "client") -> list[Row]:
    """9 tokens, which the served model wants padded to 100."""
    samples = _calls(session, client, text=texts.SHORT, model="fixed", length=100)
    comparisons = [
        Comparison(PLAIN, "×", "≤ 1"),
        Comparison(ARTICLE, "÷", "≥ 4.5"),
        Comparison("bare `urlopen`", "×"),
    ]
    title = f"warm call, 9 tokens, tokenizers {LINES[client]}"
    return [Row(title, "µs", samples, comparisons)]


def long(
    session: Session, client: str = "client", urlopen: str | None = None, article: str | None = None
) -> list[Row]:
    """400 tokens at a free length; the article's client gets room for all of them.

    `urlopen`, `article`: what must be reached beside them.
    """
    samples = _calls(session, client, text=texts.long(), model="free", length=400)
    comparisons = [
        Comparison(PLAIN, "×"),
        Comparison(ARTICLE, "÷", article),
        Comparison("bare `urlopen`", "×", urlopen),
        Comparison("tokenizing alone", "×"),
    ]
    title = f"warm call, 400 tokens, tokenizers {LINES[client]}"
    return [Row(title, "µs", samples, comparisons)]


def _calls(session: Session, client: str, **call: Any) -> Samples:
    with (
        Server() as server,
        session.side(client, "ours", port=server.port) as ours,
        session.side(client, "plain", port=server.port) as plain,
        session.side("article", "article", port=server.port) as article,
        # A process that two sides share runs more often, which would keep its caches warmer.
        session.side(client, "plain", port=server.port) as bare,
        session.side(client, "plain", port=server.port) as tokenizer,
    ):
        padded = call | {"length": 100 if call["model"] == "fixed" else None}
        calls = session.scaled(_CALLS)
        sides = {
            OURS: time(ours, "classify", calls=calls, **padded),
            PLAIN: time(plain, "classify", calls=calls, **padded),
            ARTICLE: time(article, "classify", calls=calls, **call),
            "bare `urlopen`": time(bare, "urlopen", calls=calls, **padded),
            "tokenizing alone": time(tokenizer, "encode", calls=calls, text=call["text"]),
        }
        return interleave(sides, session.rounds(_ROUNDS))


def threads(session: Session) -> list[Row]:
    """Against a server that takes 20 ms for each call."""
    calls = session.scaled(10)
    with (
        Server("--delay", "0.02") as server,
        session.side("client", "ours", port=server.port) as ours,
    ):
        sides = {OURS: rate(ours, _THREADS, calls), "one thread": rate(ours, 1, calls)}
        samples = interleave(sides, session.rounds(20))
    title = f"{_THREADS} threads with one classifier, the server takes 20 ms"
    return [Row(title, "calls/s", samples, [Comparison("one thread", "×", "≥ 7.5")])]


def stall(session: Session) -> list[Row]:
    """Written in pieces and without TCP_NODELAY, so that a delayed ACK holds the second back."""
    calls = session.scaled(10)
    with (
        Server("--piece", "16384") as server,
        session.side("client", "ours", port=server.port) as ours,
        session.side("client", "plain", port=server.port) as plain,
    ):
        call = {"text": texts.SHORT, "calls": calls}
        sides = {
            OURS: time(ours, "classify", "ms", model="large", **call),
            "bare `urlopen`": time(plain, "urlopen", "ms", model="large", **call),
            "a small answer": time(ours, "classify", "ms", model="free", **call),
        }
        samples = interleave(sides, session.rounds(30))
    comparisons = [
        Comparison("a small answer", "+", "≤ 5"),
        Comparison("bare `urlopen`", "÷"),
    ]
    title = "an answer of 20 KB, written in pieces of 16 KiB"
    return [Row(title, "ms", samples, comparisons)]


def time(side: Program, operation: str, unit: str = "µs", **arguments: Any) -> Callable[[], float]:
    """The median of some calls: the first may find the processor's caches cold."""
    scale = {"µs": 1e6, "ms": 1e3}[unit]
    return lambda: statistics.median(side.ask(operation, **arguments)) * scale


def rate(ours: Program, threads: int, calls: int) -> Callable[[], float]:
    """The calls a second of some threads with one classifier."""
    return lambda: threads * calls / ours.ask("threads", threads=threads, calls=calls)
