"""Measurements into figures, by one statistic for every row.

A side's value is the median of its rounds. A comparison is computed from two such medians, rounded
as they are printed, so that the table agrees with itself. Its margin comes from a bootstrap: when
the rounds are drawn again at random, 95 % of the figures lie within the margin.
"""

import math
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

OURS, PLAIN, ARTICLE = "lightclient", "plain script", "the article's client"
How = Literal["×", "÷", "+"]
Samples = Mapping[str, Sequence[float]]  # by side, one value a round
_DRAWS = 1_000


@dataclass(frozen=True)
class Comparison:
    """lightclient beside another side.

    `how`: whether the other's value is multiplied by the figure, divided by it, or added to it, to
    give lightclient's.
    `must`: what the figure has to reach, like "≤ 1.5"; None if it is shown for information.
    """

    other: str
    how: How
    must: str | None = None

    def as_json(self, samples: Samples) -> dict[str, Any]:
        ours, other = (rounded(statistics.median(samples[side])) for side in (OURS, self.other))
        exact = _compare(self.how, ours, other)
        # A difference is no more exact than the two values that it comes from.
        places = max(decimals(ours), decimals(other)) if self.how == "+" else decimals(exact)
        figure = round(exact, places)
        return {
            "other": self.other,
            "how": self.how,
            "figure": figure,
            "margin": round(self._margin(samples), places),
            "decimals": places,
            "must": self.must,
            "reached": reached(self.must, figure),
        }

    def _margin(self, samples: Samples) -> float:
        """Rounds are drawn whole: both sides of a round met the same noise of the machine."""
        rounds = list(zip(samples[OURS], samples[self.other], strict=True))
        dice = random.Random(0)  # the same results give the same margin

        def figure(drawn: Sequence[tuple[float, float]]) -> float:
            ours, other = map(statistics.median, zip(*drawn, strict=True))
            return _compare(self.how, ours, other)

        middle = figure(rounds)
        draws = (dice.choices(rounds, k=len(rounds)) for _ in range(_DRAWS))
        return sorted(abs(figure(drawn) - middle) for drawn in draws)[int(0.95 * _DRAWS)]


@dataclass(frozen=True)
class Row:
    """One line of the table.

    `samples`: lightclient's side is the first.
    `must`: what lightclient's own value has to reach, in `unit`.
    `phases`: by side, the parts that its value is made of, where they are told apart.
    """

    title: str
    unit: str
    samples: Samples
    comparisons: Sequence[Comparison] = ()
    must: str | None = None
    phases: Mapping[str, Samples] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        values = _medians(self.samples)
        phases = {side: _medians(parts) for side, parts in self.phases.items()}
        return {
            "title": self.title,
            "unit": self.unit,
            "rounds": len(self.samples[OURS]),
            "values": values,
            "must": self.must,
            "reached": reached(self.must, values[OURS]),
            "comparisons": [comparison.as_json(self.samples) for comparison in self.comparisons],
            **({"phases": phases} if phases else {}),
        }


def single(title: str, unit: str, value: float, must: str | None = None) -> Row:
    """A value that is measured once and compared with nothing."""
    return Row(title, unit, {OURS: [value]}, must=must)


def _medians(samples: Samples) -> dict[str, float]:
    return {name: rounded(statistics.median(found)) for name, found in samples.items()}


def interleave(sides: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Measure each side once a round, in an order that changes from round to round.

    A first round warms everything up and is not counted.
    """
    names = list(sides)
    samples: dict[str, list[float]] = {name: [] for name in names}
    for measure in sides.values():
        measure()
    for turn in range(rounds):
        at = turn // 2 % len(names)
        order = names[at:] + names[:at]
        for name in order if turn % 2 == 0 else reversed(order):
            samples[name].append(sides[name]())
    return samples


def reached(must: str | None, figure: float) -> bool | None:
    """Whether a figure is what it must be; None if nothing is asked of it."""
    if must is None:
        return None
    sign, bound = must.split()
    return figure <= float(bound) if sign == "≤" else figure >= float(bound)


def rounded(value: float) -> float:
    """The value with three digits, or as a whole number where that takes more."""
    return round(value, decimals(value))


def decimals(value: float) -> int:
    """How many digits after the point make three in all."""
    return max(0, 2 - math.floor(math.log10(abs(value)))) if value else 2


def _compare(how: How, ours: float, other: float) -> float:
    if how == "×":
        return ours / other
    return other / ours if how == "÷" else ours - other
