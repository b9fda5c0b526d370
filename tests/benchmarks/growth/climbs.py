"""What `classify_many` finds by itself, beside loads that are fixed."""

import statistics
from bisect import bisect
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, count, repeat, takewhile
from typing import Any

from lightclient.streams.chunk import FIRST_TEXTS, MOST_TEXTS
from lightclient.streams.load import Load
from tests.benchmarks.figures import interleave, rounded
from tests.benchmarks.growth.manners import Manner
from tests.benchmarks.processes import Program, Server
from tests.benchmarks.session import Session

CHUNKS = 9  # whole ones in a stream
TOKENS, REQUESTS = (512, 1024, 2048, 4096, 8192), (4, 8, 16)
OLD = Load(1024, 4)  # what all requests had before they were found out


@dataclass(frozen=True)
class Case:
    """A server, and how much is measured of it.

    `texts`: of a stream in the grid, each of which runs `times` times; `rounds`: of the curves;
    `few`: whether one and two requests at once belong to the grid.
    """

    manner: Manner
    texts: int
    times: int
    rounds: int
    few: bool = False


# The client has little to do with the first two, so they are measured at the same time.
IDLE = {
    "a processor": Case(Manner(0.000_25, 0.000_015, 12_000, at_once=1), 1_000, 1, 3),
    "eight processors": Case(Manner(0.002, 0.000_12, 12_000, at_once=8), 2_000, 1, 3),
}
BUSY = {
    "an accelerator": Case(Manner(0.004, 0.000_002, at_once=4), 5_000, 2, 9, few=True),
    "a server far away": Case(Manner(0.1, 0.000_002), 5_000, 1, 3),
}


def climbs(
    session: Session, idle: Mapping[str, Case] = IDLE, busy: Mapping[str, Case] = BUSY
) -> dict[str, Any]:
    """What each server gave its client."""
    with ThreadPoolExecutor() as pool:
        measured = pool.map(lambda case: _measure(session, case), idle.values())
        found = dict(zip(idle, measured, strict=True))
    return found | {name: _measure(session, case) for name, case in busy.items()}


def chunk_ends(chunks: int) -> list[int]:
    """The texts at the end of each chunk of a stream, so many of which are whole.

    The answers of a chunk come together, so a rate is only right from one end to another.
    """
    doubled = takewhile(lambda texts: texts < MOST_TEXTS, (FIRST_TEXTS << at for at in count()))
    return list(accumulate([*doubled, *repeat(MOST_TEXTS, chunks)]))


def _measure(session: Session, case: Case) -> dict[str, Any]:
    with (
        Server(*case.manner.options) as server,
        session.side("client", "growth", port=server.port) as program,
    ):
        grid = _grid(session, program, case)
        best = max(grid, key=lambda load: grid[load])
        ends = chunk_ends(session.scaled(CHUNKS))
        curves = _curves(program, best, ends, session.rounds(case.rounds))
    return {
        "server": str(case.manner),
        "grid": [[*load, rounded(rate)] for load, rate in grid.items()],
        "best": best,
        "texts": ends,
        **_summary(curves, ends),
    }


def _grid(session: Session, program: Program, case: Case) -> dict[Load, float]:
    """Texts a second of short streams."""
    texts = session.scaled(case.texts)
    requests = (1, 2, *REQUESTS) if case.few else REQUESTS
    loads = [Load(tokens, at_once) for tokens in TOKENS for at_once in requests]

    def rate(load: Load) -> float:
        [seconds] = program.ask("stream", ends=[texts], load=load)
        return float(texts / seconds)

    rate(OLD)  # this warms up
    return {load: statistics.median(rate(load) for _ in range(case.times)) for load in loads}


_Curve = Sequence[float]  # the seconds until the end of each chunk


def _curves(program: Program, best: Load, ends: list[int], rounds: int) -> dict[str, list[_Curve]]:
    """Streams that take turns, by what sets their load."""
    curves: dict[str, list[_Curve]] = {"found": [], "best": [], "old": []}

    def measure(name: str, load: Load | None) -> float:
        curves[name].append(program.ask("stream", ends=ends, load=load))
        return curves[name][-1][-1]

    loads = {"found": None, "best": best, "old": OLD}
    sides = {name: partial(measure, name, load) for name, load in loads.items()}
    interleave(sides, rounds)
    return {name: found[1:] for name, found in curves.items()}  # the first one warms up


def _summary(curves: Mapping[str, list[_Curve]], ends: list[int]) -> dict[str, Any]:
    """Medians: the rates of the second half, and the seconds over the whole stream."""
    late = {
        name: statistics.median(late_rate(ends, curve) for curve in found)
        for name, found in curves.items()
    }
    seconds = {
        name: [round(statistics.median(times), 4) for times in zip(*found, strict=True)]
        for name, found in curves.items()
    }
    return {"rates": {name: rounded(rate) for name, rate in late.items()}, "seconds": seconds}


def late_rate(ends: Sequence[int], curve: _Curve) -> float:
    """The texts a second in the second half of a stream."""
    middle = bisect(ends, ends[-1] / 2) - 1
    return (ends[-1] - ends[middle]) / (curve[-1] - curve[middle])
