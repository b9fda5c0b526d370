"""Rows a second over the number of worker processes that share a server."""

import statistics
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Any

from tests.benchmarks.figures import interleave, rounded
from tests.benchmarks.growth.manners import Manner
from tests.benchmarks.processes import Program, Server
from tests.benchmarks.session import Session

# As much slower than real ones as it takes for the two cores of the clients not to be the limit.
SERVERS = {
    "64 processors": Manner(0.005, 0.000_3, 12_000, at_once=64),
    "an accelerator": Manner(0.06, 0.000_012, at_once=4),
}
COUNTS = (1, 2, 4, 8)
_ROUNDS = 3
_BEFORE, _LONG = 1.0, 2.0  # seconds: the buffered answers come first, and do not count
_TOKENS_OF = 5_000  # rows


def workers(
    session: Session, servers: Mapping[str, Manner] = SERVERS, counts: Sequence[int] = COUNTS
) -> dict[str, Any]:
    """What each server gave its workers."""
    return {name: _measure(session, manner, counts) for name, manner in servers.items()}


def _measure(session: Session, manner: Manner, counts: Sequence[int]) -> dict[str, Any]:
    with ExitStack() as stack:
        server = stack.enter_context(Server(*manner.options))
        programs = [
            stack.enter_context(session.side("client", "growth", port=server.port))
            for _ in range(max(counts))
        ]
        tokens = programs[0].ask("tokens", number=session.scaled(_TOKENS_OF))
        spent: list[float] = []
        sides = {str(count): partial(_rate, session, programs[:count], spent) for count in counts}
        samples = interleave(sides, session.rounds(_ROUNDS))
    return {
        "server": str(manner),
        "most": rounded(manner.most / tokens),
        "rates": {count: rounded(statistics.median(rates)) for count, rates in samples.items()},
        "processor_seconds": round(statistics.median(spent), 7),
    }


def _rate(session: Session, programs: Sequence[Program], spent: list[float]) -> float:
    """All workers at the same time, each with its own rows of one table."""
    since = time.monotonic() + session.scaled_seconds(_BEFORE)
    until = since + session.scaled_seconds(_LONG)

    def ask(worker: int) -> Any:
        place = {"worker": worker, "workers": len(programs)}
        return programs[worker].ask("work", **place, since=since, until=until)

    with ThreadPoolExecutor(len(programs)) as pool:
        found = list(pool.map(ask, range(len(programs))))
    spent.extend(each["cpu"] for each in found)
    return float(sum(each["rate"] for each in found))
