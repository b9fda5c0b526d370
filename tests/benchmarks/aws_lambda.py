"""A function on Lambda, in Lambda's own runtime client: its init phase, and its first event."""

import time
from functools import partial

from tests.aws_lambda.runtime import HANDLER, Function
from tests.benchmarks.figures import ARTICLE, OURS, Comparison, Row, interleave
from tests.benchmarks.processes import HERE, ISOLATED, Server
from tests.benchmarks.session import TOKENIZER, Session
from tests.benchmarks.texts import SHORT

_ROUNDS = 30
_HANDLERS = {OURS: HANDLER, ARTICLE: "lambda_article.handler"}


def function(session: Session) -> list[Row]:
    """The server takes its time. lightclient's init phase has it answer once already."""
    with Server("--delay", "0.03") as server:
        functions = {side: _Measured(session, server, side) for side in _HANDLERS}
        inits = interleave(functions, session.rounds(_ROUNDS))
    # The first round of each is not counted, as `interleave` does not count it.
    firsts = {side: function.firsts[1:] for side, function in functions.items()}
    comparisons = [Comparison(ARTICLE, "÷")]
    return [
        Row("Lambda function: its init phase", "ms", inits, comparisons),
        Row("Lambda function: its first event", "ms", firsts, comparisons),
    ]


class _Measured:
    """A call gives the milliseconds of an init phase; `firsts` has those of the first events."""

    def __init__(self, session: Session, server: Server, side: str) -> None:
        name = "article" if side == ARTICLE else "client"
        self._start = partial(
            Function,
            {
                "HF_HUB_OFFLINE": "1",
                "LIGHTCLIENT_URL": f"http://127.0.0.1:{server.port}/v1/models/fixed",
                "TOKENIZER": str(TOKENIZER.parent),
            },
            _HANDLERS[side],
            python=(session.environments.python(name), *ISOLATED),
            folder=HERE / "sides",
        )
        self.firsts: list[float] = []

    def __call__(self) -> float:
        begun = time.perf_counter()
        with self._start() as function:
            function.wait_until_ready()
            ready = time.perf_counter()
            function.result({"text": SHORT})
            self.firsts.append((time.perf_counter() - ready) * 1e3)
        return (ready - begun) * 1e3
