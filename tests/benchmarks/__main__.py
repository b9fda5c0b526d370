"""Measure lightclient: `python -m tests.benchmarks`, from the checkout."""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.benchmarks.environments import Environments, machine
from tests.benchmarks.figures import Row
from tests.benchmarks.growth import page
from tests.benchmarks.processes import HERE
from tests.benchmarks.rows import ROWS
from tests.benchmarks.session import Session
from tests.benchmarks.table import publish, render

RESULTS, PLOTS = HERE / "results.json", HERE / "plots"
_BUSY = 0.5
_TEXT = """\
Measures lightclient beside a plain script on the same packages and beside the article's client, in
environments and processes of their own, and prints a table. Without a ROW it measures all of them
and writes results.json, the table beside this module, the figures of the README, and the pictures,
if matplotlib is there (the extra `bench`). Needs the package index; the rows `model` and
`zero-shot` need 2.3 GB for TensorFlow.
"""
_Measure = Callable[[Session], list[Row]]


def main(
    arguments: Sequence[str] | None = None,
    rows: Mapping[str, _Measure] = ROWS,
    results: Path = RESULTS,
    plots: Path = PLOTS,
) -> None:
    """Measure and print; only a run of all rows writes `results`, and what is made of them."""
    options = _options(arguments, rows)
    if not options.draw:
        report = _measured(options, rows)
        print(render(report))
        if options.rows:
            return
        text = json.dumps(report, indent=1, ensure_ascii=False)
        results.write_text(text + "\n", encoding="utf-8")
    _publish(results, plots)


def _measured(options: argparse.Namespace, rows: Mapping[str, _Measure]) -> dict[str, Any]:
    if (load := os.getloadavg()[0]) > _BUSY:
        print(f"the machine is busy (load {load:.1f}): wait for a quiet moment", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        environments = Environments(options.environments or work, dict(options.python))
        session = Session(environments, work, options.quick)
        found = {name: _measure(name, rows[name], session) for name in options.rows or rows}
        return _report(found, environments)


def _publish(results: Path, plots: Path) -> None:
    """Write the tables and the pictures."""
    report = json.loads(results.read_text(encoding="utf-8"))
    if results == RESULTS:
        publish(report)
        page.publish()  # it has the rate of a row
    if find_spec("matplotlib") is None:
        print("no pictures: they need matplotlib (the extra `bench`)", file=sys.stderr)
        return
    from tests.benchmarks.pictures import draw

    draw(report, plots)


def _options(arguments: Sequence[str] | None, rows: Mapping[str, _Measure]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=_TEXT)
    add = parser.add_argument
    add("rows", nargs="*", metavar="ROW", help=f"one of {', '.join(rows)}")
    add("--environments", type=Path, metavar="DIR",
        help="keep the virtual environments there; default: removed at the end")  # fmt: skip
    add("--python", action="append", default=[], type=_named, metavar="ENVIRONMENT=PYTHON",
        help="an interpreter to use instead of making that environment (client, client-1.0, "
        "article, server): to try the suite, not to publish")  # fmt: skip
    add("--quick", action="store_true", help="as little as shows that the rows run")
    add("--draw", action="store_true",
        help="measure nothing; write the tables and pictures of results.json anew")  # fmt: skip
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.rows if name not in rows]:
        parser.error(f"no such row: {', '.join(unknown)}; there are {', '.join(rows)}")
    return options


def _named(option: str) -> tuple[str, str]:
    name, _, python = option.partition("=")
    return name, python


def _measure(name: str, measure: _Measure, session: Session) -> list[dict[str, Any]]:
    begun = time.monotonic()
    print(f"{name} …", file=sys.stderr)
    rows = [row.as_json() for row in measure(session)]
    print(f"{name}: {time.monotonic() - begun:.0f} s", file=sys.stderr)
    return rows


def _report(rows: Mapping[str, Any], environments: Environments) -> dict[str, Any]:
    return {
        "command": "python -m tests.benchmarks",
        "machine": machine(environments),
        "rows": rows,
    }


if __name__ == "__main__":
    main()
