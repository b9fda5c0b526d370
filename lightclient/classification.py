"""What a text was classified as."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from lightclient.checks import check_number
from lightclient.errors import InputError
from lightclient.messages import short_repr

Threshold = float | Mapping[str, float]
_SHOWN = 5


class Score(NamedTuple):
    """A label and its score. It unpacks as a tuple, and is an object in JSON."""

    label: str
    score: float

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> Any:
        """Tell pydantic, and with it FastAPI, that a score is read and written as an object."""
        from pydantic_core import core_schema as made  # there if somebody calls this

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
    and was cut. `windows`: how many the text was read in; see `long_texts` of `Classifier`. If
    there are several, each of `scores` and `logits` is the mean or the maximum over them.
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

    def above(self, threshold: float | Mapping[str, float]) -> tuple[Score, ...]:
        """The labels whose scores are at or above a threshold, highest first; there may be none.

        Args:
            threshold: a number, or a mapping that has one for each label. It may have any size,
                because not all scores are probabilities.

        Raises:
            InputError: it is neither, or the mapping leaves out a label, which would be lost
                without a word, or names one that is not there.
        """
        least = least_scores(threshold, (label for label, _ in self.scores))
        return tuple(found for found in self.scores if found.score >= least[found.label])

    def as_dict(self) -> dict[str, Any]:
        """The classification in plain JSON types."""
        scores = [score._asdict() for score in self.scores]  # json writes a tuple as a list
        return vars(self) | {"scores": scores, "logits": list(self.logits)}

    def __repr__(self) -> str:
        cut = ", truncated=True" if self.truncated else ""
        several = f", windows={self.windows}" if self.windows > 1 else ""
        return f"Classification(label={self.label!r}, score={self.score:.5f}{cut}{several})"


def check_threshold(threshold: object) -> Threshold:
    """Return a threshold, a number or a mapping to numbers, with its numbers as floats."""
    if not isinstance(threshold, Mapping):
        return check_number("threshold", threshold, ", or a mapping from each label to one")
    return {
        label: check_number(f"threshold[{short_repr(label)}]", least)
        for label, least in threshold.items()
    }


def least_scores(threshold: Threshold, labels: Iterable[str]) -> Mapping[str, float]:
    """The score that each label has to reach; raises as `Classification.above` does."""
    least = check_threshold(threshold)
    if not isinstance(least, Mapping):
        return dict.fromkeys(labels, least)
    known = dict.fromkeys(labels)  # a model's config may give two labels one name
    missing = [label for label in known if label not in least]
    unknown = [label for label in least if label not in known]
    found = [f"it lacks {some_of(missing)}"] * bool(missing)
    found += [f"no label is called {some_of(unknown)}"] * bool(unknown)
    if found:
        raise InputError(f"threshold must have a number for each label: {', and '.join(found)}")
    return least


def some_of(labels: Sequence[str]) -> str:
    """The first of these labels, and how many more there are, for an error message."""
    shown = ", ".join(short_repr(label, 40) for label in labels[:_SHOWN])
    return shown if len(labels) <= _SHOWN else f"{shown} and {len(labels) - _SHOWN:,} more"
