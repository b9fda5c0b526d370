"""Measure lightclient: `python -m tests.benchmarks`, from the checkout."""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.environments import Environments
from tests.benchmarks.rows import ROWS
from tests.benchmarks.session import Session
from tests.benchmarks.table import render

RESULTS = Path(__file__).parent / "results.json"
_BUSY = 0.5
_TEXT = """\
Measures lightclient against the shortest plain script on the same packages (floor) and against the
article's client, interleaved, in environments and processes of their own; prints the table of the
README and writes it as JSON. Needs the package index; the row `real` needs 2.3 GB for TensorFlow.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the rows that are asked for; the others of the JSON file stay as they are."""
    options = _options(arguments)
    if (load := os.getloadavg()[0]) > _BUSY:
        print(f"the machine is busy (load {load:.1f}): wait for a quiet moment", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        environments = Environments(options.environments or work, options.client)
        session = Session(environments, work, options.quick)
        rows = {name: _row(name, session) for name in ROWS if name in options.rows}
        results = _results(options.json, rows, environments)
    options.json.write_text(
        json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    print(render(results))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=_TEXT)
    add = parser.add_argument
    add("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="NAME",
        help=f"some of {', '.join(ROWS)}; default: all")  # fmt: skip
    add("--environments", type=Path, metavar="DIR",
        help="keep the virtual environments there; default: removed at the end")  # fmt: skip
    add("--json", type=Path, default=RESULTS, metavar="FILE",
        help="default: results.json beside the suite")  # fmt: skip
    add("--quick", action="store_true", help="as little as can be, to see that it runs")
    add("--client", metavar="PYTHON",
        help="a Python that has lightclient, instead of an environment made for it: to try the "
        "suite, not to measure")  # fmt: skip
    return parser.parse_args(arguments)


def _row(name: str, session: Session) -> dict[str, Any]:
    begun = time.monotonic()
    print(f"{name} …", end=" ", file=sys.stderr, flush=True)
    row = ROWS[name](session).as_json()
    print(f"{time.monotonic() - begun:.0f} s", file=sys.stderr)
    return row


def _results(path: Path, rows: dict[str, Any], environments: Environments) -> dict[str, Any]:
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known = before.get("rows", {}) | rows
    packages = before.get("machine", {}).get("packages", {}) | environments.versions()
    return {
        "command": "python -m tests.benchmarks",
        "machine": {
            "cores": os.cpu_count(),
            "system": f"{platform.machine()} {platform.system()}",
            "python": platform.python_version(),
            "packages": packages,
        },
        "rows": {name: known[name] for name in ROWS if name in known},
    }


if __name__ == "__main__":
    main()
