"""One case: a server, a classifier, a fault, and all the checks."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lightclient import Classification, Classifier, LightClientError, Signature
from tests.faults.calls import BUNDLE, CALLS, Call, Outcome, ask
from tests.faults.checks import Watch, leaked_text, overruns, unexpected
from tests.faults.fault import RIGHT, Kinds
from tests.faults.report import TALLY, Tally
from tests.faults.server import Act, FaultServer, mending


class Case:
    """Asks and judges. `complaints`: what was wrong up to now; `records`: what was logged."""

    def __init__(
        self, name: str, records: list[logging.LogRecord], *,
        tally: Tally = TALLY,
    ) -> None:  # fmt: skip
        self._name, self._records, self._tally = name, records, tally
        self.complaints: list[str] = []
        self._watch = Watch()

    def ask(
        self,
        classifier: Classifier,
        call: Call,
        expected: Kinds,
        limit: float,
        *,
        all_fail: bool = True,
        offset: int = 0,
    ) -> Outcome:
        """One call, and what must come of it; `all_fail`: whether no text may have an answer."""
        outcome = ask(classifier, call, offset)
        self.judge(outcome, expected, limit, all_fail=all_fail)
        return outcome

    def judge(
        self, outcome: Outcome, expected: Kinds, limit: float, *, all_fail: bool = True
    ) -> None:
        self.complaints += unexpected(outcome, expected, all_fail=all_fail)
        self.complaints += overruns(outcome, limit)
        self.complaints += leaked_text(outcome.errors, self._records, outcome.texts)
        self._tally.add_call(
            right=sum(isinstance(answer, Classification) for answer in outcome.given),
            named=sum(isinstance(error, LightClientError) for error in outcome.errors),
            late=outcome.slowest - limit if expected != RIGHT else -limit,
        )

    def end_well(self, classifier: Classifier, server: FaultServer, limit: float) -> None:
        """Good calls get right answers, and share a connection; then the classifier closes."""
        server.answering.clear()
        for offset, name in enumerate(("one", "three", "one"), 10):
            self.ask(classifier, CALLS[name], RIGHT, limit, offset=offset)
        # A request that the client gave up may be answered only now, on a connection of its own.
        if max(server.answering.values(), default=0) < 3:
            self.complaints.append("unhealthy: three calls did not share a connection")
        classifier.close()

    def expect_no_threads(self, server: FaultServer) -> None:
        """To be called while the server is still up, as its end would end the client's, too."""
        self.complaints += self._watch.left_threads(but=server.threads)

    def close(self) -> None:
        """To be called at the end, when the server is closed."""
        self.complaints += self._watch.left_threads() + self._watch.left_files()
        self._tally.add_case(self._name, self.complaints)


@contextmanager
def case_of(
    name: str,
    records: list[logging.LogRecord],
    act: Act | None = None,
    *,
    tally: Tally = TALLY,
    **options: Any,
) -> Iterator[tuple[Case, FaultServer]]:
    """A case and its server, made with `options`; what is wrong is raised at the end."""
    case = Case(name, records, tally=tally)
    with mending(act, **options) as server:
        yield case, server
        case.expect_no_threads(server)
    case.close()
    if case.complaints:
        pytest.fail("\n".join(case.complaints[:20]))


def classifier_of(url: str, **options: Any) -> Classifier:
    options = {"bundle": BUNDLE, "signature": Signature(), "retries": 1, **options}
    return Classifier(url, **options)
