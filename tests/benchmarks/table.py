"""The results as the README's table."""

from collections.abc import Iterator, Mapping
from typing import Any

_HEAD = ["row", "us", "compared with", "figure", "quartiles", "must", "reached"]
_REACHED = {True: "yes", False: "no", None: ""}


def render(results: Mapping[str, Any]) -> str:
    """Markdown: what was measured, on what, and with which command."""
    lines = [_HEAD, ["---"] * len(_HEAD)]
    for row in results["rows"].values():
        lines += [_cells(row, figure, at) for at, figure in enumerate(row["figures"])]
    table = "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
    return f"{table}\n\n{_machine(results['machine'])} Made by `{results['command']}`."


def _cells(row: Mapping[str, Any], figure: Mapping[str, Any], at: int) -> list[str]:
    return [
        row["title"] if at == 0 else "",
        _median(row, next(iter(row["sides"]))) if at == 0 and row["sides"] else "",
        _compared(row, figure),
        f"{_number(figure['median'])} {figure['unit']}",
        _quartiles(figure),
        _target(figure["target"]),
        _REACHED[figure["reached"]],
    ]


def _compared(row: Mapping[str, Any], figure: Mapping[str, Any]) -> str:
    """What is set against what, with the medians of the sides that are not ours."""
    others = [side for side in list(row["sides"])[1:] if side in figure["what"]]
    medians = ", ".join(f"{side}: {_median(row, side)}" for side in others)
    return f"{figure['what']} ({medians})" if medians else figure["what"]


def _median(row: Mapping[str, Any], side: str) -> str:
    return f"{_number(row['sides'][side]['median'])} {row['unit']}"


def _quartiles(figure: Mapping[str, Any]) -> str:
    if figure["low"] == figure["high"]:
        return ""
    return f"{_number(figure['low'])} – {_number(figure['high'])}"


def _target(target: Mapping[str, Any] | None) -> str:
    return f"{target['sign']} {target['must']:g}" if target and target["must"] is not None else ""


def _number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _machine(machine: Mapping[str, Any]) -> str:
    return (
        f"Medians; measured on {machine['cores']} cores, {machine['system']}, Python "
        f"{machine['python']}; {'; '.join(_packages(machine['packages']))}."
    )


def _packages(environments: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for name, packages in environments.items():
        yield f"{name}: " + ", ".join(f"{key} {version}" for key, version in packages.items())
