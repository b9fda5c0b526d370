"""Threads that work for the tasks of event loops: a bounded number for calls, one for each stream.

Nothing here has a lock that a thread could leave locked, and no thread is waited for at the
interpreter's end. A ThreadPoolExecutor has both, so that a call which goes on would hold it up.
"""

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import closing, suppress
from contextvars import copy_context
from enum import Enum, auto
from functools import partial
from queue import SimpleQueue
from typing import Any

from lightclient.errors import LightClientError
from lightclient.http.deadline import Deadline, Stop

_AHEAD = 64  # answers that a stream may have before they are taken
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


def _start_thread(name: str, target: Callable[..., object], *args: object) -> threading.Thread:
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

    def __init__(
        self, work: Callable[[], Any], deadline: Deadline, too_late: Callable[[], LightClientError]
    ) -> None:
        self._loop = running_loop()
        self.future: asyncio.Future[Any] = self._loop.create_future()
        self._work, self._context, self._deadline = work, copy_context(), deadline
        self._too_late, self._begun = too_late, False
        self._timer = self._loop.call_later(deadline.left, self._give_up)

    def _give_up(self) -> None:
        if not self._begun:
            self._settle(None, self._too_late())

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
            self._outcome = self._context.run(_outcome_of, self._work)
        del self  # an error of the work leads to this frame, and it would lead to the error

    def tell(self) -> None:
        """Have the task go on, from the thread."""
        if self._begun:
            with suppress(RuntimeError):  # the loop has been closed
                self._loop.call_soon_threadsafe(self._settle, *self._outcome)

    def end(self) -> None:
        """Nobody waits for it any more."""
        self._timer.cancel()  # or the event loop would hold on to the texts until then


def _outcome_of(work: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    """What the work returns or raises. The traceback leads to nothing but the work."""
    try:
        return work(), None
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

    async def do(
        self,
        work: Callable[[], Any],
        deadline: Deadline,
        stop: Stop,
        too_late: Callable[[], LightClientError],
    ) -> Any:
        """Have a thread do the work, and wait for what comes of it.

        If the task is cancelled, `stop` is set, which must be that of the deadline.

        Raises:
            What `too_late` makes: all threads were busy until the deadline.
            Whatever the work raises.
        """
        call = _Call(work, deadline, too_late)
        try:
            self._put(call)
            return await call.future
        finally:
            stop.set()
            call.end()
            del call  # an error leads to this frame, and the frame would lead to the error

    def _put(self, call: _Call) -> None:
        with suppress(IndexError):  # all are busy, and the first one that is not will take it
            if self._free.pop() is _NEW:
                self._start_thread()
        self._calls.put(call)

    def _start_thread(self) -> None:
        shared = self._calls, self._free
        try:
            self.threads.append(_start_thread("lightclient-async", _work, *shared))
        except LightClientError:
            self._free.insert(0, _NEW)
            if not self.threads:
                raise

    def end(self) -> None:
        """End the threads when they have done the calls that are waiting now."""
        self._calls.put(None)

    def __del__(self) -> None:
        self.end()


def _work(calls: "SimpleQueue[_Call | None]", free: list[object]) -> None:
    """Do calls until None comes."""
    while (call := calls.get()) is not None:
        call.run()
        if calls.empty():
            free.append(_IDLE)  # before the task goes on, whose next call needs no other thread
        call.tell()
        del call  # it would be held until the next one comes
    calls.put(None)  # for the next thread


class Feed(Iterator[Any]):
    """The texts of an async iterable, which a thread wants and a task reads.

    It is the task that takes the answers, because one task has to read an async generator from its
    beginning to its end, as where a scope of asyncio.timeout is around its `yield`.
    """

    def __init__(self, texts: AsyncIterator[Any]) -> None:
        self._texts = texts
        self._read: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        self.want: Callable[[], None]

    def __next__(self) -> Any:
        self.want()
        text, error = self._read.get()
        if error is not None:
            raise error
        return text

    async def supply(self) -> None:
        """Read the text that the thread wants."""
        try:
            self._read.put((await anext(self._texts), None))
        except StopAsyncIteration:
            self._read.put((None, StopIteration()))
        except Exception as error:  # noqa: BLE001 - it is raised when its turn comes
            self._read.put((None, error))

    def end(self) -> None:
        """Have the thread leave its stream, if it waits for a text."""
        self._read.put((None, GeneratorExit()))


class _Kind(Enum):
    ANSWER = auto()
    ERROR = auto()
    END = auto()
    WANT = auto()  # of a text


class Stream:
    """A stream whose answers a thread makes and a task takes. It begins when `take` does.

    `thread`: it lives until the stream has ended and nothing of it is under way.
    """

    thread: threading.Thread | None = None

    def __init__(self, answers: Generator[Any, None, None], stop: Stop, feed: Feed | None) -> None:
        self._answers, self._stop, self._feed = answers, stop, feed
        self._left = False
        self._room: SimpleQueue[None] = SimpleQueue()
        for _ in range(_AHEAD):
            self._room.put(None)

    async def take(self) -> AsyncGenerator[Any, None]:
        """The answers. The stream ends when this is left."""
        loop, outcomes = running_loop(), asyncio.Queue[tuple[_Kind, Any]]()

        def post(kind: _Kind, value: Any = None) -> None:
            loop.call_soon_threadsafe(outcomes.put_nowait, (kind, value))

        if self._feed:
            self._feed.want = partial(post, _Kind.WANT)
        run = copy_context().run
        self.thread = _start_thread("lightclient-async-many", run, self._make_answers, post)
        try:
            while True:
                kind, value = await outcomes.get()
                if kind is _Kind.ANSWER:
                    self._room.put(None)
                    yield value
                elif kind is _Kind.WANT and self._feed:
                    await self._feed.supply()
                elif kind is _Kind.ERROR:
                    raise value
                else:
                    return
        finally:
            self.leave()

    def leave(self) -> None:
        """End the stream soon, from the task that takes its answers or from another one."""
        self._left = True
        self._stop.set()
        self._room.put(None)
        if self._feed:
            self._feed.end()

    def _make_answers(self, post: Callable[..., None]) -> None:
        kind, value = _Kind.END, None
        try:
            with closing(self._answers):
                for answer in self._answers:
                    self._room.get()
                    if self._left:
                        break
                    post(_Kind.ANSWER, answer)
        except BaseException as error:  # noqa: BLE001 - the task raises it
            kind, value = _Kind.ERROR, error
        if self._left:  # which is no fault of a text
            words = "the classifier was closed before this classify_many came to its end"
            kind, value = _Kind.ERROR, LightClientError(words)
        with suppress(RuntimeError):  # the loop has been closed
            post(kind, value)
