"""A stream of texts between the thread that makes its answers and the task that takes them.

The texts of an async iterable go the other way.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import closing, suppress
from contextvars import copy_context
from enum import Enum, auto
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from lightclient.aio.threads import running_loop, start_thread
from lightclient.errors import LightClientError
from lightclient.http.deadline import Stop

_AHEAD = 64  # answers that may be there before they are taken
_LOOK = 1.0  # seconds from one look at the event loop to the next


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
    END = auto()  # with an error or None
    WANT = auto()  # of a text


class Relay:
    """Passes the answers of a stream from its thread to a task. It begins when `take` does.

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
        self.thread = start_thread("lightclient-async-many", run, self._make_answers, loop, post)
        try:
            while True:
                kind, value = await outcomes.get()
                if kind is _Kind.ANSWER:
                    self._room.put(None)
                    yield value
                elif kind is _Kind.WANT and self._feed:
                    await self._feed.supply()
                elif value is not None:
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

    def _wait_for_room(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait until the task takes answers, or for ever cannot."""
        while not loop.is_closed():
            with suppress(Empty):
                self._room.get(timeout=_LOOK)
                return

    def _make_answers(self, loop: asyncio.AbstractEventLoop, post: Callable[..., None]) -> None:
        error: BaseException | None = None
        try:
            with closing(self._answers):
                for answer in self._answers:
                    self._wait_for_room(loop)
                    if self._left:
                        break
                    post(_Kind.ANSWER, answer)
        except BaseException as raised:  # noqa: BLE001 - the task raises it
            error = raised
        if self._left:  # which is no fault of a text
            words = "the classifier was closed before this classify_many came to its end"
            error = LightClientError(words)
        with suppress(RuntimeError):  # the loop has been closed
            post(_Kind.END, error)
