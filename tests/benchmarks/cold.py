"""From the start of a process: to its first label, to an import, and how much memory it takes."""

from collections.abc import Callable
from functools import partial

from tests.benchmarks.figures import Row, Target, difference, interleave, ratio
from tests.benchmarks.processes import Server, Start, script, start
from tests.benchmarks.session import Session
from tests.benchmarks.texts import SHORT

_ROUNDS = 25


def cold(session: Session) -> Row:
    """The signature is stated by hand."""
    samples = _times(session, us="cold_us", floor="cold_floor", article="cold_article")
    figures = [
        ratio(samples, "us", "floor", Target("≤", 1.10, 0.9)),
        ratio(samples, "article", "us", Target("≥", 4, 5)),
    ]
    title = "cold: process start to first label, signature stated"
    return Row("cold", title, "ms", samples, figures)


def metadata(session: Session) -> Row:
    """The signature is asked of the server; the floor knows it."""
    samples = _times(session, us="cold_us_asking", floor="cold_floor")
    figures = [ratio(samples, "us", "floor", Target("≤", 1.15, 1.0))]
    return Row("metadata", "cold, with the metadata look-up", "ms", samples, figures)


def importing(session: Session) -> Row:
    """`import lightclient`, of which nothing is used."""
    samples = _times(session, us="cold_import", bare="cold_bare")
    figures = [difference(samples, "us", "bare", "ms", Target("≤", 15, 5))]
    return Row("import", "`import lightclient` alone", "ms", samples, figures)


def memory(session: Session) -> Row:
    """The most that was resident at one time, shared libraries included."""
    with Server() as server:
        sides = _sides(session, server.port, us="cold_us", floor="cold_floor")
        peaks = {name: partial(_peak, run) for name, run in sides.items()}
        samples = interleave(peaks, session.rounds(7))
    figures = [difference(samples, "us", "floor", "MB", Target("≤", 5))]
    return Row("memory", "peak memory after one call", "MB", samples, figures)


def _times(session: Session, **scripts: str) -> dict[str, list[float]]:
    with Server() as server:
        sides = _sides(session, server.port, **scripts)
        times = {name: partial(_milliseconds, run) for name, run in sides.items()}
        return interleave(times, session.rounds(_ROUNDS))


def _sides(session: Session, port: int, **scripts: str) -> dict[str, Callable[[], Start]]:
    """Each side has run once, so that files are in memory and byte code is written."""
    sides = {}
    for side, name in scripts.items():
        python = session.environments.python("article" if side == "article" else "client")
        command = script(python, f"sides/{name}.py", str(port), session.tokenizer, SHORT)
        sides[side] = partial(start, command)
        line = sides[side]().line
        if line not in ("POSITIVE", "ready"):
            raise RuntimeError(f"{name} printed {line!r}")
    return sides


def _milliseconds(run: Callable[[], Start]) -> float:
    return run().seconds * 1e3


def _peak(run: Callable[[], Start]) -> float:
    return run().peak / 1e6
