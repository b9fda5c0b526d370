"""What a text is classified as, and what becomes of one that is longer than the model reads."""

from collections.abc import Sequence
from typing import Literal

from lightclient.classification import Classification
from lightclient.errors import InputError
from lightclient.model.encoding import Row, Text
from lightclient.model.windows import split, tokens_of
from lightclient.question import Question
from lightclient.serving.plan import Plan

LongTexts = Literal["cut", "refuse", "mean", "max"]
Joining = Literal["mean", "max"]


class Cut:
    """What is left of it is classified."""

    rows_a_text = 1

    def rows(self, texts: Sequence[Text], plan: Plan) -> list[list[Row]]:
        """One row a text."""
        return [[row] for row in plan.tokenize(texts)]

    def answer(self, found: Sequence[Classification], plan: Plan) -> Classification:
        """That of the only row."""
        return found[0]


class Refuse(Cut):
    """It is an error."""

    def rows(self, texts: Sequence[Text], plan: Plan) -> list[list[Row]]:
        """One row a text.

        Raises:
            InputError: a text is too long; the message says how many tokens it has.
        """
        found = plan.tokenize(texts)
        for text, row in zip(texts, found, strict=True):
            if row.truncated:
                count = tokens_of(text, plan.bundle)
                raise InputError(
                    f"a text has {count} tokens and the model reads {plan.limit}: make it shorter, "
                    "or choose what becomes of it: long_texts='cut', 'mean' or 'max'"
                )
        return [[row] for row in found]


class Windows:
    """It is read in windows that overlap, whose scores become one, label by label.

    `joining`: by their mean or their maximum. `stride`: the tokens that two neighbours share.
    """

    rows_a_text = 1  # most texts fit, and a chunk is bounded by its characters as well

    def __init__(self, joining: Joining, stride: int) -> None:
        self._joining, self._stride = joining, stride

    def rows(self, texts: Sequence[Text], plan: Plan) -> list[list[Row]]:
        """As many rows as a text has windows."""
        plan.check_pairs(texts)
        return split(texts, plan.bundle, plan.limit, self._stride)

    def answer(self, found: Sequence[Classification], plan: Plan) -> Classification:
        """That of the only window, or else all of them together."""
        if len(found) == 1:
            return found[0]
        from lightclient.scoring import join  # imported here, because it needs numpy

        return join(found, plan, self._joining)


def make_question(long_texts: LongTexts, stride: int) -> Question:
    """What a classifier asks about a text."""
    if long_texts in ("mean", "max"):
        return Windows(long_texts, stride)
    return Refuse() if long_texts == "refuse" else Cut()
