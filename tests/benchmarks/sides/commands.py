"""A side that stays warm: commands come in on standard input, measurements go out."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any


def setup() -> dict[str, Any]:
    """What the suite tells each side at its start: port, tokenizer, sentences."""
    return json.loads(sys.argv[1])


def answer_commands(*operations: Callable[..., Any]) -> None:
    """Run `{"run": NAME, …}`, one a line, until standard input ends."""
    by_name = {operation.__name__: operation for operation in operations}
    for line in sys.stdin:
        command = json.loads(line)
        print(json.dumps(by_name[command.pop("run")](**command)), flush=True)


def timed(call: Callable[[], Any], calls: int) -> list[float]:
    """The seconds of each of some calls."""
    seconds = []
    for _ in range(calls):
        begun = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begun)
    return seconds


def spent(work: Callable[[], Any]) -> dict[str, float]:
    """Seconds on the clock, and of all threads on the processors."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
