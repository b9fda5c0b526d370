"""What a text was classified as."""

from dataclasses import dataclass
from typing import Any, NamedTuple


class Score(NamedTuple):
    """A label and its score."""

    label: str
    score: float


@dataclass(frozen=True, init=False)
class Classification:
    """The answer for one text.

    `label`, `score`: the best one. `scores`: every label, highest first, ties in the model's
    order, so that `scores[:k]` is what the pipeline gives for `top_k=k`. `logits`: the model's
    raw output in the order of its labels. `truncated`: the text was longer than the model takes,
    and was cut.
    """

    label: str
    score: float
    scores: tuple[Score, ...]
    logits: tuple[float, ...]
    truncated: bool

    def __init__(
        self,
        label: str,
        score: float,
        scores: tuple[Score, ...],
        logits: tuple[float, ...],
        truncated: bool = False,
    ) -> None:
        # The __init__ of a frozen dataclass takes twice as long.
        fields = self.__dict__
        fields["label"], fields["score"], fields["scores"] = label, score, scores
        fields["logits"], fields["truncated"] = logits, truncated

    def as_dict(self) -> dict[str, Any]:
        """The classification in plain JSON types."""
        scores = [score._asdict() for score in self.scores]
        return vars(self) | {"scores": scores, "logits": list(self.logits)}

    def __repr__(self) -> str:
        cut = ", truncated=True" if self.truncated else ""
        return f"Classification(label={self.label!r}, score={self.score:.5f}{cut})"
