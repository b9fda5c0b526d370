"""Some rows of the results as pictures: which part of a cold start takes how long, and rates."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.benchmarks import style
from tests.benchmarks.figures import ARTICLE, OURS, decimals
from tests.benchmarks.style import BLUE, GREEN, GREY, ORANGE

_PHASES = (GREY, BLUE, ORANGE, GREEN)
# The sides of the row `model`, from the slowest to the fastest on most machines.
_WAYS = {
    ARTICLE: ("the article's client, one by one", ORANGE),
    "`classify` in a loop": ("lightclient, classify in a loop", BLUE),
    "batches of 32": ("plain script, batches of 32", ORANGE),
    OURS: ("lightclient, classify_many", BLUE),
    "the model alone": ("the model alone, no server", GREY),
}
_Row = Mapping[str, Any]


def draw(results: Mapping[str, Any], folder: Path) -> None:
    """Write an SVG for each row that has phases, and one for `model`, as far as they are there."""
    rows = {name: found[0] for name, found in results["rows"].items()}
    pictures = {name: partial(_phases, row) for name, row in rows.items() if "phases" in row}
    if "model" in rows:
        pictures["model"] = partial(_rates, rows["model"])
    style.draw(pictures, folder)


def _phases(row: _Row) -> Figure:
    figure, panel = _bars(row, len(row["phases"]))
    for at, (side, phases) in enumerate(row["phases"].items()):
        ends = 0.0
        for (phase, value), colour in zip(phases.items(), _PHASES, strict=True):
            panel.barh(at, value, left=ends, color=colour, label=phase if at == 0 else None)
            ends += value
        parts = " + ".join(f"{value:,.0f}" for value in phases.values())
        panel.text(ends, at, f"  {row['values'][side]:,.0f} {row['unit']}: {parts}", va="center")
    panel.set_yticks(range(len(row["phases"])), list(row["phases"]))
    panel.set_xlim(0, 1.4 * max(row["values"].values()))
    panel.set_xlabel(row["unit"])
    figure.legend(loc="outside lower center", ncols=len(_PHASES))
    return figure


def _rates(row: _Row) -> Figure:
    ways = [(*way, row["values"][side]) for side, way in _WAYS.items() if side in row["values"]]
    figure, panel = _bars(row, len(ways))
    for at, (_, colour, value) in enumerate(ways):
        panel.barh(at, value, color=colour)
        panel.text(value, at, f"  {value:,.{decimals(value)}f}", va="center")
    panel.set_yticks(range(len(ways)), [name for name, *_ in ways])
    panel.set_xlim(0, 1.1 * max(value for *_, value in ways))
    panel.set_xlabel("texts a second")
    return figure


def _bars(row: _Row, count: int) -> tuple[Figure, Axes]:
    """A figure with room for so many horizontal bars, the first one at the top."""
    figure = Figure(figsize=(8, 1 + 0.4 * count), layout="constrained")
    panel = figure.subplots()
    panel.set_title(row["title"].replace("`", ""))
    panel.set_ylim(count - 0.5, -0.5)
    panel.grid(visible=False, axis="y")
    panel.set_axisbelow(True)
    return figure, panel
