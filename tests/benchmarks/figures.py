"""Measurements into figures: medians, quartiles, and what they must reach."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Samples = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Spread:
    """The median and the quartiles."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Target:
    """What a figure must reach, and what it should."""

    sign: Literal["≤", "≥"]
    must: float | None
    hoped: float | None = None

    def reached(self, value: float) -> bool | None:
        if self.must is None:
            return None
        return value <= self.must if self.sign == "≤" else value >= self.must


@dataclass(frozen=True)
class Figure:
    """One line of the table; without a target it is told for information only."""

    what: str
    unit: str
    spread: Spread
    target: Target | None = None

    def as_json(self) -> dict[str, Any]:
        reached = self.target.reached(self.spread.median) if self.target else None
        return {
            "what": self.what,
            "unit": self.unit,
            **asdict(self.spread),
            "target": asdict(self.target) if self.target else None,
            "reached": reached,
        }


@dataclass(frozen=True)
class Row:
    """What was measured, our side first. `unit` is that of the samples."""

    name: str
    title: str
    unit: str
    samples: Samples
    figures: Sequence[Figure]

    def as_json(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "unit": self.unit,
            "rounds": max(map(len, self.samples.values()), default=1),
            "sides": {side: asdict(spread(values)) for side, values in self.samples.items()},
            "figures": [figure.as_json() for figure in self.figures],
        }


def interleave(sides: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Each side once a round; who begins changes from round to round."""
    names = list(sides)
    samples: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        at = turn % len(names)
        for name in names[at:] + names[:at]:
            samples[name].append(sides[name]())
    return samples


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles of one side, or of the ratios of two."""
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(middle, low, high)


def ratio(samples: Samples, over: str, under: str, target: Target | None = None) -> Figure:
    """One side over another, round by round."""
    pairs = zip(samples[over], samples[under], strict=True)
    return Figure(f"{over} / {under}", "×", spread([a / b for a, b in pairs]), target)


def difference(
    samples: Samples, left: str, right: str, unit: str, target: Target | None = None
) -> Figure:
    """One side less another, round by round."""
    pairs = zip(samples[left], samples[right], strict=True)
    return Figure(f"{left} − {right}", unit, spread([a - b for a, b in pairs]), target)


def value(what: str, unit: str, values: Sequence[float], target: Target | None = None) -> Figure:
    """A figure that stands for itself."""
    return Figure(what, unit, spread(values), target)
