"""What is asked about a text: the rows that it becomes, and the one answer that theirs become."""

from collections.abc import Sequence
from typing import Any, Protocol

from lightclient.classification import Classification
from lightclient.model.encoding import Row, Text
from lightclient.serving.plan import Plan


class Question(Protocol):
    """A kind of question. `Predictor` asks it in one request, and `lightclient.bulk` in a stream.

    `rows_a_text`: about how many rows a text becomes.
    """

    @property
    def rows_a_text(self) -> int: ...

    def rows(self, texts: Sequence[Text], plan: Plan) -> list[list[Row]]:
        """The rows of each text, at least one.

        Raises:
            LightClientError: a text has none.
        """
        ...

    def answer(self, found: Sequence[Classification], plan: Plan) -> Any:
        """The answer to a text, of the answers to its rows.

        Raises:
            LightClientError: the model does not fit the question.
        """
        ...


class Classify:
    """What a text is classified as. A text that is too long is cut."""

    rows_a_text = 1

    def rows(self, texts: Sequence[Text], plan: Plan) -> list[list[Row]]:
        """One row a text."""
        return [[row] for row in plan.tokenize(texts)]

    def answer(self, found: Sequence[Classification], plan: Plan) -> Classification:
        """That of the only row."""
        return found[0]
