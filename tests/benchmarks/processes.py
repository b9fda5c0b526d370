"""The programs that the suite starts: all of them end with it."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
# No PYTHON… variable reaches a program (-E), above all not the one that stops byte code.
ISOLATED = ("-E", "-s")


def script(python: str, name: str, *arguments: str | Path) -> list[str | Path]:
    """The command that runs a program of this folder."""
    return [python, *ISOLATED, HERE / name, *arguments]


def clean_environment() -> dict[str, str]:
    """The environment of each program: no proxies, no look-ups at a hub, no settings of ours."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and not name.startswith("LIGHTCLIENT_")
    }
    return kept | {"HF_HUB_OFFLINE": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}


class Program:
    """A process that is spoken to line by line, and ends when its standard input does."""

    def __init__(self, command: Sequence[str | Path]) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=clean_environment(),
        )

    def read(self) -> str:
        """The next line of its output."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            said = self._said()
            self.close()
            raise RuntimeError(f"{self._process.args} ended:\n{said}")
        return line

    def ask(self, run: str, **arguments: Any) -> Any:
        """What one of its operations measures (sides/commands.py)."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"run": run, **arguments}) + "\n")
        self._process.stdin.flush()
        return json.loads(self.read())

    def _said(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")[-4000:]

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it; a second time does nothing."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.terminate()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
        self._errors.close()


class Server(Program):
    """A server program; `port` is the one it took."""

    def __init__(self, *options: str) -> None:
        super().__init__(script(sys.executable, "servers.py", *options))
        self.port = int(self.read())


class Start(NamedTuple):
    """A program's first line, the seconds until it came, and the most memory it had, in bytes.

    `marks`: the seconds from the start until each time of the clock that its second line tells.
    """

    line: str
    seconds: float
    peak: int
    marks: tuple[float, ...]


def start(command: Sequence[str | Path]) -> Start:
    """Run a program to its end."""
    begun = time.monotonic()  # all processes share this clock
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, env=clean_environment()
        ) as process,
    ):
        assert process.stdout
        line = process.stdout.readline().decode().strip()
        seconds = time.monotonic() - begun
        marks = tuple(float(mark) - begun for mark in process.stdout.readline().split())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode or not line:
            errors.seek(0)
            raise RuntimeError(f"{command} failed:\n{errors.read().decode(errors='replace')}")
    return Start(line, seconds, usage.ru_maxrss * 1024, marks)
