"""The results as the README's table."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.benchmarks.figures import OURS, decimals

_COLUMNS = ["plain script", "article"]  # the other sides have a column together
_MARKS = {True: " ✓", False: " ✗"}


def render(results: Mapping[str, Any]) -> str:
    """Markdown: what was measured, on what, and with which command."""
    head = ["", OURS, *_COLUMNS, "other"]
    rows = [_cells(row) for rows in results["rows"].values() for row in rows]
    lines = ["| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *rows]]
    table = "\n".join(lines)
    return f"{table}\n\n{_machine(results['machine'])} Made by `{results['command']}`."


def _cells(row: Mapping[str, Any]) -> list[str]:
    cells = {"title": row["title"], OURS: "", **dict.fromkeys(_COLUMNS, "")}
    cells[OURS] = _value(row, OURS) + _must(row)
    others = []
    for comparison in row["comparisons"]:
        other, text = comparison["other"], _comparison(row, comparison)
        if other in cells:
            cells[other] = text
        else:
            others.append(f"{other}: {text}")
    return [*cells.values(), "<br>".join(others)]


def _comparison(row: Mapping[str, Any], comparison: Mapping[str, Any]) -> str:
    """What gives lightclient's value, like `190 ms ÷ 5.6 ± 0.2`."""
    how, value = comparison["how"], _value(row, comparison["other"])
    figure, margin = (
        f"{comparison[key]:.{comparison['decimals']}f}" for key in ("figure", "margin")
    )
    figure = f"{figure} ± {margin}"
    term = f"{figure} × {value}" if how == "×" else f"{value} {how} {figure}"
    return term.replace("+ -", "− ") + _must(comparison)


def _value(row: Mapping[str, Any], side: str) -> str:
    value = row["values"][side]
    return f"{value:,.{decimals(value)}f} {row['unit']}"


def _must(figure: Mapping[str, Any]) -> str:
    return f" ({figure['must']}{_MARKS[figure['reached']]})" if figure["must"] else ""


def _machine(machine: Mapping[str, Any]) -> str:
    return (
        f"Measured on {machine['cores']} cores, {machine['system']}, Python {machine['python']}; "
        f"{'; '.join(_packages(machine['packages']))}."
    )


def _packages(environments: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for name, packages in environments.items():
        yield f"{name}: " + ", ".join(f"{key} {version}" for key, version in packages.items())
