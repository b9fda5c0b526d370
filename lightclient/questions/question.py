"""What is asked about a text: the rows that it becomes, and the one answer that theirs become."""

from collections.abc import Sequence
from typing import Any, Protocol

from lightclient.classification import Classification
from lightclient.model.encoding import Row, Text
from lightclient.serving.plan import Plan


class Question(Protocol):
    """A kind of question. Its methods raise a `LightClientError` for a text that it is not for."""

    @property
    def rows_a_text(self) -> int:
        """About how many rows a text becomes."""
        ...

    def rows(self, texts: Sequence[Text], plan: Plan) -> list[list[Row]]:
        """The rows of each text, at least one."""
        ...

    def answer(self, found: Sequence[Classification], plan: Plan) -> Any:
        """The answer to a text, of the answers to its rows."""
        ...
