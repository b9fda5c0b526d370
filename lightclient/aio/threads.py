"""Threads that do the calls of tasks: as many as may be under way at the same time.

Nothing here has a lock that a thread could leave locked, and no thread is waited for at the
interpreter's end. A ThreadPoolExecutor has both, so that a call which goes on would hold it up.
"""

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any

from lightclient.errors import LightClientError
from lightclient.http.deadline import Deadline

_Work = Callable[[Deadline], Any]
_TooLate = Callable[[Deadline], LightClientError]
_NEW, _IDLE = object(), object()


def running_loop() -> asyncio.AbstractEventLoop:
    """The event loop that calls.

    Raises:
        LightClientError: it is not asyncio's.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError as error:
        raise LightClientError(
            "AsyncClassifier needs a running event loop of asyncio; elsewhere, as under trio, call "
            "a Classifier in a thread"
        ) from error


def start_thread(name: str, target: Callable[..., object], *args: object) -> threading.Thread:
    """Start a thread.

    Raises:
        LightClientError: the process has all the threads it may have, or is at its end.
    """
    thread = threading.Thread(target=target, args=args, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise LightClientError(f"no thread can be started for it: {error}") from error
    return thread


class _Call:
    """One call of a task: a thread does the work, in the task's context.

    `future`: gets what comes of it.
    """

    def __init__(self, work: _Work, deadline: Deadline, too_late: _TooLate) -> None:
        self._loop = running_loop()
        self.future: asyncio.Future[Any] = self._loop.create_future()
        self._work, self._context, self._deadline = work, copy_context(), deadline
        self._too_late, self._begun = too_late, False
        self._timer = self._loop.call_later(deadline.left, self._give_up)

    def _give_up(self) -> None:
        if not self._begun:
            self._settle(None, self._too_late(self._deadline))

    def _settle(self, result: Any, error: BaseException | None) -> None:
        if self.future.done():  # the task was cancelled
            return
        if error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(error)

    def run(self) -> None:
        """Do the work, in a thread, unless nobody waits for it any more."""
        if not self._deadline.over:
            self._begun = True
            self._outcome = self._context.run(_outcome_of, self._work, self._deadline)
        del self  # an error of the work leads to this frame, and it would lead to the error

    def tell(self) -> None:
        """Have the task go on, from the thread."""
        if self._begun:
            with suppress(RuntimeError):  # the loop has been closed
                self._loop.call_soon_threadsafe(self._settle, *self._outcome)

    def end(self) -> None:
        """Nobody waits for it any more."""
        if self._deadline.stop:
            self._deadline.stop.set()
        self._timer.cancel()  # or the event loop would hold on to the texts until then


def _outcome_of(work: _Work, deadline: Deadline) -> tuple[Any, BaseException | None]:
    """What the work returns or raises. The traceback leads to nothing but the work."""
    try:
        return work(deadline), None
    except BaseException as error:  # noqa: BLE001 - the task raises it
        return None, error


class Pool:
    """Threads for calls: as many as there are calls at the same time, and `size` at most.

    A thread is started when no other is idle, and then waits for more calls until `end`.
    """

    def __init__(self, size: int) -> None:
        self.pid, self.threads = os.getpid(), list[threading.Thread]()
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._free = [_NEW] * size  # idle threads come on top of those that are yet to be started
        self._has_ended = False

    @property
    def has_room(self) -> bool:
        """Whether another call could begin at once."""
        return bool(self._free)

    async def do(self, work: _Work, deadline: Deadline, too_late: _TooLate) -> Any:
        """Have a thread do the work, and wait for what comes of it.

        If the task is cancelled, the `stop` of the deadline is set.

        Raises:
            What `too_late` makes: all threads were busy until the deadline.
            Whatever the work raises.
        """
        call = _Call(work, deadline, too_late)
        try:
            self._put(call)
            return await call.future
        finally:
            call.end()
            del call  # an error leads to this frame, and the frame would lead to the error

    def _put(self, call: _Call) -> None:
        with suppress(IndexError):  # all are busy, and the first one that is not will take it
            if self._free.pop() is _NEW:
                self._start_thread()
        self._calls.put(call)
        if self._has_ended:  # just now, by another event loop, so that no thread may be left
            self._start_thread()

    def _start_thread(self) -> None:
        shared = self._calls, self._free
        try:
            self.threads.append(start_thread("lightclient-async", _work, *shared))
        except LightClientError:
            self._free.insert(0, _NEW)
            if not self.threads:
                raise

    def end(self) -> None:
        """End the threads when they have done the calls that are waiting."""
        self._has_ended = True
        self._calls.put(None)

    def __del__(self) -> None:
        self.end()


def _work(calls: "SimpleQueue[_Call | None]", free: list[object]) -> None:
    """Do calls until None comes and nothing is behind it."""
    while True:
        call = calls.get()
        if call is None:
            is_last = calls.empty()
            calls.put(None)  # for the next thread, or behind the calls that still came
            if is_last:
                return
            continue
        call.run()
        if calls.empty():
            free.append(_IDLE)  # before the task goes on, whose next call needs no other thread
        call.tell()
        del call  # it would be held until the next one comes
