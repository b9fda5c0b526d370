"""Fuzz with coverage: python -m tests.fuzz [TARGET] [--seconds N]

Goes on after a finding; each kind of finding is kept once, as a file, and printed. A file replays
with --replay, and belongs into tests/fuzz/found as TARGET-WORDS once its defect is mended.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

NAMES = ("texts", "reply", "http", "metadata", "bundle", "carried", "settings", "files")
HOME = Path(tempfile.gettempdir()) / "lightclient-fuzz"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", nargs="?", choices=[*NAMES, "all"], default="all")
    parser.add_argument("--seconds", type=int, default=60, help="for each target; default: 60")
    parser.add_argument("--home", type=Path, default=HOME, help="corpus and findings: %(default)s")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run TARGET on this file")
    arguments = parser.parse_args()
    if arguments.replay:
        from tests.fuzz.targets import TARGETS

        TARGETS[arguments.target](arguments.replay.read_bytes())
        return 0
    try:
        import atheris  # noqa: F401
    except ImportError:
        parser.exit(2, "the fuzzer is not installed here: pip install atheris\n")
    names = NAMES if arguments.target == "all" else [arguments.target]
    return max([_run(name, arguments.seconds, arguments.home) for name in names])


def _run(name: str, seconds: int, home: Path) -> int:
    """Each target in a process of its own, which libFuzzer ends in its own way."""
    found = home / "found"
    found.mkdir(parents=True, exist_ok=True)
    before = set(found.iterdir())
    command = [sys.executable, "-m", "tests.fuzz.child", name, str(seconds), str(home)]
    status = subprocess.run(command, env={**os.environ, "RUST_BACKTRACE": "0"}).returncode
    new = sorted(set(found.iterdir()) - before)
    print(f"{name}: {len(new)} findings, status {status}", *new, sep="\n  ", flush=True)
    return 1 if new or status else 0


def keep(name: str, data: bytes, error: BaseException, home: Path, seen: set[object]) -> None:
    """Write a finding down, unless one like it is there."""
    # A check of an error's message fails within the handling of that error.
    frames = traceback.extract_tb((error.__context__ or error).__traceback__)
    ours = [frame for frame in frames if "lightclient/" in frame.filename] or list(frames)
    kind = (type(error).__name__, ours[-1].filename, ours[-1].lineno)
    if kind in seen:
        return
    seen.add(kind)
    path = home / "found" / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    print(f"\n=== {path}", "".join(traceback.format_exception(error)), sep="\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
