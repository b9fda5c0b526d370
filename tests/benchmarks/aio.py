"""Calls from an event loop, beside the same calls without one."""

from tests.benchmarks import texts
from tests.benchmarks.figures import OURS, Comparison, Row, interleave
from tests.benchmarks.processes import Server
from tests.benchmarks.session import Session
from tests.benchmarks.warm import rate, time

_AT_ONCE = 16  # the default of max_concurrency
_SECONDS = 0.02


def tasks(session: Session) -> list[Row]:
    """Many tasks at once, against a server that takes 20 ms for each call."""
    calls = session.scaled(13)
    number = calls * _AT_ONCE
    with (
        Server("--delay", str(_SECONDS)) as server,
        session.side("client", "ours", port=server.port) as ours,
    ):
        sides = {
            OURS: lambda: number / ours.ask("tasks", tasks=number),
            "16 threads": rate(ours, _AT_ONCE, calls),
            "16 every 20 ms": lambda: _AT_ONCE / _SECONDS,
        }
        samples = interleave(sides, session.rounds(20))
    comparisons = [Comparison("16 threads", "×", "≥ 0.95"), Comparison("16 every 20 ms", "×")]
    title = f"{13 * _AT_ONCE} tasks with one `AsyncClassifier`, the server takes 20 ms"
    return [Row(title, "calls/s", samples, comparisons)]


def awaited(session: Session) -> list[Row]:
    """One call after the other, from a task."""
    with Server() as server, session.side("client", "ours", port=server.port) as ours:
        call = {"text": texts.SHORT, "model": "fixed", "length": 100, "calls": session.scaled(20)}
        sides = {
            OURS: time(ours, "awaited", **call),
            "`Classifier`": time(ours, "classify", **call),
        }
        samples = interleave(sides, session.rounds(200))
    title = "warm call, 9 tokens, awaited from a task"
    return [Row(title, "µs", samples, [Comparison("`Classifier`", "+", "≤ 150")])]
