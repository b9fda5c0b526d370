"""The results as the table of the page beside this module, and in short in the README."""

import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import ARTICLE, OURS, PLAIN, decimals

_COLUMNS = [PLAIN, ARTICLE]  # the other sides have a column together
_HEAD = ["", OURS, *_COLUMNS, "other"]
_NO_PACKAGES: dict[str, Any] = {"packages": {}}
_MARKS = {True: " ✓", False: " ✗"}
_HERE = Path(__file__).parent
TABLE, README = _HERE / "README.md", _HERE.parent.parent / "README.md"
_BEGIN, _END = "<!-- figures -->\n", "<!-- end of figures -->"


def publish(results: Mapping[str, Any], table: Path = TABLE, readme: Path = README) -> None:
    """Write the table and the sentences, in place of those that stand in these files."""
    _replace(table, _line(_HEAD), _end(results), render(results))
    _replace(readme, _BEGIN, _END, _BEGIN + in_short(results) + _END)


def _replace(path: Path, first: str, last: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    before, begun, rest = text.partition(first)
    _, ended, after = rest.partition(last)
    if not begun or not ended:
        raise ValueError(f"{path} has no results to replace")
    path.write_text(before + new + after, encoding="utf-8")


def render(results: Mapping[str, Any]) -> str:
    """The table of all rows in Markdown, on what they were measured, and with which command."""
    lines = [_cells(row) for rows in results["rows"].values() for row in rows]
    table = "\n".join(map(_line, [_HEAD, ["---"] * len(_HEAD), *lines]))
    return f"{table}\n\n{machine_line(results['machine'])} {_end(results)}"


def in_short(results: Mapping[str, Any]) -> str:
    """The figures that the README tells, as sentences."""
    told = {name: results["rows"][name][0] for name in ("cold", "model")}

    def value(name: str, side: str) -> str:
        return _value(told[name], side)

    sides = OURS, ARTICLE, "the model alone"
    model, loop, alone = (value("model", side).split()[0] for side in sides)
    text = (
        f"A cold start takes {value('cold', OURS)}, a plain script on the same packages "
        f"{value('cold', PLAIN)}, and {ARTICLE} {value('cold', ARTICLE)}. With a DistilBERT behind "
        f"`lightclient serve`, `classify_many` answers {model} texts a second, {ARTICLE} {loop}, "
        f"and the model alone reaches {alone}. {machine_line(results['machine'] | _NO_PACKAGES)} "
        f"{_end(results)}"
    )
    return textwrap.fill(text, 120, break_on_hyphens=False) + "\n"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _end(results: Mapping[str, Any]) -> str:
    return f"Made by `{results['command']}`."


def _cells(row: Mapping[str, Any]) -> list[str]:
    cells = {"title": row["title"], OURS: "", **dict.fromkeys(_COLUMNS, "")}
    cells[OURS] = _value(row, OURS) + _must(row)
    others = []
    for comparison in row["comparisons"]:
        other, text = comparison["other"], _comparison(row, comparison) + _must(comparison)
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
    return term.replace("+ -", "− ")


def _value(row: Mapping[str, Any], side: str) -> str:
    value = row["values"][side]
    return f"{value:,.{decimals(value)}f} {row['unit']}"


def _must(figure: Mapping[str, Any]) -> str:
    return f" ({figure['must']}{_MARKS[figure['reached']]})" if figure["must"] else ""


def machine_line(machine: Mapping[str, Any]) -> str:
    """What was measured on, as a sentence."""
    named = "; ".join([f"Python {machine['python']}", *_packages(machine["packages"])])
    return f"Measured on {machine['cores']} cores, {machine['system']}, {named}."


def _packages(environments: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for name, packages in environments.items():
        yield f"{name}: " + ", ".join(f"{key} {version}" for key, version in packages.items())
