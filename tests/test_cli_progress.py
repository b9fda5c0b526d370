"""What `lightclient classify` shows on stderr while it runs, and at its end."""

import io
import logging
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightclient.cli import main
from lightclient.cli.progress import ON_TERMINAL, Console, Log, Progress, handling
from lightclient.cli.rows import Row, read_rows, read_texts
from lightclient.cli.tally import Tally
from lightclient.standin import ServedModel, StandIn
from lightclient.standin.models import classifier as behind_usual_signature

WAIT = 60.0
ROW = Row("line 1", "good", "", ("text",))
GAP = Row("line 2", None, "is empty", ("text",))


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def add(tally: Tally, row: Row, count: int, **options: Any) -> None:
    for _ in range(count):
        tally.add(row, **options)


def test_a_line_a_minute_elsewhere() -> None:
    out, clock, tally = io.StringIO(), Clock(), Tally()
    source = read_texts(["text"] * 5000)
    progress = Progress(tally, source, Console(out), on_terminal=False, clock=clock)
    for clock.seconds in range(0, 60, 5):
        progress.look()
    assert out.getvalue() == ""
    add(tally, ROW, 1198)
    add(tally, GAP, 1)
    add(tally, ROW, 1, error="InputError: refused")
    for clock.seconds in range(60, 121, 5):
        progress.look()
    assert out.getvalue() == (
        "lightclient: 1,200 of 5,000 rows, 20 a second, 3 min left, 1 without a text, "
        "1 with an error\n"
        "lightclient: 1,200 of 5,000 rows, 10 a second, 6 min left, no answer for 60 s, "
        "1 without a text, 1 with an error\n"
    )


def test_a_line_that_is_drawn_again_on_a_terminal() -> None:
    out, clock, tally = io.StringIO(), Clock(), Tally()
    console = Console(out)
    progress = Progress(tally, read_texts(["text"] * 4), console, on_terminal=True, clock=clock)
    clock.seconds = 0.1
    progress.look()
    assert out.getvalue() == ""
    clock.seconds = 4
    progress.look()
    add(tally, ROW, 1)
    progress.look()  # too soon
    assert out.getvalue() == "\r0 of 4 rows, no answer for 4 s"
    clock.seconds = 5
    progress.look()
    assert out.getvalue().endswith("\r1 of 4 rows, 0.2 a second, 15 s left")
    add(tally, ROW, 3)
    clock.seconds = 4000
    progress.look()
    assert out.getvalue().endswith(f"\r{'4 of 4 rows, 0.0 a second':<36}")
    console.say("a notice")
    assert out.getvalue().endswith(f"\r{' ' * 25}\rlightclient: a notice\n")
    console.clear()
    assert out.getvalue().endswith("a notice\n")


def test_the_time_left_is_told_once_the_speed_says_something() -> None:
    out, clock, tally = io.StringIO(), Clock(), Tally()
    source = read_texts(["text"] * 1000)
    progress = Progress(tally, source, Console(out), on_terminal=True, clock=clock)
    for clock.seconds, rows in ((1.0, 63), (1.5, 1), (2.5, 0), (5.0, 0)):
        add(tally, ROW, rows)
        progress.look()
    assert [line.strip() for line in out.getvalue().split("\r")[1:]] == [
        "63 of 1,000 rows, 63 a second",
        "64 of 1,000 rows, 43 a second, 22 s left",
        "64 of 1,000 rows, 26 a second, 37 s left",
        "64 of 1,000 rows, 13 a second, 73 s left, no answer for 4 s",
    ]


def test_rows_of_an_earlier_run_do_not_count_for_the_speed() -> None:
    out, clock, tally = io.StringIO(), Clock(), Tally()
    source = read_texts(["text"] * 100_000)
    progress = Progress(tally, source, Console(out), on_terminal=False, clock=clock)
    add(tally, ROW, 1000)
    tally.begun = 1000
    clock.seconds = 60
    progress.look()
    add(tally, ROW, 60)
    clock.seconds = 120
    progress.look()
    assert out.getvalue() == (
        "lightclient: 1,000 of 100,000 rows\n"
        "lightclient: 1,060 of 100,000 rows, 1.0 a second, 27 h 29 min left\n"
    )


