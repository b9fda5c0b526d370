"""The results as the tables of the two READMEs."""

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import ARTICLE, OURS, PLAIN, decimals

_COLUMNS = [PLAIN, ARTICLE]  # the other sides have a column together
_HEAD = ["", OURS, *_COLUMNS, "other"]
_MARKS = {True: " ✓", False: " ✗"}
# The README shows these rows, the one beside this module shows all of them.
IN_SHORT = ("cold", "lambda", "short", "model")
_HERE = Path(__file__).parent
FILES = {
    _HERE / "README.md": None,
    _HERE.parent.parent / "README.md": IN_SHORT,
}


def publish(results: Mapping[str, Any]) -> None:
    """Write the tables into the files, in place of those that stand there."""
    for path, names in FILES.items():
        text = path.read_text(encoding="utf-8")
        before, begun, rest = text.partition(_line(_HEAD))
        _, ended, after = rest.partition(_end(results))
        if not begun or not ended:
            raise ValueError(f"{path} has no table of results to replace")
        path.write_text(before + render(results, names) + after, encoding="utf-8")


def render(results: Mapping[str, Any], names: Collection[str] | None = None) -> str:
    """Markdown: what was measured, on what, and with which command.

    Args:
        results: the content of results.json.
        names: of the rows to show, without what they must reach; None: all rows, with it.
    """
    shown = [rows for name, rows in results["rows"].items() if names is None or name in names]
    lines = [_cells(row, _must if names is None else _nothing) for rows in shown for row in rows]
    table = "\n".join(map(_line, [_HEAD, ["---"] * len(_HEAD), *lines]))
    machine = results["machine"] | ({"packages": {}} if names else {})
    return f"{table}\n\n{machine_line(machine)} {_end(results)}"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _end(results: Mapping[str, Any]) -> str:
    return f"Made by `{results['command']}`."


def _cells(row: Mapping[str, Any], must: Callable[[Mapping[str, Any]], str]) -> list[str]:
    cells = {"title": row["title"], OURS: "", **dict.fromkeys(_COLUMNS, "")}
    cells[OURS] = _value(row, OURS) + must(row)
    others = []
    for comparison in row["comparisons"]:
        other, text = comparison["other"], _comparison(row, comparison) + must(comparison)
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


def _nothing(_: Mapping[str, Any]) -> str:
    return ""


def machine_line(machine: Mapping[str, Any]) -> str:
    """What was measured on, as a sentence."""
    named = "; ".join([f"Python {machine['python']}", *_packages(machine["packages"])])
    return f"Measured on {machine['cores']} cores, {machine['system']}, {named}."


def _packages(environments: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for name, packages in environments.items():
        yield f"{name}: " + ", ".join(f"{key} {version}" for key, version in packages.items())
