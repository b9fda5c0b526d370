"""The figures of growth as pictures."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from tests.benchmarks import style
from tests.benchmarks.style import BLUE, GREEN, GREY, ORANGE

_Found = Mapping[str, Any]
_THOUSANDS = FuncFormatter(lambda value, _: f"{value:,.0f}")


def draw(report: _Found, folder: Path) -> None:
    """Write an SVG for each part of growth.json."""
    pictures = {
        "workers": partial(_workers, report["workers"]),
        "climbs": partial(_climbs, report["climbs"]),
        "loads": partial(_loads, report["climbs"]),
        "memory": partial(_memory, report["memory"]),
    }
    style.draw(pictures, folder)


def _panels(found: _Found, columns: int, height: float) -> tuple[Figure, dict[str, Axes]]:
    """A figure with an empty panel for each name."""
    lines = -(-len(found) // columns)
    figure = Figure(figsize=(8, lines * height), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False).flatten()
    for name, panel in zip(found, axes, strict=True):
        panel.set_title(name)
    return figure, dict(zip(found, axes, strict=True))


def _workers(found: _Found) -> Figure:
    figure, panels = _panels(found, 2, 3.2)
    for name, panel in panels.items():
        rates = {int(count): rate for count, rate in found[name]["rates"].items()}
        ideal = [min(count * rates[1], found[name]["most"]) for count in range(1, max(rates) + 1)]
        panel.plot(range(1, max(rates) + 1), ideal, "--", color=GREY, label="ideal")
        panel.plot(list(rates), list(rates.values()), "o-", color=BLUE, label="measured")
        panel.set(xlabel="worker processes", ylabel="rows a second", xticks=list(rates))
        panel.set_ylim(0, 1.1 * max(*ideal, *rates.values()))
        panel.yaxis.set_major_formatter(_THOUSANDS)
        panel.legend(loc="lower right")
    return figure


def _climbs(found: _Found) -> Figure:
    figure, panels = _panels(found, 2, 2.7)
    for name, panel in panels.items():
        tokens, requests = found[name]["best"]
        panel.set_title(f"{name}: best {tokens:,} tokens × {requests}")
        _curves(panel, found[name])
    figure.legend(*panel.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


_SIDES = {
    "best": ("the best fixed load", GREEN, "--"),
    "old": ("1,024 tokens × 4", ORANGE, ":"),
    "found": ("found by itself", BLUE, "-"),
}


def _curves(panel: Axes, found: _Found) -> None:
    """Over the texts so far, at the end of each whole chunk and of those before."""
    for side, (label, colour, line) in _SIDES.items():
        pairs = zip(found["texts"], found["seconds"][side], strict=True)
        rates = [texts / seconds for texts, seconds in pairs]
        panel.plot(found["texts"], rates, line, color=colour, label=label)
    panel.set(xlabel="texts so far", ylabel="texts a second, so far")
    panel.set_ylim(0)
    panel.set_xlim(0)
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_formatter(_THOUSANDS)


def _loads(found: _Found) -> Figure:
    figure, panels = _panels(found, 2, 2.6)
    for name, panel in panels.items():
        _grid(panel, found[name])
    return figure


def _grid(panel: Axes, found: _Found) -> None:
    """Each fixed load beside the best one, in percent."""
    rates = {(tokens, requests): rate for tokens, requests, rate in found["grid"]}
    sizes, numbers = (sorted(set(part)) for part in zip(*rates, strict=True))
    best = max(rates.values())
    shares = [[100 * rates[size, number] / best for number in numbers] for size in sizes]
    panel.imshow(shares, cmap="Blues", vmin=0, vmax=120, aspect="auto", origin="lower")
    for line, row in enumerate(shares):
        for column, share in enumerate(row):
            colour = "white" if share > 65 else "#303030"
            panel.text(column, line, f"{share:.0f}", ha="center", va="center", color=colour)
    panel.grid(visible=False)
    panel.set_xticks(range(len(numbers)), [str(number) for number in numbers])
    panel.set_yticks(range(len(sizes)), [f"{size:,}" for size in sizes])
    panel.set(xlabel="requests at once", ylabel="tokens a request")


def _memory(found: Mapping[str, float]) -> Figure:
    figure = Figure(figsize=(5, 2.6), layout="constrained")
    panel = figure.subplots()
    rows = [int(number) for number in found]
    panel.plot(rows, list(found.values()), "o-", color=BLUE)
    panel.set_xscale("log")
    panel.set_xticks(rows, [f"{number:,}" for number in rows])
    panel.xaxis.set_minor_locator(NullLocator())
    panel.set_ylim(0, 1.25 * max(found.values()))
    panel.set(xlabel="rows", ylabel="most memory of the process, MB")
    return figure
