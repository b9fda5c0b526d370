"""Signs of life on stderr while rows are classified."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import TextIO

from lightclient.cli.rows import Source
from lightclient.cli.tally import Tally

ON_TERMINAL = 0.25  # seconds from one drawing to the next
ELSEWHERE = 60.0
_STANDS_STILL = 2.0  # seconds without a new row, after which it is told
_FIRST_ROWS, _FIRST_SECONDS = 64, 2.0  # before one of them the speed says too little


class Console:
    """stderr, with at most one line that is drawn again and again.

    Each call is one `write`, so that those of different threads do not mix.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._drawn = 0

    def say(self, message: str) -> None:
        """Write a line, where the drawn one was."""
        self._write(f"{self._blank()}lightclient: {message}\n")

    def draw(self, line: str) -> None:
        """Draw a line over the one before."""
        line = line[: self._columns() - 1]
        padding = " " * (self._drawn - len(line))
        self._drawn = len(line)
        self._write(f"\r{line}{padding}")

    def clear(self) -> None:
        """Remove the drawn line."""
        self._write(self._blank())

    def _blank(self) -> str:
        drawn, self._drawn = self._drawn, 0
        return f"\r{' ' * drawn}\r" if drawn else ""

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or 80
        except OSError:
            return 80

    def _write(self, text: str) -> None:
        with suppress(OSError):  # nobody reads it any more
            self._stream.write(text)
            self._stream.flush()


class Progress:
    """How far the rows have come; `look` tells it when it is time to.

    Args:
        tally: what is done.
        source: what there is to do.
        console: where it is told.
        on_terminal: draw one line, a few times a second; else write a line a minute.
        clock: gives seconds.
    """

    def __init__(
        self,
        tally: Tally,
        source: Source,
        console: Console,
        *,
        on_terminal: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tally, self._source, self._clock = tally, source, clock
        self._show = console.draw if on_terminal else console.say
        self._pause = ON_TERMINAL if on_terminal else ELSEWHERE
        self._started, self._begun = clock(), tally.begun
        self._next = self._started + self._pause
        self._rows, self._changed = tally.rows, self._started

    def look(self) -> None:
        """Tell how far it is, if it was not told just now."""
        now = self._clock()
        if self._tally.begun > self._begun:  # nothing was classified until now
            self._started, self._begun = now, self._tally.begun
        if self._tally.rows != self._rows:
            self._rows, self._changed = self._tally.rows, now
        if now >= self._next:
            self._next = now + self._pause
            self._show(self._line(now - self._started, now - self._changed))

    def _line(self, seconds: float, still: float) -> str:
        tally, total = self._tally, self._source.total()
        rows = tally.rows - tally.begun
        speed = rows / seconds if seconds else 0
        is_steady = rows >= _FIRST_ROWS or seconds >= _FIRST_SECONDS
        parts = [f"{tally.rows:,}{_of(total)} rows"]
        if speed:
            parts.append(f"{speed:,.{0 if speed >= 10 else 1}f} a second")
        if speed and is_steady and total and total[0] > tally.rows:
            parts.append(f"{_duration((total[0] - tally.rows) / speed)} left")
        if still > _STANDS_STILL:
            parts.append(f"no answer for {_duration(still)}")
        if tally.missing:
            parts.append(f"{tally.missing:,} without a text")
        if tally.errors:
            parts.append(f"{tally.errors:,} with an error")
        return ", ".join(parts)


def _of(total: tuple[int, bool] | None) -> str:
    if total is None:
        return ""
    return f" of {'' if total[1] else 'about '}{total[0]:,}"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


@contextmanager
def showing(progress: Progress, console: Console) -> Iterator[None]:
    """Look at the progress from a thread, since the main one may wait for a server."""
    # A queue in the place of a threading.Event, which an interrupt could leave locked.
    end: SimpleQueue[None] = SimpleQueue()
    thread = threading.Thread(target=_look_until, args=(end, progress), daemon=True)
    with suppress(RuntimeError):  # too many threads
        thread.start()
    try:
        yield
    finally:
        end.put(None)
        if thread.ident is not None:
            thread.join()
        console.clear()


def _look_until(end: "SimpleQueue[None]", progress: Progress) -> None:
    while True:
        try:
            return end.get(timeout=ON_TERMINAL)
        except Empty:
            progress.look()


class Log(logging.Handler):
    """Shows what is logged on the console."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record."""
        try:
            self._console.say(self.format(record))
        except Exception:  # noqa: BLE001 - as logging's own handlers do it
            self.handleError(record)


@contextmanager
def handling(handler: logging.Handler, level: int = logging.WARNING) -> Iterator[None]:
    """Let a handler have what is logged at this level or above, and Python not print it."""
    log = logging.getLogger("lightclient")
    former = log.level
    handler.setLevel(level)
    log.addHandler(handler)
    log.setLevel(min(level, log.getEffectiveLevel()))
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(former)
