"""The answers to rows, of which some have no text."""

from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

from lightclient.cli.output import Outcome
from lightclient.cli.rows import Row
from lightclient.cli.tally import Tally
from lightclient.errors import LightClientError, NotTensorFlowServing, SettingError

if TYPE_CHECKING:
    from lightclient.client import Classifier
    from lightclient.questions.zero_shot import ZeroShot

# More than classify_many reads ahead, so that only rows without a text can make it so many.
MOST_WAITING = 10_000


def find_labels(
    classifier: "Classifier", zero_shot: "ZeroShot | None" = None, *, patient: bool = True
) -> tuple[str, ...]:
    """The labels of an answer, which may take a question to the server.

    `patient`: it is repeated until the deadline, as the requests of a stream are.

    Raises:
        SignatureError, InputError: the served model cannot answer `zero_shot`.
    """
    from lightclient.http.deadline import Deadline
    from lightclient.http.pace import Pace

    deadline = Deadline(classifier.timeout, pace=Pace(1, patient=patient))
    plan = classifier._asker.predictor.plan(deadline)
    if zero_shot is None:
        return plan.bundle.labels
    zero_shot.check(plan)
    return zero_shot.labels


class Answers:
    """The rows with their outcomes, in order. Each is counted when the next one is asked for."""

    def __init__(
        self,
        classifier: "Classifier",
        rows: Iterator[Row],
        tally: Tally,
        zero_shot: "ZeroShot | None" = None,
        *,
        skips_errors: bool,
    ) -> None:
        self._classifier, self._rows, self._tally = classifier, rows, tally
        self._zero_shot = zero_shot
        self._skips_errors = skips_errors
        self._waiting: deque[Row] = deque()
        self._texts = 0  # how many of those that wait have one
        self._asked = self._ended = False

    def __iter__(self) -> Generator[tuple[Row, Outcome], None, None]:
        while not self._ended:
            try:
                with closing(self._classify()) as outcomes:
                    for outcome in outcomes:
                        yield from self._without_text()
                        self._texts -= 1
                        yield from self._counted(self._waiting.popleft(), outcome)
            except LightClientError:
                yield from self._without_text()  # those before the row that the error is about
                raise
            yield from self._without_text()

    def _without_text(self) -> Iterator[tuple[Row, Outcome]]:
        while self._waiting and self._waiting[0].text is None:
            yield from self._counted(self._waiting.popleft(), None)

    def _counted(self, row: Row, outcome: Outcome) -> Iterator[tuple[Row, Outcome]]:
        yield row, outcome
        if isinstance(outcome, LightClientError):
            self._tally.add(row, error=f"{type(outcome).__name__}: {_first_line(outcome)}")
        else:
            self._tally.add(row, truncated=outcome is not None and outcome.truncated)

    def _classify(self) -> Generator[Outcome, None, None]:
        on_error: Any = "return" if self._skips_errors else "raise"
        texts, classifier = self._read(), self._classifier
        if self._zero_shot is None:
            many = classifier.classify_many(texts, on_error=on_error)
        else:
            many = classifier._asker.stream(self._zero_shot, texts, on_error, "error", None)
        with closing(cast("Generator[Outcome, None, None]", many)) as outcomes:
            try:
                for outcome in outcomes:
                    if isinstance(outcome, LightClientError) and not is_about_a_text(outcome):
                        raise outcome
                    yield outcome
            except LightClientError as error:
                self._name_row(error)
                raise

    def _read(self) -> Iterator[str]:
        """The texts of the next rows.

        It comes to an end where rows without a text would have to wait for nothing, or too many
        for one text. Then they are given, and another stream begins.
        """
        for row in self._rows:
            self._waiting.append(row)
            if row.text is not None:
                self._ask()
                self._texts += 1
                yield row.text
            elif not self._texts or len(self._waiting) >= MOST_WAITING:
                return
        self._ended = True

    def _ask(self) -> None:
        """Find out early what is no matter of one text: no server, no such model, a setting."""
        if not self._asked:
            find_labels(self._classifier, self._zero_shot)
            self._asked = True

    def _name_row(self, error: LightClientError) -> None:
        """Name the row in the place of the text's number, which the user does not know."""
        if error.index is not None:
            row = next(row for row in self._waiting if row.text is not None)
            error.args = (str(error).replace(f"texts[{error.index}]", row.place, 1),)


def is_about_a_text(error: LightClientError) -> bool:
    """Whether another text might fare better."""
    from lightclient.streams.sender import ABOUT_A_TEXT

    # These two are of those classes as well, but no other text would fare better.
    is_about_all = isinstance(error, (NotTensorFlowServing, SettingError))
    return isinstance(error, ABOUT_A_TEXT) and not is_about_all


def _first_line(error: LightClientError) -> str:
    return str(error).removeprefix(f"texts[{error.index}]").lstrip(": ").splitlines()[0]
