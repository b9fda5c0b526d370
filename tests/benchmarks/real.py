"""A real model of DistilBERT's full size behind a real server process."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.figures import Row, Target, interleave, ratio
from tests.benchmarks.processes import Program, script, surroundings
from tests.benchmarks.session import Session

_TEXTS = 256
_TOKENS = 1024  # of a request of ours, and of a batch of the model alone
_LENGTHS = 16
_ROUNDS = 3


def real(session: Session) -> Row:
    """Texts per second; only one side computes at a time."""
    fixed, free = _export(session)
    with (
        ModelServer(session, fixed) as fixed_server,
        ModelServer(session, free) as free_server,
        session.side("client", "us", port=free_server.port) as us,
        session.side("client", "floor", port=free_server.port) as floor,
        session.side("article", "article", port=fixed_server.port) as article,
        session.side("server", "model", saved_model=str(free / "1")) as model,
    ):

        def sides(count: int) -> dict[str, Callable[[], float]]:
            lengths = _sample(floor.ask("lengths")[:count])
            return {
                "us": lambda: count / us.ask("bulk", count=count)["wall"],
                "article": lambda: count / article.ask("loop", count=count)["wall"],
                "batches of 32": lambda: count / floor.ask("batches", count=count)["wall"],
                "model alone": lambda: 1 / model.ask("compute", lengths=lengths, tokens=_TOKENS),
            }

        interleave(sides(32), 1)
        samples = interleave(sides(session.scaled(_TEXTS)), session.rounds(_ROUNDS))
    figures = [
        ratio(samples, "us", "article", Target("≥", 4.5)),
        ratio(samples, "us", "batches of 32", Target("≥", 1.5)),
        ratio(samples, "us", "model alone", Target("≥", None, 0.9)),
    ]
    title = "bulk: DistilBERT, 6 layers of 768, behind `lightclient serve`"
    return Row("real", title, "texts/s", samples, figures)


class ModelServer(Program):
    """`lightclient serve`, which loads and warms the model before it says its port."""

    def __init__(self, session: Session, folder: Path) -> None:
        super().__init__(script(session.environments.python("server"), "sides/serve.py", folder))
        while not (found := re.search(r" at http://[^/]*:(\d+)/", self.read())):
            pass
        self.port = int(found[1])


def _export(session: Session) -> tuple[Path, Path]:
    """SavedModels that take rows of 100 tokens, and of any length."""
    source, fixed, free = (session.folder / name for name in ("source", "fixed", "free"))
    python = session.environments.python("server")
    _run(script(python, "sides/make_model.py", Path(session.tokenizer).parent, source))
    export = [python, "-E", "-s", "-m", "lightclient", "export", source]
    _run([*export, fixed, "--max-length", "100"])
    _run([*export, free])
    return fixed, free


def _run(command: list[str | Path]) -> None:
    done = subprocess.run(command, env=surroundings(), capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
        done.check_returncode()


def _sample(lengths: list[int]) -> list[int]:
    """Some of the lengths, which stand for all: the middles of equal parts of their order."""
    ordered = sorted(lengths)
    return [ordered[(2 * at + 1) * len(ordered) // (2 * _LENGTHS)] for at in range(_LENGTHS)]
