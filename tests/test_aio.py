"""`AsyncClassifier` in event loops of asyncio, over real sockets.

Where a test says that something ends, its server never answers, so that nothing else could end it.
"""

import asyncio
import copy
import gc
import inspect
import os
import pickle
import queue
import random
import socket
import subprocess
import sys
import textwrap
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from typing import Any

import pytest

from lightclient import (
    AsyncClassifier,
    CannotConnect,
    Classification,
    Classifier,
    InputError,
    LightClientError,
    Signature,
    TimedOut,
)
from lightclient.standin import StandIn
from tests.scripted import outputs, read_request, serving

TEXTS = ["good", "bad", "a much longer text about nothing in particular", ""]
LABELS = ["POSITIVE", "NEGATIVE"]
FOR_EVER = 3600.0


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with StandIn() as url:
        yield url


def threads() -> list[str]:
    """Our threads, but those that look up a name or import numpy and end by themselves."""
    # A thread whose start was interrupted stays in the list for ever, and has never lived.
    names = [thread.name for thread in threading.enumerate() if thread.is_alive()]
    return [name for name in names if name.startswith(("lightclient-async", "lightclient-many"))]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what is about to come; fail if it does not."""
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.005)
    pytest.fail("it never came")


class Silent:
    """A server that takes requests and never answers. `open`: its connections."""

    def __init__(self) -> None:
        self.open: set[socket.socket] = set()

    def script(self, connection: socket.socket) -> None:
        if read_request(connection):
            self.open.add(connection)
            read_request(connection)  # until the client closes
            self.open.discard(connection)

    @contextmanager
    def classifier(self, **options: Any) -> Iterator[AsyncClassifier]:
        with serving(self.script) as server:
            yield AsyncClassifier(
                server.url, **{"signature": Signature(), "timeout": FOR_EVER, **options}
            )


def counted(connection: socket.socket) -> None:
    """Answers each text."""
    while request := read_request(connection):
        connection.sendall(outputs([[-1.0, 1.0]] * request.count(b"[101")))


async def take(answers: AsyncIterator[Any], found: list[Any]) -> None:
    async for answer in answers:
        found.append(answer)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, 60))


def test_it_takes_what_a_classifier_takes() -> None:
    ours, theirs = inspect.signature(AsyncClassifier), inspect.signature(Classifier)
    parameters = dict(ours.parameters)
    assert parameters.pop("max_concurrency").default == 16
    assert parameters == dict(theirs.parameters)
    for name in ("classify", "classify_many", "count_tokens", "rank", "warm"):
        own, other = (inspect.signature(getattr(c, name)) for c in (AsyncClassifier, Classifier))
        assert list(own.parameters) == list(other.parameters)
        assert [p.default for p in own.parameters.values()] == [
            p.default for p in other.parameters.values()
        ]


def test_it_answers_as_a_classifier_does(url: str) -> None:
    async def work() -> None:
        async with AsyncClassifier(url) as classifier:
            await classifier.warm()
            assert repr(classifier) == f"Async{expected!r}"
            assert await classifier.classify("good") == expected.classify("good")
            assert await classifier.classify(("good", "bad")) == expected.classify(("good", "bad"))
            assert await classifier.classify(["good", "bad"]) == expected.classify(["good", "bad"])
            assert await classifier.classify([]) == []
            assert await classifier.count_tokens(("good", "bad")) == 5
            with pytest.raises(InputError, match="one text or a pair, not list"):
                await classifier.count_tokens(["good"])  # type: ignore[arg-type]
            assert classifier.timeout == expected.timeout
            many = [answer async for answer in classifier.classify_many(TEXTS * 100)]
            assert [answer.label for answer in many] == [
                answer.label for answer in expected.classify_many(TEXTS * 100)
            ]

    with Classifier(url) as expected:
        expected.warm()
        run(work())


@pytest.mark.parametrize("value", [0, -1, True, 1.5, "16"])
def test_a_max_concurrency_that_is_none(value: Any) -> None:
    with pytest.raises(InputError, match="max_concurrency must be a whole number, 1 or more"):
        AsyncClassifier("http://127.0.0.1:1/v1/models/m", max_concurrency=value)


def test_arguments_are_checked_at_the_door() -> None:
    async def work() -> None:
        classifier = AsyncClassifier("http://127.0.0.1:1/v1/models/m")
        for wrong in (None, b"a", ["a", 3], (text for text in "ab")):
            with pytest.raises(InputError, match=r"^text"):
                await classifier.classify(wrong)  # type: ignore[call-overload]
        with pytest.raises(InputError, match=r"^timeout"):
            await classifier.classify("a", timeout=0)
        for wrong in (None, "one text", 3):
            with pytest.raises(InputError, match="must be an iterable of texts"):
                classifier.classify_many(wrong)  # type: ignore[call-overload]
        with pytest.raises(InputError, match=r"^on_error"):
            classifier.classify_many([], on_error="ignore")  # type: ignore[call-overload]
        assert not threads()

    run(work())


def test_no_texts_wait_for_no_place() -> None:
    async def work() -> None:
        classifier = AsyncClassifier("http://127.0.0.1:1/v1/models/m")
        assert await classifier.classify([]) == []
        assert await classifier.zero_shot([], ["film"]) == []
        with pytest.raises(InputError, match=r"^timeout"):
            await classifier.classify([], timeout=0)
        assert not threads()

    run(work())


def test_errors_come_as_they_are_and_leave_no_cycle() -> None:
    async def work() -> None:
        async with AsyncClassifier("http://127.0.0.1:1/v1/models/m", retries=0) as classifier:
            await classifier.classify([])
            gc.collect()
            gc.disable()
            try:
                await classifier.classify("a")
            except CannotConnect as error:
                seen = weakref.ref(error)
            await until(lambda: seen() is None)

    try:
        run(work())
    finally:
        gc.enable()


def test_a_cancelled_task_ends_its_exchange() -> None:
    silent = Silent()

    async def work(classifier: AsyncClassifier) -> None:
        for text in ("a", ["a", "b"]):
            task = asyncio.create_task(classifier.classify(text))  # type: ignore[call-overload]
            await until(lambda: len(silent.open) == 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(lambda: not silent.open)
        with pytest.raises(asyncio.TimeoutError) as caught:
            await asyncio.wait_for(classifier.classify("a"), 0.05)
        assert not isinstance(caught.value, LightClientError)
        await until(lambda: not silent.open)
        assert len(threads()) == 1
        await classifier.aclose()

    with silent.classifier() as classifier:
        run(work(classifier))


def test_a_call_ends_at_its_own_timeout() -> None:
    async def work(classifier: AsyncClassifier) -> None:
        with pytest.raises(TimedOut, match=r"no whole answer within 0\.05 s"):
            await classifier.classify("a", timeout=0.05)
        with pytest.raises(TimedOut, match="starting this call took longer than the 1e-09 s"):
            await classifier.classify("a", timeout=1e-9)
        await classifier.aclose()

    with Silent().classifier() as classifier:
        run(work(classifier))


def test_a_call_that_finds_no_place_until_its_timeout() -> None:
    silent = Silent()

    async def work(classifier: AsyncClassifier) -> None:
        others = [asyncio.create_task(classifier.classify("a")) for _ in range(2)]
        await until(lambda: len(silent.open) == 2)
        with pytest.raises(TimedOut, match=r"one of the 2 places, .* max_concurrency=") as error:
            await classifier.classify("b", timeout=0.05)
        assert (error.value.timeout, error.value.attempts) == (0.05, 0)
        assert len(silent.open) == 2
        waiting = asyncio.create_task(classifier.classify("c"))
        await asyncio.sleep(0)
        waiting.cancel()
        for other in others:
            other.cancel()
        await until(lambda: not silent.open)  # and the call that waited was never sent
        await classifier.aclose()

    with silent.classifier(max_concurrency=2) as classifier:
        run(work(classifier))


def test_no_more_calls_are_under_way_than_there_are_places() -> None:
    """The server answers two requests when both are there, so that there have to be two."""
    both, now, most = threading.Barrier(2, timeout=30), set[object](), [0]

    def script(connection: socket.socket) -> None:
        while read_request(connection):
            mine = object()
            now.add(mine)
            most[0] = max(most[0], len(now))
            both.wait()
            now.discard(mine)
            connection.sendall(outputs())

    async def work(url: str) -> None:
        async with AsyncClassifier(url, signature=Signature(), max_concurrency=2) as classifier:
            calls = [classifier.classify(f"text {n}") for n in range(20)]
            assert len(await asyncio.gather(*calls)) == 20
            assert len(threads()) == 2

    with serving(script) as server:
        run(work(server.url))
    assert most == [2]


def test_answers_are_not_mixed_up_among_tasks_that_are_cancelled(url: str) -> None:
    dice = random.Random(0)

    async def call(classifier: AsyncClassifier, text: str) -> tuple[str, Classification]:
        return text, await classifier.classify(text)

    async def work() -> None:
        async with AsyncClassifier(url, max_concurrency=4) as classifier:
            tasks = [asyncio.create_task(call(classifier, text)) for text in TEXTS * 50]
            cancelled = dice.sample(tasks, 50)
            for task in cancelled:
                await asyncio.sleep(dice.uniform(0, 0.002))
                task.cancel()
            found = await asyncio.gather(*tasks, return_exceptions=True)
            kept = [answer for answer in found if isinstance(answer, tuple)]
            assert len(kept) >= 150
            assert all(answer.label == expected[text] for text, answer in kept)
            assert {type(answer) for answer in found} <= {tuple, asyncio.CancelledError}
            assert len(threads()) <= 4
        assert not threads()

    with Classifier(url) as plain:
        expected = {text: plain.classify(text).label for text in TEXTS}
    run(work())


def test_without_a_thread_to_be_had(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def work() -> None:
        async with AsyncClassifier(url, max_concurrency=2) as classifier:
            with monkeypatch.context() as patched:
                patched.setattr(threading.Thread, "start", refuse)
                with pytest.raises(LightClientError, match="no thread can be started"):
                    await classifier.classify("good")
                with pytest.raises(LightClientError, match="no thread can be started"):
                    await anext(classifier.classify_many(["good"]))
            assert (await classifier.classify("good")).label == "POSITIVE"
            with monkeypatch.context() as patched:  # the thread that is there does both
                patched.setattr(threading.Thread, "start", refuse)
                both = await asyncio.gather(*map(classifier.classify, ("good", "bad")))
            assert [answer.label for answer in both] == LABELS

    run(work())


def test_no_thread_before_the_first_call_and_none_after_the_end() -> None:
    ended = threading.Event()

    def script(connection: socket.socket) -> None:
        counted(connection)
        ended.set()

    async def work(url: str) -> None:
        async with AsyncClassifier(url, signature=Signature()) as classifier:
            assert not threads()
            for _ in range(3):
                await classifier.classify("a")
            assert threads() == ["lightclient-async"]
            assert len([answer async for answer in classifier.classify_many(["a"] * 100)]) == 100
        assert not threads()
        assert await asyncio.to_thread(ended.wait, 10)
        assert (await classifier.classify("a")).label == "POSITIVE"  # it opens anew
        await classifier.aclose()
        await classifier.aclose()
        assert not threads()

    with serving(script) as server:
        run(work(server.url))


def test_calls_under_way_come_to_their_end_before_it_closes() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def script(connection: socket.socket) -> None:
        while read_request(connection):
            begun.set()
            go_on.wait(30)
            connection.sendall(outputs())

    async def work(url: str) -> None:
        classifier = AsyncClassifier(url, signature=Signature(), max_concurrency=1)
        calls = [asyncio.create_task(classifier.classify("a")) for _ in range(3)]
        await asyncio.to_thread(begun.wait, 30)
        closing = asyncio.create_task(classifier.aclose())
        await asyncio.sleep(0)
        assert not closing.done()
        go_on.set()
        await closing
        assert all(call.done() and call.result() for call in calls)
        assert not threads()

    with serving(script) as server:
        run(work(server.url))


def test_it_ends_with_its_last_reference(url: str) -> None:
    async def work() -> None:
        classifier = AsyncClassifier(url)
        await classifier.classify("a")
        assert threads()
        del classifier
        await until(lambda: not threads())

    run(work())


def test_a_loop_that_ends_without_aclose(url: str) -> None:
    """A call, a stream and a call that waits are under way. Nothing is logged, nothing hangs."""
    program = """
    import asyncio, sys, threading
    from lightclient import AsyncClassifier, Signature

    async def main(classifier):
        await classifier.classify("a")
        stream = classifier.classify_many(f"text {n}" for n in range(10**9))
        assert (await anext(stream)).label
        tasks = [asyncio.create_task(silent.classify("a")) for _ in range(2)]
        await asyncio.sleep(0.1)

    url, silent_url = sys.argv[1:]
    silent = AsyncClassifier(
        silent_url, signature=Signature(), timeout=3600, max_concurrency=1
    )
    asyncio.run(main(AsyncClassifier(url)))
    print("done")
    """
    with serving(Silent().script) as server:
        command = [sys.executable, "-X", "dev", "-c", textwrap.dedent(program), url, server.url]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_many_takes_an_async_iterable_and_reads_it_in_the_task(url: str) -> None:
    readers = set[object]()

    async def texts() -> AsyncIterator[str]:
        for text in TEXTS * 50:
            readers.add(asyncio.current_task())
            await asyncio.sleep(0)
            yield text

    async def work() -> None:
        async with AsyncClassifier(url) as classifier:
            labels = [answer.label async for answer in classifier.classify_many(texts())]
            assert labels == [answer.label for answer in await classifier.classify(TEXTS)] * 50
        assert readers == {asyncio.current_task()}

    asyncio.run(work())


def test_many_is_lazy(url: str) -> None:
    read: list[int] = []

    def endless() -> Iterator[str]:
        for number in range(10**9):
            read.append(number)
            yield ("good", "bad")[number % 2]

    async def work() -> None:
        async with AsyncClassifier(url) as classifier:
            answers = classifier.classify_many(endless())
            await asyncio.sleep(0)
            assert not read
            assert [(await anext(answers)).label for _ in range(10)] == LABELS * 5
            assert len(read) <= 64 + 128 + 256  # two chunks, and one more for 64 answers ahead
            await answers.aclose()
            await until(lambda: threads() == [])

    run(work())


def test_many_reports_errors_and_missing_values_as_a_classifier_does(url: str) -> None:
    async def work() -> None:
        async with AsyncClassifier(url) as classifier:
            texts: list[Any] = ["a gem", None, "\ud800", "a mess"]
            stream = classifier.classify_many(texts, on_error="return", missing="none")
            found = [answer async for answer in stream]
            assert [type(answer) for answer in found] == [
                Classification, type(None), InputError, Classification,
            ]  # fmt: skip
            assert isinstance(found[2], InputError)
            assert found[2].index == 2
            found = []
            with pytest.raises(InputError, match=r"^texts\[1\] is a missing value"):
                await take(classifier.classify_many(texts), found)
            assert len(found) == 1

    run(work())


def test_what_the_texts_raise_comes_after_the_answers_before_it(url: str) -> None:
    def texts() -> Iterator[str]:
        yield from ("good", "bad")
        raise LookupError("no more")

    async def async_texts() -> AsyncIterator[str]:
        for text in ("good", "bad"):
            yield text
        raise LookupError("no more")

    async def work() -> None:
        async with AsyncClassifier(url) as classifier:
            for source in (texts(), async_texts()):
                found: list[Classification] = []
                with pytest.raises(LookupError, match="no more"):
                    await take(classifier.classify_many(source), found)
                assert [answer.label for answer in found] == LABELS

    run(work())


def test_the_timeout_of_a_stream() -> None:
    async def work(classifier: AsyncClassifier) -> None:
        stream = classifier.classify_many(["a", "b"], timeout=0.05, on_error="return")
        assert [type(answer) async for answer in stream] == [TimedOut, TimedOut]
        await classifier.aclose()

    with Silent().classifier() as classifier:
        run(work(classifier))


async def never() -> AsyncIterator[str]:
    yield "a"
    await asyncio.Event().wait()


def shortest_first() -> list[str]:
    """Enough for more requests than go on at once; the first text is in the last of them."""
    return ["a", *(f"{number} " + "word " * 200 for number in range(20))]


@pytest.mark.parametrize("texts", [shortest_first, never], ids=["no answer", "no text"])
def test_a_stream_that_is_cancelled(texts: Callable[[], Any]) -> None:
    silent = Silent()

    async def work(classifier: AsyncClassifier) -> None:
        async def consume() -> None:
            async for _ in classifier.classify_many(texts()):
                pytest.fail("there is no answer")

        task = asyncio.create_task(consume())
        await until(lambda: bool(threads()))
        await until(lambda: bool(silent.open) == (texts is not never))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: not threads() and not silent.open)

    with silent.classifier() as classifier:
        run(work(classifier))


def test_closing_does_not_wait_long_for_texts_that_never_come(url: str) -> None:
    source: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    async def work() -> None:
        async with AsyncClassifier(url) as classifier:
            stream = classifier.classify_many(iter(source.get, None))
            task = asyncio.create_task(take(stream, []))
            await until(lambda: bool(threads()))
            task.cancel()
        assert threads()  # it still waits for a text
        source.put(None)
        await until(lambda: not threads())

    run(work())


def test_a_stream_whose_loop_is_gone_ends_its_thread(url: str) -> None:
    classifier = AsyncClassifier(url)
    stream = classifier.classify_many(str(number) for number in range(10**9))
    loop = asyncio.new_event_loop()
    loop.run_until_complete(anext(stream))
    loop.run_until_complete(until(is_ahead))
    loop.close()
    run(until(lambda: not threads()))


def test_the_log_tells_what_was_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    silent = Silent()

    async def work(classifier: AsyncClassifier) -> None:
        task = asyncio.create_task(classifier.classify("a"))
        await until(lambda: bool(silent.open))
        task.cancel()
        await until(lambda: bool(caplog.records))

    with caplog.at_level("DEBUG", "lightclient"), silent.classifier() as classifier:
        run(work(classifier))
    [record] = [record for record in caplog.records if hasattr(record, "repeated")]
    assert record.error == "Cancelled"


def is_ahead() -> bool:
    """Whether the thread of a stream waits until its answers are taken."""
    frames = sys._current_frames()
    many = [thread for thread in threading.enumerate() if thread.name == "lightclient-async-many"]
    return [frames[t.ident].f_code.co_name for t in many if t.ident] == ["_wait_for_room"]


@pytest.mark.parametrize("way", ["break", "exception", "aclose", "garbage"])
def test_a_stream_that_is_left_early(way: str, url: str) -> None:
    async def leave(stream: Any) -> None:
        async for _ in stream:
            await until(is_ahead)
            if way == "break":
                break
            if way == "exception":
                raise LookupError
            if way == "aclose":
                await stream.aclose()
                break

    async def work() -> None:
        classifier = AsyncClassifier(url)
        texts = (f"text {number}" for number in range(10**9))
        if way == "garbage":
            async for _ in classifier.classify_many(texts):
                break
        else:
            async with aclosing(classifier.classify_many(texts)) as stream:
                try:
                    await leave(stream)
                except LookupError:
                    assert way == "exception"
        await until(lambda: not threads())

    run(work())


def test_a_stream_under_way_when_it_closes(url: str) -> None:
    async def work() -> None:
        classifier = AsyncClassifier(url)
        texts = (f"text {number}" for number in range(10**9))
        stream = classifier.classify_many(texts, on_error="return")
        seen = [await anext(stream)]
        await classifier.aclose()
        assert not threads()
        with pytest.raises(LightClientError, match="was closed before this classify_many"):
            await take(stream, seen)
        assert all(isinstance(answer, Classification) for answer in seen)

    run(work())


def test_loops_one_after_the_other_and_side_by_side(url: str) -> None:
    classifier = AsyncClassifier(url, max_concurrency=2)

    async def work() -> list[str]:
        answers = await asyncio.gather(*map(classifier.classify, TEXTS * 3))
        streamed = [answer async for answer in classifier.classify_many(TEXTS)]
        return [answer.label for answer in (*answers, *streamed)]

    expected = run(work())
    assert run(work()) == expected
    found: list[list[str]] = []
    loops = [threading.Thread(target=lambda: found.append(run(work()))) for _ in range(3)]
    for loop in loops:
        loop.start()
    for loop in loops:
        loop.join()
    assert found == [expected] * 3
    run(classifier.aclose())
    assert not threads()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_fork(url: str) -> None:
    classifier = AsyncClassifier(url)
    assert run(classifier.classify("good")).label == "POSITIVE"
    child = os.fork()
    if child == 0:
        right = run(classifier.classify("bad")).label == "NEGATIVE"
        os._exit(0 if right else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert run(classifier.classify("bad")).label == "NEGATIVE"
    run(classifier.aclose())


def test_it_pickles(url: str) -> None:
    original = AsyncClassifier(url, timeout=7, max_concurrency=3)
    again = pickle.loads(pickle.dumps(original))
    assert (repr(again), again.timeout) == (repr(original), 7)
    assert again._max_concurrency == 3
    assert run(again.classify("good")).label == "POSITIVE"
    run(again.aclose())
    with pytest.raises(InputError, match="cannot be pickled"):
        pickle.dumps(AsyncClassifier(url, token="secret"))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_may_have_the_secrets(copied: Callable[[Any], Any]) -> None:
    def authorized(connection: socket.socket) -> None:
        assert b"Bearer secret" in read_request(connection)
        connection.sendall(outputs())

    with serving(authorized) as server:
        original = AsyncClassifier(server.url, signature=Signature(), token="secret")
        another = copied(original)
        assert run(another.classify("a"))
        assert another._asker is not original._asker
        run(another.aclose())


@pytest.mark.parametrize("kind", [Classifier, AsyncClassifier])
def test_a_subclass_may_add_to_the_state(url: str, kind: Any) -> None:
    class Named(kind):  # type: ignore[misc]
        def __init__(self, name: str) -> None:
            super().__init__(url)
            self.name = name

        def __getstate__(self) -> Any:
            return super().__getstate__(), self.name

        def __setstate__(self, state: Any) -> None:
            inner, self.name = state
            super().__setstate__(inner)

    original = Named("mine")
    for again in (copy.copy(original), copy.deepcopy(original)):
        assert (again.name, repr(again)) == ("mine", repr(original))


def test_the_threads_see_the_context_of_the_task() -> None:
    user, seen = ContextVar[str]("user"), list[str]()

    def token() -> str:
        seen.append(user.get())
        return user.get()

    async def call(name: str) -> None:
        user.set(name)
        await classifier.classify("a")
        async for _ in classifier.classify_many(["a"]):
            pass

    async def work() -> None:
        await asyncio.gather(call("one"), call("two"))
        await classifier.aclose()

    with serving(counted) as server:
        classifier = AsyncClassifier(server.url, signature=Signature(), token=token)
        run(work())
    assert sorted(seen) == ["one", "one", "two", "two"]


def test_without_an_event_loop(url: str) -> None:
    classifier = AsyncClassifier(url)
    with pytest.raises(LightClientError, match="needs a running event loop of asyncio"):
        classifier.classify("a").send(None)
    with pytest.raises(LightClientError, match="needs a running event loop of asyncio"):
        classifier.classify_many(["a"]).asend(None).send(None)  # type: ignore[attr-defined]
    assert not threads()


def test_a_call_that_comes_while_another_loop_closes_is_answered(url: str) -> None:
    async def work() -> None:
        classifier = AsyncClassifier(url)
        await classifier.warm()
        pool = classifier._threads()
        await classifier.aclose()
        # As if it had taken the pool just before it was closed.
        classifier._pool = pool
        assert (await classifier.classify("a gem")).label == "POSITIVE"
        await until(lambda: not threads())

    run(work())
