"""What is asked about a text: the rows that it becomes, and the one answer that theirs become."""

from collections.abc import Sequence
from typing import Any, Protocol

from lightclient.classification import Classification
from lightclient.model.encoding import Row, Text
from lightclient.serving.plan import Plan


class Question(Protocol):
    """A kind of question, which is asked in one request (`Predictor.ask`) or in a stream."""

    @property
    def rows_a_text(self) -> int:
        """About how many rows a text becomes."""
        ...

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
