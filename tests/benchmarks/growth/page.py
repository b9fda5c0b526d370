"""The figures of growth as tables of the README: between two comments each."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from lightclient.streams.load import MOST
from tests.benchmarks.figures import OURS
from tests.benchmarks.processes import HERE
from tests.benchmarks.table import machine_line

README = HERE / "README.md"
_ROWS = 1_000_000_000
_HOUR, _DAY = 3_600, 24
# Stated assumptions, of November 2026: dollars for an hour of a c7i.xlarge, whose four vCPUs are
# two cores, and for a gigabyte from one zone to another, which both sides pay.
_HOURLY, _GIGABYTE = 0.18, 0.02
# The requests that a worker has under way, and those that keep a server busy.
_UNDER_WAY, _OF_A_SERVER = MOST.requests, 2
_Report = Mapping[str, Any]


def publish() -> None:
    """Write what was measured last in place of the tables that stand in the README."""
    report, results = (
        json.loads((HERE / name).read_text(encoding="utf-8"))
        for name in ("growth.json", "results.json")
    )
    [model] = results["rows"]["model"]
    text = README.read_text(encoding="utf-8")
    text = replaced(text, "growth", render(report))
    text = replaced(text, "billion", billion(report, model["values"][OURS]))
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
    return "".join([*map(_table, tables), made, "\n"])


def _workers(found: _Report) -> Iterable[list[str]]:
    counts = list(next(iter(found.values()))["rates"])
    titles = [f"{count} workers" for count in counts[1:]]
    yield ["rows a second", "1 worker", *titles, "the server at most", "a row costs its worker"]
    for name, each in found.items():
        rates = [f"{rate:,.0f}" for rate in each["rates"].values()]
        cost = f"{each['processor_seconds'] * 1e6:.0f} µs of a core"
        yield [f"{name}: {each['server']}", *rates, f"{each['most']:,.0f}", cost]


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
    servers, cost, size = hours / _DAY, core_seconds(report), report["size"]
    sent, received = size["sent"], size["received"]
    gigabytes = _ROWS * (sent + received) / 1e9
    lines = {
        "hours of a server": (f"{rate:.1f} rows a second", f"{hours:,.0f} h"),
        "servers, if it takes a day": (f"{_DAY} h", f"{servers:,.0f}"),
        "workers that keep them busy": (
            f"{_UNDER_WAY} requests of each worker, {_OF_A_SERVER} for each server",
            f"{servers * _OF_A_SERVER / _UNDER_WAY:,.0f}",
        ),
        "hours of a worker's core": (
            f"{cost * 1e6:.0f} µs a row", f"{_ROWS * cost / _HOUR:,.0f} h"
        ),
        "network": (f"{sent} bytes there, {received} back", f"{gigabytes:,.0f} GB"),
        "price of the servers": (f"${_HOURLY} an hour", f"${hours * _HOURLY:,.0f}"),
        "price of the network": (f"${_GIGABYTE} a GB", f"${gigabytes * _GIGABYTE:,.2f}"),
    }  # fmt: skip
    head = ["a billion rows", "from", "gives"]
    return _table([head, *([name, *line] for name, line in lines.items())])


def core_seconds(report: _Report) -> float:
    """The seconds of a core that a row takes its worker: the most of all servers."""
    return max(float(each["processor_seconds"]) for each in report["workers"].values())


def _table(rows: Iterable[list[str]]) -> str:
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"
