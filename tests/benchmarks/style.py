"""How all pictures of the benchmarks look: readable on light and on dark pages."""

from collections.abc import Callable, Mapping
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

GREY, BLUE, ORANGE, GREEN = "#808080", "#3b82c4", "#d9822b", "#3a9a5b"
_STYLE = {
    "svg.hashsalt": "lightclient",  # the same figures give the same file
    "savefig.transparent": True,
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    **dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "axes.titlecolor", "xtick.color",
         "ytick.color", "grid.color"), GREY),
}  # fmt: skip


def draw(pictures: Mapping[str, Callable[[], Figure]], folder: Path) -> None:
    """Write an SVG for each picture, named after it."""
    folder.mkdir(exist_ok=True)
    with mpl.rc_context(_STYLE):
        for name, make in pictures.items():
            make().savefig(folder / f"{name}.svg", metadata={"Date": None})
