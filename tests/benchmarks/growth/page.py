"""The figures of growth as tables of the README: between two comments each."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tests.benchmarks.processes import HERE
from tests.benchmarks.table import machine_line

README = HERE / "README.md"
_ROWS = 1_000_000_000
_HOUR, _DAY = 3_600, 86_400
# Stated assumptions, of November 2026: dollars for an hour of a c7i.xlarge, whose four vCPUs are
# two cores, and for a gigabyte from one zone to another, which both sides pay.
_HOURLY, _GIGABYTE = 0.18, 0.02
_UNDER_WAY = 16  # requests of a worker at most
_Report = Mapping[str, Any]


def publish(report: _Report) -> None:
    """Write the tables in place of those that stand in the README."""
    results = json.loads((HERE / "results.json").read_text(encoding="utf-8"))
    [model] = results["rows"]["model"]
    text = README.read_text(encoding="utf-8")
    text = replaced(text, "growth", render(report))
    text = replaced(text, "billion", billion(report, model["values"]["lightclient"]))
    README.write_text(text, encoding="utf-8")


def replaced(text: str, name: str, content: str) -> str:
    """The text with other content between the comments `NAME` and `end of NAME`."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before, begun, rest = text.partition(begin)
    _, ended, after = rest.partition(end)
    if not begun or not ended:
        raise ValueError(f"there is no part {name!r} to replace")
    return f"{before}{begin}{content}{end}{after}"


def render(report: _Report) -> str:
    """Markdown: workers, climbs and memory, and what they were measured on."""
    tables = _workers(report["workers"]), _climbs(report["climbs"]), _memory(report["memory"])
    made = f"{machine_line(report['machine'])} Made by `{report['command']}`."
    return "\n".join([*map(_table, tables), made, ""])


def _workers(found: _Report) -> Iterable[list[str]]:
    counts = list(next(iter(found.values()))["rates"])
    titles = [f"{count} workers" for count in counts[1:]]
    yield ["rows a second", "1 worker", *titles, "the server at most"]
    for name, each in found.items():
        rates = [f"{rate:,.0f}" for rate in each["rates"].values()]
        yield [f"{name}: {each['server']}", *rates, f"{each['most']:,.0f}"]


def _climbs(found: _Report) -> Iterable[list[str]]:
    yield ["texts a second, from 5,000 to 10,000", "found by itself", "best fixed load",
           "1,024 tokens × 4", "found beside best (≥ 0.95)"]  # fmt: skip
    for name, each in found.items():
        rates = {side: f"{rate:,.0f}" for side, rate in each["rates"].items()}
        tokens, requests = each["best"]
        best = f"{rates['best']} with {tokens:,} tokens × {requests}"
        found_beside_best = each["rates"]["found"] / each["rates"]["best"]
        mark = "✓" if round(found_beside_best, 2) >= 0.95 else "✗"
        yield [f"{name}: {each['server']}", rates["found"], best, rates["old"],
               f"{found_beside_best:.2f} {mark}"]  # fmt: skip


def _memory(found: Mapping[str, float]) -> Iterable[list[str]]:
    yield ["", *(f"{int(rows):,} rows" for rows in found)]
    yield ["most memory of the process", *(f"{megabytes:.1f} MB" for megabytes in found.values())]


def billion(report: _Report, rate: float) -> str:
    """Markdown: what a billion rows take.

    Args:
        report: the content of growth.json.
        rate: the texts a second of a server of two cores.
    """
    hours = _ROWS / rate / _HOUR
    servers = hours * _HOUR / _DAY
    cost = statistics_of_workers(report)
    gigabytes = {way: _ROWS * size / 1e9 for way, size in report["size"].items()}
    both = sum(gigabytes.values())
    rows = [
        ["a billion rows", "from", "gives"],
        ["servers", f"{rate:.1f} rows a second each", f"{hours:,.0f} hours of one, or {servers:,.0f} for a day"],
        ["workers", f"{cost * 1e6:.0f} µs of a core for a row", f"{_ROWS * cost / _HOUR:,.0f} hours of a core"],
        ["network", " and ".join(f"{size} B {way}" for way, size in report["size"].items()), f"{both:,.0f} GB"],
        ["money for servers", f"${_HOURLY} an hour", f"${hours * _HOURLY:,.0f}"],
        ["money for the network", f"${_GIGABYTE} a GB between zones", f"${both * _GIGABYTE:,.0f}"],
    ]
    return _table(rows)


def statistics_of_workers(report: _Report) -> float:
    """The seconds of a core that a row takes its worker: the most of all servers."""
    return max(float(each["processor_seconds"]) for each in report["workers"].values())


def _table(rows: Iterable[list[str]]) -> str:
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