def test_the_number_of_rows_is_estimated(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_text("text\n" * 1000)
    with path.open("rb") as stream:
        source = read_rows(stream, "rows", "txt")
        assert source.total() is None
        for _ in range(10):
            next(source)
        assert source.total() == (1000, False)
    assert read_rows(io.BytesIO(b"text\n"), "stdin", "txt").total() is None
    assert read_texts(["a", "b"]).total() == (2, True)


def model(inputs: dict[str, Any]) -> dict[str, Any]:
    logging.getLogger("lightclient").debug("a request of %d rows", len(inputs["input_ids"]))
    return {"logits": np.array([[2.0, -2.0]] * len(inputs["input_ids"]), dtype=np.float32)}


def carrying(run: Callable[..., Any]) -> ServedModel:
    return behind_usual_signature(run).with_bundle()


class Gate:
    """A model that answers once it is opened."""

    def __init__(self) -> None:
        self.opened = threading.Event()

    def __call__(self, inputs: dict[str, Any]) -> dict[str, Any]:
        self.opened.wait(WAIT)
        return model(inputs)


@contextmanager
def gated() -> Iterator[tuple[Gate, str]]:
    gate = Gate()
    with StandIn(carrying(gate)) as url:
        try:
            yield gate, url
        finally:
            gate.opened.set()


@contextmanager
def on_a_terminal(
    *line: object, stdout: int | None = subprocess.PIPE
) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """`classify` with a terminal of 60 columns as its stderr; None: as its stdout as well."""
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "lightclient", "classify", *map(str, line)],
        stdin=subprocess.DEVNULL,
        stdout=slave if stdout is None else stdout,
        stderr=slave,
        start_new_session=True,
    ) as client:
        os.close(slave)
        try:
            yield client, master
        finally:
            os.close(master)


def read_until(master: int, words: bytes) -> bytes:
    """What the terminal gets, until these words are there, or all if they never come."""
    found = b""
    while words not in found:
        try:
            piece = os.read(master, 4096)
        except OSError:  # nobody writes any more
            break
        found += piece
    return found


def test_the_line_on_a_terminal() -> None:
    with gated() as (gate, url), on_a_terminal("--url", url, "one", "two", "") as (client, master):
        assert b"\r0 of 3 rows" in read_until(master, b"rows")
        gate.opened.set()
        rest = read_until(master, b"never")
        out, _ = client.communicate(timeout=WAIT)
    assert out.count(b"\n") == 3
    line, notice, end = rest.rsplit(b"\r\n", 1)[0].rpartition(b"\rlightclient: ")
    assert line.endswith(b" " * 11)  # the line is gone
    assert end == b"1 row has no text and got no answer; text 3 is empty"
    assert notice


def test_what_verbose_shows_does_not_garble_the_line_on_a_terminal() -> None:
    with gated() as (gate, url), on_a_terminal("-v", "--url", url, "one") as (client, master):
        begin = read_until(master, b"0 of 1 rows")
        gate.opened.set()
        rest = read_until(master, b"never")
        client.wait(WAIT)
    assert client.returncode == 0
    shown = (begin + rest).replace(b"\r\n", b"\n")
    drawn = [part for part in re.split(rb"[\r\n]", shown) if part.strip()]
    assert {part for part in drawn if not part.startswith(b"lightclient: ")} == {b"0 of 1 rows"}
    # Where the line was drawn, it is gone before the record comes.
    assert re.search(rb"0 of 1 rows\r {11}\rlightclient: POST \S+ status=200 .*\n", shown)


@pytest.mark.parametrize("options", [("--quiet",), ()])
def test_no_line_on_a_terminal(options: tuple[str, ...]) -> None:
    """With --quiet, or where the rows come to the same terminal."""

    def slow(inputs: dict[str, Any]) -> dict[str, Any]:
        threading.Event().wait(3 * ON_TERMINAL)  # there would be time enough for the line
        return model(inputs)

    stdout = subprocess.PIPE if options else None
    with StandIn(carrying(slow)) as url:
        line = ("--url", url, *options, "one", "two")
        with on_a_terminal(*line, stdout=stdout) as (_, master):
            found = read_until(master, b"never")
    assert b"rows" not in found
    assert found.count(b"\n") == (0 if options else 2)


