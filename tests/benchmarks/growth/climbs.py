"""What `classify_many` finds by itself, beside loads that are fixed."""

import statistics
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from lightclient.load import Load
from tests.benchmarks.figures import interleave, rounded
from tests.benchmarks.growth.manners import Manner
from tests.benchmarks.processes import Program, Server
from tests.benchmarks.session import Session

TEXTS, STEP = 10_000, 500
TOKENS, REQUESTS = (512, 1024, 2048, 4096, 8192), (4, 8, 16)
OLD = Load(1024, 4)  # what all requests had before they were found out
MUST = "≥ 0.95"


@dataclass(frozen=True)
class Case:
    """A server, and how much is measured of it.

    `texts`: of a stream in the grid; `rounds`: of streams of `TEXTS`; `few`: whether one and two
    requests at once belong to the grid.
    """

    manner: Manner
    texts: int
    rounds: int
    few: bool = False


# The client has little to do with the first two, so they are measured at the same time.
IDLE = {
    "a processor": Case(Manner(0.0005, 0.000_03, 12_000, at_once=1), 1_500, 3, few=True),
    "eight processors": Case(Manner(0.002, 0.000_12, 12_000, at_once=8), 3_000, 3),
}
BUSY = {
    "an accelerator": Case(Manner(0.004, 0.000_002, at_once=4), 5_000, 9, few=True),
    "a server far away": Case(Manner(0.1, 0.000_002), 5_000, 3),
}


def climbs(session: Session) -> dict[str, Any]:
    """What each server gave its client."""
    with ThreadPoolExecutor() as pool:
        idle = pool.map(lambda case: _measure(session, case), IDLE.values())
        found = dict(zip(IDLE, idle, strict=True))
    return found | {name: _measure(session, case) for name, case in BUSY.items()}


def _measure(session: Session, case: Case) -> dict[str, Any]:
    with (
        Server(*case.manner.options) as server,
        session.side("client", "growth", port=server.port) as program,
    ):
        grid = _grid(session, program, case)
        best = max(grid, key=lambda load: grid[load])
        step = session.scaled(STEP)
        curves = _curves(program, best, step, session.rounds(case.rounds))
    return {
        "server": str(case.manner),
        "grid": [[*load, rounded(rate)] for load, rate in grid.items()],
        "best": best,
        **_summary(curves, step),
    }


def _grid(session: Session, program: Program, case: Case) -> dict[Load, float]:
    """Texts a second of short streams."""
    texts = session.scaled(case.texts)
    requests = (1, 2, *REQUESTS) if case.few else REQUESTS
    loads = [Load(tokens, at_once) for tokens in TOKENS for at_once in requests]

    def rate(load: Load) -> float:
        [seconds] = program.ask("stream", number=texts, step=texts, load=load)
        return float(texts / seconds)

    rate(OLD)  # this warms up
    return {load: statistics.median([rate(load), rate(load)]) for load in loads}


_Curve = Sequence[float]  # the seconds until each `step`-th answer


def _curves(program: Program, best: Load, step: int, rounds: int) -> dict[str, list[_Curve]]:
    """Streams that take turns, by what sets their load."""
    curves: dict[str, list[_Curve]] = {"found": [], "best": [], "old": []}

    def measure(name: str, load: Load | None) -> float:
        number = step * (TEXTS // STEP)
        curves[name].append(program.ask("stream", number=number, step=step, load=load))
        return curves[name][-1][-1]

    loads = {"found": None, "best": best, "old": OLD}
    sides = {name: lambda name=name: measure(name, loads[name]) for name in loads}
    interleave(sides, rounds)
    return {name: found[1:] for name, found in curves.items()}  # the first one warms up


def _summary(curves: dict[str, list[_Curve]], step: int) -> dict[str, Any]:
    """Medians: the rates of the second half, and the seconds over the whole stream."""
    late = {name: statistics.median(_late(curve, step) for curve in found) for name, found in curves.items()}
    seconds = {
        name: [round(statistics.median(times), 4) for times in zip(*found, strict=True)]
        for name, found in curves.items()
    }
    rates = {name: rounded(rate) for name, rate in late.items()}
    return {"rates": rates, "step": step, "seconds": seconds}


def _late(curve: _Curve, step: int) -> float:
    """The texts a second of a curve's second half."""
    middle = len(curve) // 2
    return step * (len(curve) - middle) / (curve[-1] - curve[middle - 1])
