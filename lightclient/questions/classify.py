"""What `classify` asks about a text, which may be longer than the model reads."""

from collections.abc import Sequence
from typing import Literal

from lightclient.classification import Classification
from lightclient.errors import InputError
from lightclient.model.encoding import Row, Text
from lightclient.model.windows import split, tokens_of
from lightclient.serving.plan import Plan
from lightclient.settings import LongTexts

Joining = Literal["mean", "max"]
# Characters of a text that hardly ever fits, so that to try it would only take time.
_SURELY_LONG = 100_000


class Classify:
    """What a text is classified as. Of one that is too long, the rest is left out."""

    rows_a_text = 1  # most texts fit, and a chunk is bounded by its characters as well

    def one_row_each(self, texts: Sequence[Text], plan: Plan) -> list[Row] | None:
        """The rows of texts that have one each, for one request; None if they may have several."""
        return self._tokenize(texts, plan)

    def rows(self, texts: Sequence[Text], plan: Plan) -> list[list[Row]]:
        """One row a text."""
        return [[row] for row in self._tokenize(texts, plan)]

    def _tokenize(self, texts: Sequence[Text], plan: Plan) -> list[Row]:
        return plan.tokenize(texts)

    def answer(self, found: Sequence[Classification], plan: Plan) -> Classification:
        """That of the only row."""
        return found[0]


class Refuse(Classify):
    """What a text is classified as. One that is too long is an error."""

    def _tokenize(self, texts: Sequence[Text], plan: Plan) -> list[Row]:
        rows = plan.tokenize(texts)  # one that was cut no longer tells how long its text was
        for at, row in enumerate(rows):
            if row.truncated:
                what = "the text" if len(texts) == 1 else f"texts[{at}]"
                raise InputError(
                    f"{what} has {tokens_of(texts[at], plan.bundle)} tokens, and the model reads "
                    f"{plan.limit:,}: shorten it, or let long_texts= or --long-texts be 'cut', "
                    "'mean' or 'max'"
                )
        return rows


class Windows(Classify):
    """What a text is classified as. One that is too long is read in windows that overlap.

    Their scores become one, label by label, by their mean or maximum. Two neighbouring windows
    share `stride` tokens.
    """

    def __init__(self, joining: Joining, stride: int) -> None:
        self._joining, self._stride = joining, stride

    def one_row_each(self, texts: Sequence[Text], plan: Plan) -> list[Row] | None:
        """The rows of texts that fit; None if one is too long."""
        if any(len(text) > _SURELY_LONG for text in texts):
            return None
        found = self.rows(texts, plan)
        return [row for [row] in found] if all(len(rows) == 1 for rows in found) else None

    def rows(self, texts: Sequence[Text], plan: Plan) -> list[list[Row]]:
        """A row for each window of a text. A pair has one row and is cut."""
        plan.check_pairs(texts)  # `split` does not know the signature
        return split(texts, plan.bundle, plan.limit, self._stride)

    def answer(self, found: Sequence[Classification], plan: Plan) -> Classification:
        """That of the only window, or else all of them together."""
        if len(found) == 1:
            return found[0]
        from lightclient.scoring import join  # not at the top: it imports numpy

        return join(found, plan, self._joining)


def make_question(long_texts: LongTexts, stride: int) -> Classify:
    """What a classifier asks about a text."""
    if long_texts in ("mean", "max"):
        return Windows(long_texts, stride)
    return Refuse() if long_texts == "refuse" else Classify()
