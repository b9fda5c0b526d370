"""Measure how lightclient grows: `python -m tests.benchmarks.growth`, from the checkout."""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.environments import Environments, machine
from tests.benchmarks.growth import page
from tests.benchmarks.growth.climbs import climbs
from tests.benchmarks.growth.memory import memory, size
from tests.benchmarks.growth.workers import workers
from tests.benchmarks.processes import HERE
from tests.benchmarks.session import Session

RESULTS, PLOTS = HERE / "growth.json", HERE / "plots"
PARTS: dict[str, Callable[[Session], Any]] = {
    "workers": workers,
    "climbs": climbs,
    "memory": memory,
    "size": size,
}
_BUSY = 0.5
_TEXT = """\
Measures streams: over the number of workers, over what `classify_many` finds out by itself, and
over the number of rows. Writes growth.json, the plots, and the tables of the README beside it.
Needs the package index, and the extra `bench` for the plots.
"""


def main(
    arguments: Sequence[str] | None = None, results: Path = RESULTS, plots: Path = PLOTS
) -> None:
    """Measure, write and draw; or draw what was measured before."""
    options = _options(arguments)
    if not options.draw:
        report = _measured(options)
        results.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")
    report = json.loads(results.read_text(encoding="utf-8"))
    if plots == PLOTS:
        page.publish()
    from tests.benchmarks.growth.plots import draw  # it needs matplotlib

    draw(report, plots)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.growth", description=_TEXT)
    add = parser.add_argument
    add("--draw", action="store_true", help="only draw what growth.json has")
    add("--python", metavar="PYTHON", help="an interpreter that has lightclient: to try the suite")
    add("--quick", action="store_true", help="as little as shows that it runs")
    return parser.parse_args(arguments)


def _measured(options: argparse.Namespace) -> dict[str, Any]:
    if (load := os.getloadavg()[0]) > _BUSY:
        print(f"the machine is busy (load {load:.1f}): wait for a quiet moment", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        pythons = {"client": options.python} if options.python else None
        environments = Environments(Path(folder), pythons)
        session = Session(environments, Path(folder), options.quick)
        found = {name: _part(name, session) for name in PARTS}
        return {
            "command": "python -m tests.benchmarks.growth",
            "machine": machine(environments),
            **found,
        }


def _part(name: str, session: Session) -> Any:
    begun = time.monotonic()
    print(f"{name} …", file=sys.stderr)
    found = PARTS[name](session)
    print(f"{name}: {time.monotonic() - begun:.0f} s", file=sys.stderr)
    return found


if __name__ == "__main__":
    main()
