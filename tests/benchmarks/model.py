"""A model of DistilBERT's full size, 6 layers of 768, behind a real server process."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.figures import ARTICLE, OURS, Comparison, Row, interleave
from tests.benchmarks.processes import ISOLATED, Program, clean_environment, script
from tests.benchmarks.session import BUNDLE, Session

_TEXTS = 256
_TOKENS = 1024  # of a request of lightclient, and of a batch of the model alone
_LENGTHS = 16
_ROUNDS = 5


def model(session: Session) -> list[Row]:
    """Texts per second; only one side computes at a time."""
    source = make_model(session, "source")
    fixed = export(session, source, "fixed", "--max-length", "100")
    free = export(session, source, "free")
    count = session.scaled(_TEXTS)
    with (
        ModelServer(session, fixed) as fixed_server,
        ModelServer(session, free) as free_server,
        session.side("client", "ours", port=free_server.port) as ours,
        session.side("client", "plain", port=free_server.port) as plain,
        session.side("article", "article", port=fixed_server.port) as article,
        session.side("server", "model_alone", saved_model=str(free / "1")) as alone,
    ):
        lengths = _sample(plain.ask("lengths")[:count])
        sides: dict[str, Callable[[], float]] = {
            OURS: lambda: count / ours.ask("bulk", count=count)["wall"],
            ARTICLE: lambda: count / article.ask("loop", count=count)["wall"],
            "`classify` in a loop": lambda: count / ours.ask("one_by_one", count=count)["wall"],
            "batches of 32": lambda: count / plain.ask("batches", count=count)["wall"],
            "the model alone": lambda: 1 / alone.ask("compute", lengths=lengths, tokens=_TOKENS),
        }
        samples = interleave(sides, session.rounds(_ROUNDS))
    comparisons = [
        Comparison(ARTICLE, "×", "≥ 4.5"),
        Comparison("`classify` in a loop", "×"),
        Comparison("batches of 32", "×", "≥ 1.5"),
        Comparison("the model alone", "×"),
    ]
    title = "bulk, DistilBERT behind `lightclient serve`"
    return [Row(title, "texts/s", samples, comparisons)]


class ModelServer(Program):
    """`lightclient serve`, which loads and warms the model before it says its port."""

    def __init__(self, session: Session, folder: Path) -> None:
        super().__init__(script(session.environments.python("server"), "sides/serve.py", folder))
        while not (found := re.search(r" at http://[^/]*:(\d+)/", self.read())):
            pass
        self.port = int(found[1])


def make_model(session: Session, name: str, *labels: str) -> Path:
    """A model's Hugging Face folder. Without labels, it has those of the bundle."""
    folder = session.folder / name
    python = session.environments.python("server")
    _run(script(python, "sides/make_model.py", BUNDLE, folder, *labels))
    return folder


def export(session: Session, source: Path, name: str, *options: str) -> Path:
    """The model's SavedModel, which is served by its folder's name."""
    folder = session.folder / name
    python = session.environments.python("server")
    _run([python, *ISOLATED, "-m", "lightclient", "export", source, folder, *options])
    return folder


def _run(command: list[str | Path]) -> None:
    done = subprocess.run(
        command, env=clean_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
        done.check_returncode()


def _sample(lengths: list[int]) -> list[int]:
    """Some of the lengths, which stand for all: the middles of equal parts of their order."""
    ordered = sorted(lengths)
    return [ordered[(2 * at + 1) * len(ordered) // (2 * _LENGTHS)] for at in range(_LENGTHS)]