def test_an_interrupt_on_a_terminal() -> None:
    with gated() as (_, url), on_a_terminal("--url", url, "one") as (client, master):
        read_until(master, b"rows")
        client.send_signal(signal.SIGINT)
        rest = read_until(master, b"never")
        client.wait(WAIT)
    lines = [line.strip() for line in rest.replace(b"\r", b"\n").splitlines()]
    assert [line for line in lines if line][-1] == b"lightclient: interrupted"
    assert client.returncode == 130


def test_what_is_logged_does_not_garble_the_line() -> None:
    out, log = io.StringIO(), logging.getLogger("lightclient")
    console = Console(out)
    with handling(Log(console), logging.DEBUG):
        console.draw("drawn")
        log.debug("not %s", "garbled")
        console.draw("again")
    assert out.getvalue() == "\rdrawn\r     \rlightclient: not garbled\n\ragain"


def test_verbose_shows_what_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("lightclient")
    former = log.handlers[:], log.level
    with StandIn(carrying(model)) as url:
        for options in ((), ("-v",)):
            assert main(["classify", "--url", url, *options, "one", "two"]) == 0
            lines = capsys.readouterr().err.splitlines()
            told = [re.sub("bytes.*", "…", line) for line in lines]
            done = "status=200 error=None attempts=1 repeated=[] …"
            expected = [
                f"lightclient: GET {url}/metadata {done}",
                "lightclient: a request of 2 rows",
                f"lightclient: POST {url}:predict {done}",
            ]
            assert told == (expected if options else [])
    assert (log.handlers, log.level) == former


def test_a_warning_is_shown_without_verbose(capsys: pytest.CaptureFixture[str]) -> None:
    with StandIn(behind_usual_signature(model)) as url:
        assert main(["classify", "--url", url, "one"]) == 0
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("lightclient: ")
    assert "carries no bundle; the default is used" in line


@pytest.mark.parametrize("answered", [0, 64])
def test_an_interrupt_says_how_many_rows_were_written(answered: int) -> None:
    def holds_up(inputs: dict[str, Any]) -> dict[str, Any]:
        if answered == 0 or (inputs["input_ids"] == HELD_UP).any():
            held.set()
            opened.wait(WAIT)
        return model(inputs)

    opened, held = threading.Event(), threading.Event()
    with StandIn(carrying(holds_up)) as url:
        try:
            with subprocess.Popen(
                [sys.executable, "-m", "lightclient", "classify", "--url", url],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            ) as client:
                assert client.stdin is not None
                assert client.stdout is not None
                client.stdin.write(b"good\n" * answered + b"wait\n" * 400)
                client.stdin.close()
                client.stdin = None
                lines = [client.stdout.readline() for _ in range(answered)]
                assert held.wait(WAIT)
                client.send_signal(signal.SIGINT)
                out, err = client.communicate(timeout=WAIT)
        finally:
            opened.set()
    assert (client.returncode, len(lines), out) == (130, answered, b"")
    # A row is counted just after it is written, so the last one may not be.
    counts = [63, 64] if answered else []
    told = [f"; at least {count} rows were written" for count in counts] or [""]
    assert err.decode() in [f"lightclient: interrupted{words}\n" for words in told]


def test_an_interrupt_at_a_write_says_nothing_false(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python raises it right behind the write, when the row is out and not counted yet."""

    class Interrupted(io.StringIO):
        def write(self, text: str) -> int:
            super().write(text)
            if self.getvalue().count("\n") == 3:
                raise KeyboardInterrupt
            return len(text)

    out = Interrupted()
    monkeypatch.setattr(sys, "stdout", out)
    with StandIn(carrying(model)) as url:
        assert main(["classify", "--url", url, "one", "two", "three", "four"]) == 130
    assert out.getvalue().count("\n") == 3
    assert capsys.readouterr().err == "lightclient: interrupted; at least 2 rows were written\n"


HELD_UP = 3524  # the token of "wait"
