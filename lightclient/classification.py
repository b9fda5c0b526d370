"""What a text was classified as."""

from dataclasses import dataclass
from typing import Any, NamedTuple


class Score(NamedTuple):
    """A label and its score. It unpacks as a tuple, and is an object in JSON."""

    label: str
    score: float

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> Any:
        """Tell pydantic, and with it FastAPI, that a score is read and written as an object."""
        from pydantic_core import core_schema as made

        fields = {
            "label": made.typed_dict_field(made.str_schema()),
            "score": made.typed_dict_field(made.float_schema()),
        }
        plain = made.typed_dict_schema(fields)
        read = made.no_info_before_validator_function(_plain, plain)
        write = made.plain_serializer_function_ser_schema(cls._asdict, return_schema=plain)
        return made.no_info_after_validator_function(
            lambda found: cls(**found), read, serialization=write
        )


# As a dataclass, it is an object to dataclasses.asdict, and so to FastAPI's jsonable_encoder.
dataclass(init=False, repr=False, eq=False)(Score)


def _plain(value: object) -> object:
    return value._asdict() if isinstance(value, Score) else value


@dataclass(frozen=True, init=False)
class Classification:
    """The answer for one text.

    `label`, `score`: the best one. `scores`: every label, highest first, ties in the model's
    order, so that `scores[:k]` is what the pipeline gives for `top_k=k`. `logits`: the model's
    raw output in the order of its labels. `truncated`: the text was longer than the model takes,
    and was cut. `windows`: how many the text was read in; see `long_texts` of `Classifier`.
    """

    label: str
    score: float
    scores: tuple[Score, ...]
    logits: tuple[float, ...]
    truncated: bool
    windows: int = 1

    def __init__(
        self,
        label: str,
        score: float,
        scores: tuple[Score, ...],
        logits: tuple[float, ...],
        truncated: bool = False,
        windows: int = 1,
    ) -> None:
        # The __init__ of a frozen dataclass takes twice as long.
        fields = self.__dict__
        fields["label"], fields["score"], fields["scores"] = label, score, scores
        fields["logits"], fields["truncated"], fields["windows"] = logits, truncated, windows

    def as_dict(self) -> dict[str, Any]:
        """The classification in plain JSON types."""
        scores = [score._asdict() for score in self.scores]
        return vars(self) | {"scores": scores, "logits": list(self.logits)}

    def __repr__(self) -> str:
        cut = ", truncated=True" if self.truncated else ""
        several = f", windows={self.windows}" if self.windows > 1 else ""
        return f"Classification(label={self.label!r}, score={self.score:.5f}{cut}{several})"
