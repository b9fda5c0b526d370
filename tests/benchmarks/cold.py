"""From the start of a process: to its first label, to an import, and the memory it takes."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from tests.benchmarks.figures import ARTICLE, OURS, PLAIN, Comparison, Row, Samples, interleave
from tests.benchmarks.processes import Server, Start, script, start
from tests.benchmarks.session import TOKENIZER, Session
from tests.benchmarks.texts import SHORT

_ROUNDS = 50
# lightclient connects in its first call, so that connecting cannot be told apart from outside.
PHASES = ("start of Python", "import", "load", "first answer, with connecting")


def cold(session: Session) -> list[Row]:
    """The usual case: the model takes its time, and the signature is stated."""
    with Server("--delay", "0.03") as server:
        sides = {OURS: "cold_ours", PLAIN: "cold_plain", ARTICLE: "cold_article"}
        starts = {side: _Starts(run) for side, run in _runs(session, server, sides).items()}
        samples = interleave(starts, session.rounds(_ROUNDS))
    # The first start of each is not counted, as `interleave` does not count it.
    phases = {side: phases_of(found.all[1:]) for side, found in starts.items()}
    comparisons = [Comparison(PLAIN, "×", "≤ 1"), Comparison(ARTICLE, "÷", "≥ 4")]
    title = "cold start, the server takes 30 ms"
    return [Row(title, "ms", samples, comparisons, phases=phases)]


class _Starts:
    """A call gives the milliseconds until the first label; `all` has the starts so far."""

    def __init__(self, run: Callable[[], Start]) -> None:
        self._run = run
        self.all: list[Start] = []

    def __call__(self) -> float:
        self.all.append(self._run())
        return self.all[-1].seconds * 1e3


def phases_of(starts: Sequence[Start]) -> dict[str, tuple[float, ...]]:
    """The milliseconds of each phase, one a start. Those of a start add up to its whole time."""
    ends = [(0.0, *start.marks, start.seconds) for start in starts]
    return {
        phase: tuple(1e3 * (each[at + 1] - each[at]) for each in ends)
        for at, phase in enumerate(PHASES)
    }


def cold_metadata(session: Session) -> list[Row]:
    """The worst case: one more request, and no wait that imports could hide behind."""
    with Server() as server:
        sides = {OURS: "cold_ours_metadata", PLAIN: "cold_plain"}
        samples = _times(session, server, sides)
    title = "cold start with the metadata look-up, the server answers at once"
    return [Row(title, "ms", samples, [Comparison(PLAIN, "×", "≤ 1.15")])]


def importing(session: Session) -> list[Row]:
    """`import lightclient`, and nothing of it is used."""
    with Server() as server:
        sides = {OURS: "cold_import", "Python alone": "cold_python"}
        samples = _times(session, server, sides)
    comparisons = [Comparison("Python alone", "+", "≤ 15")]
    return [Row("process that only imports `lightclient`", "ms", samples, comparisons)]


def memory(session: Session) -> list[Row]:
    """The most that was resident at one time, shared libraries included."""
    with Server() as server:
        runs = _runs(session, server, {OURS: "cold_ours", PLAIN: "cold_plain"})
        peaks = {side: partial(_peak, run) for side, run in runs.items()}
        samples = interleave(peaks, session.rounds(10))
    comparisons = [Comparison(PLAIN, "+", "≤ 5")]
    return [Row("peak memory after one call", "MB", samples, comparisons)]


def _times(session: Session, server: Server, scripts: Mapping[str, str]) -> Samples:
    runs = _runs(session, server, scripts)
    times = {side: partial(_milliseconds, run) for side, run in runs.items()}
    return interleave(times, session.rounds(_ROUNDS))


def _runs(
    session: Session, server: Server, scripts: Mapping[str, str]
) -> dict[str, Callable[[], Start]]:
    runs = {}
    for side, name in scripts.items():
        python = session.environments.python("article" if side == ARTICLE else "client")
        runs[side] = partial(
            start, script(python, f"sides/{name}.py", str(server.port), TOKENIZER, SHORT)
        )
    return runs


def _milliseconds(run: Callable[[], Start]) -> float:
    return run().seconds * 1e3


def _peak(run: Callable[[], Start]) -> float:
    return run().peak / 1e6
