"""The answers to rows, of which some have no text."""

from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from lightclient.cli.output import Outcome
from lightclient.cli.rows import Row
from lightclient.errors import LightClientError, NotTensorFlowServing, SettingError

if TYPE_CHECKING:
    from lightclient.client import Classifier
    from lightclient.questions.zero_shot import ZeroShot


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


def answer_rows(
    classifier: "Classifier",
    rows: Iterator[Row],
    zero_shot: "ZeroShot | None" = None,
    *,
    skips_errors: bool,
) -> Generator[tuple[Row, Outcome], None, None]:
    """The rows with their outcomes, in order. Those before the first text wait for nobody."""
    for row in rows:
        if row.text is not None:
            # Find out early what is no matter of one text: no server, no such model, a setting.
            find_labels(classifier, zero_shot)
            yield from _answer_stream(classifier, chain([row], rows), zero_shot, skips_errors)
            return
        yield row, None


def _answer_stream(
    classifier: "Classifier",
    rows: Iterator[Row],
    zero_shot: "ZeroShot | None",
    skips_errors: bool,
) -> Generator[tuple[Row, Outcome], None, None]:
    waiting: deque[Row] = deque()

    def read() -> Iterator[str | None]:
        for row in rows:
            waiting.append(row)
            yield row.text

    on_error: Any = "return" if skips_errors else "raise"
    if zero_shot is None:
        many = classifier.classify_many(read(), on_error=on_error, missing="none")
    else:
        many = classifier._asker.stream(zero_shot, read(), on_error, "none", None)
    with closing(cast("Generator[Outcome, None, None]", many)) as outcomes:
        try:
            for outcome in outcomes:
                if isinstance(outcome, LightClientError) and not is_about_a_text(outcome):
                    raise outcome
                yield waiting.popleft(), outcome
        except LightClientError as error:
            if error.index is not None:  # which the user does not know
                told = str(error).replace(f"texts[{error.index}]", waiting[0].place, 1)
                error.args = (told,)
            raise


def is_about_a_text(error: LightClientError) -> bool:
    """Whether another text might fare better."""
    from lightclient.streams.sender import ABOUT_A_TEXT

    # These two are of those classes as well, but no other text would fare better.
    is_about_all = isinstance(error, (NotTensorFlowServing, SettingError))
    return isinstance(error, ABOUT_A_TEXT) and not is_about_all
