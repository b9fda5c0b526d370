"""`AsyncClassifier`: the classifier for code that runs in an event loop of asyncio."""

import asyncio
import math
import os
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload
from weakref import WeakSet

from lightclient.aio.relay import Feed, Relay
from lightclient.aio.threads import Pool
from lightclient.asker import Asker, OnError, OnMissing
from lightclient.checks import check_whole
from lightclient.classification import Classification
from lightclient.client import Texts
from lightclient.errors import LightClientError
from lightclient.http.deadline import Deadline, Stop
from lightclient.http.headers import Headers, Token
from lightclient.model.bundle import Bundle, FunctionName
from lightclient.model.encoding import Text
from lightclient.questions.question import Question
from lightclient.questions.zero_shot import TEMPLATE, ZeroShot
from lightclient.serving.request import Form
from lightclient.serving.signature import Signature
from lightclient.settings import LongTexts, Settings, read_settings
from lightclient.texts import check_one, check_texts

if TYPE_CHECKING:
    from lightclient.questions.rank import Ranked

_POLL = 0.005  # seconds
_LEFT_AFTER = 1.0  # seconds; the requests of a stream end in less
_T = TypeVar("_T")


class AsyncClassifier:
    """A `Classifier` whose methods are awaited. It works in threads of its own.

    Tasks may share one, also those of several event loops; it may be pickled as a `Classifier` is.
    No thread is started before the first call. When a task is cancelled, its exchange with the
    server ends within 0.1 seconds, and its thread is free for the next call.

    Args:
        max_concurrency: the calls of `classify` and `count_tokens` that are under way at the same
            time. The others wait for their turn, inside their deadlines.
        url, bundle, timeout, max_length, pad_to, signature, function, form, headers, token,
            ca_certs, client_cert, retries, long_texts, stride: as for `Classifier`. Functions that
            give the token or the headers are called in the threads.

    Raises:
        InputError, SettingError, BundleError: as for `Classifier`.
    """

    _pool: Pool

    def __init__(
        self,
        url: str | None = None,
        *,
        bundle: str | Path | Bundle | None = None,
        timeout: float | None = None,
        max_length: int | None = None,
        pad_to: int | None = None,
        signature: str | Signature | None = None,
        function: FunctionName | None = None,
        form: Form = "columnar",
        headers: Headers | None = None,
        token: Token | None = None,
        ca_certs: str | Path | None = None,
        client_cert: str | Path | tuple[str, str] | None = None,
        retries: int = 3,
        long_texts: LongTexts = "cut",
        stride: int = 64,
        max_concurrency: int = 16,
    ) -> None:
        check_whole("max_concurrency", max_concurrency, 1)
        settings = read_settings(
            url=url, bundle=bundle, timeout=timeout, max_length=max_length, pad_to=pad_to,
            signature=signature, function=function, form=form, headers=headers, token=token,
            ca_certs=ca_certs, client_cert=client_cert, retries=retries, long_texts=long_texts,
            stride=stride,
        )  # fmt: skip
        self._set_up(settings, max_concurrency)

    @property
    def timeout(self) -> float:
        """The deadline of one call in seconds, if the call states none of its own."""
        return self._asker.settings.timeout

    async def warm(self, *, timeout: float | None = None) -> None:
        """Do all that the first call would have to wait for, as `Classifier.warm` does."""
        await self.classify("warm up", timeout=timeout)

    @overload
    async def classify(self, texts: Text, *, timeout: float | None = None) -> Classification: ...
    @overload
    async def classify(
        self, texts: list[Text], *, timeout: float | None = None
    ) -> list[Classification]: ...
    @overload
    async def classify(
        self, texts: list[str] | list[tuple[str, str]], *, timeout: float | None = None
    ) -> list[Classification]: ...
    async def classify(
        self, texts: Text | Texts, *, timeout: float | None = None
    ) -> Classification | list[Classification]:
        """Classify one text, or a list of texts in one request, as `Classifier.classify` does.

        Raises:
            TimedOut: also if `max_concurrency` calls were under way until the deadline.
            Whatever `Classifier.classify` raises.
        """
        found = await self._ask(self._asker.classify, check_texts(texts), timeout)
        return found if isinstance(texts, list) else found[0]

    async def _ask(
        self,
        ask: Callable[[list[Text], Deadline], list[Classification]],
        texts: list[Text],
        timeout: float | None,
    ) -> list[Classification]:
        """Ask about the texts of one call, in a thread. No texts take no place."""
        if not texts:
            self._asker.new_deadline(timeout)  # checks it
            return []
        return await self._do(partial(ask, texts), timeout)

    async def count_tokens(self, text: Text, *, timeout: float | None = None) -> int:
        """Count the tokens of a text or a pair, as `Classifier.count_tokens` does.

        It takes a place of `max_concurrency`, because a long text takes its time.

        Raises:
            TimedOut: also if `max_concurrency` calls were under way until the deadline.
            Whatever `Classifier.count_tokens` raises.
        """
        return await self._do(partial(self._asker.count_tokens, check_one(text)), timeout)

    async def _do(self, work: Callable[[Deadline], _T], timeout: float | None) -> _T:
        """Have a thread do what takes a deadline, and wait for it."""
        deadline = self._asker.new_deadline(timeout, Stop())
        found: _T = await self._threads().do(work, deadline, self._too_late)
        return found

    def _too_late(self, deadline: Deadline) -> LightClientError:
        work = f"waiting for one of the {self._max_concurrency} places, all of them taken,"
        mend = "raise max_concurrency=, start fewer calls at once, or pass a longer timeout"
        if self._pool.has_room:
            work = "starting this call"
            mend = "look for what blocks the event loop or the threads, or pass a longer timeout"
        return self._asker.predictor.too_late(deadline, work, mend)

    def _threads(self) -> Pool:
        if self._pool.pid != os.getpid():  # a fork takes no threads along
            self._pool = Pool(self._max_concurrency)
        return self._pool

    @overload
    def classify_many(
        self, texts: Iterable[Text] | AsyncIterable[Text], *, on_error: Literal["raise"] = "raise",
        missing: Literal["error"] = "error", timeout: float | None = None,
    ) -> AsyncGenerator[Classification, None]: ...  # fmt: skip
    @overload
    def classify_many(
        self, texts: Iterable[Text] | AsyncIterable[Text], *, on_error: Literal["return"],
        missing: Literal["error"] = "error", timeout: float | None = None,
    ) -> AsyncGenerator[Classification | LightClientError, None]: ...  # fmt: skip
    @overload
    def classify_many(
        self, texts: Iterable[Text | None] | AsyncIterable[Text | None], *,
        on_error: Literal["raise"] = "raise", missing: Literal["none"],
        timeout: float | None = None,
    ) -> AsyncGenerator[Classification | None, None]: ...  # fmt: skip
    @overload
    def classify_many(
        self, texts: Iterable[Text | None] | AsyncIterable[Text | None], *,
        on_error: Literal["return"], missing: Literal["none"], timeout: float | None = None,
    ) -> AsyncGenerator[Classification | LightClientError | None, None]: ...  # fmt: skip
    def classify_many(
        self,
        texts: Iterable[Text | None] | AsyncIterable[Text | None],
        *,
        on_error: OnError = "raise",
        missing: OnMissing = "error",
        timeout: float | None = None,
    ) -> AsyncGenerator[Any, None]:
        """Classify any number of texts, lazily and in order, as `Classifier.classify_many` does.

        Take the answers with `async for`. A stream has threads of its own and takes no place of
        `max_concurrency`. It ends when the loop is left. The first answers come when 192 texts have
        been read, or all: texts that come one now and then are a case for `classify`.

        Args:
            texts: any iterable, which is read in a thread, so that it may block; or an async
                iterable, which is read in the task.
            on_error, missing, timeout: as for `Classifier.classify_many`.

        Raises:
            InputError: an argument is not what it must be.
            Whatever `Classifier.classify_many` raises, where its turn comes.
        """
        return self._stream(self._asker.question, texts, on_error, missing, timeout)

    def _stream(
        self,
        question: Question,
        texts: Iterable[Text | None] | AsyncIterable[Text | None],
        on_error: OnError,
        missing: OnMissing,
        timeout: float | None,
    ) -> AsyncGenerator[Any, None]:
        """Ask a question about many texts, in threads of its own."""
        stop = Stop()
        feed = Feed(aiter(texts)) if isinstance(texts, AsyncIterable) else None
        read: Any = feed or texts
        answers = self._asker.stream(question, read, on_error, missing, timeout, stop)
        stream = Relay(answers, stop, feed)
        self._streams.add(stream)
        return stream.take()

    @overload
    async def zero_shot(
        self, texts: str, labels: Sequence[str], *, template: str = TEMPLATE,
        multi_label: bool = False, timeout: float | None = None,
    ) -> Classification: ...  # fmt: skip
    @overload
    async def zero_shot(
        self, texts: list[str], labels: Sequence[str], *, template: str = TEMPLATE,
        multi_label: bool = False, timeout: float | None = None,
    ) -> list[Classification]: ...  # fmt: skip
    async def zero_shot(
        self,
        texts: str | list[str],
        labels: Sequence[str],
        *,
        template: str = TEMPLATE,
        multi_label: bool = False,
        timeout: float | None = None,
    ) -> Classification | list[Classification]:
        """Classify by labels that the model has never seen, as `Classifier.zero_shot` does.

        Raises:
            Whatever `classify` and `Classifier.zero_shot` raise.
        """
        question = ZeroShot(labels, template, multi_label)
        ask = partial(self._asker.ask, question)
        found = await self._ask(ask, check_texts(texts), timeout)
        return found if isinstance(texts, list) else found[0]

    @overload
    def zero_shot_many(
        self, texts: Iterable[str] | AsyncIterable[str], labels: Sequence[str], *,
        template: str = TEMPLATE, multi_label: bool = False, on_error: Literal["raise"] = "raise",
        missing: Literal["error"] = "error", timeout: float | None = None,
    ) -> AsyncGenerator[Classification, None]: ...  # fmt: skip
    @overload
    def zero_shot_many(
        self, texts: Iterable[str] | AsyncIterable[str], labels: Sequence[str], *,
        template: str = TEMPLATE, multi_label: bool = False, on_error: Literal["return"],
        missing: Literal["error"] = "error", timeout: float | None = None,
    ) -> AsyncGenerator[Classification | LightClientError, None]: ...  # fmt: skip
    @overload
    def zero_shot_many(
        self, texts: Iterable[str | None] | AsyncIterable[str | None], labels: Sequence[str], *,
        template: str = TEMPLATE, multi_label: bool = False, on_error: Literal["raise"] = "raise",
        missing: Literal["none"], timeout: float | None = None,
    ) -> AsyncGenerator[Classification | None, None]: ...  # fmt: skip
    @overload
    def zero_shot_many(
        self, texts: Iterable[str | None] | AsyncIterable[str | None], labels: Sequence[str], *,
        template: str = TEMPLATE, multi_label: bool = False, on_error: Literal["return"],
        missing: Literal["none"], timeout: float | None = None,
    ) -> AsyncGenerator[Classification | LightClientError | None, None]: ...  # fmt: skip
    def zero_shot_many(
        self,
        texts: Iterable[str | None] | AsyncIterable[str | None],
        labels: Sequence[str],
        *,
        template: str = TEMPLATE,
        multi_label: bool = False,
        on_error: OnError = "raise",
        missing: OnMissing = "error",
        timeout: float | None = None,
    ) -> AsyncGenerator[Any, None]:
        """Ask what `zero_shot` asks about any number of texts, as `Classifier.zero_shot_many` does.

        A stream is read and ends as that of `classify_many`.
        """
        question = ZeroShot(labels, template, multi_label)
        return self._stream(question, texts, on_error, missing, timeout)

    async def rank(
        self,
        query: str,
        documents: Iterable[str],
        *,
        top_k: int | None = None,
        timeout: float | None = None,
    ) -> "list[Ranked]":
        """Put documents in the order of how well they fit a query, as `Classifier.rank` does.

        It takes one place of `max_concurrency`, and has several requests under way. The documents
        are read in a thread, so that reading them may block.

        Raises:
            TimedOut: also if `max_concurrency` calls were under way until the deadline.
            Whatever `Classifier.rank` raises.
        """
        return await self._do(partial(self._asker.rank, query, documents, top_k), timeout)

    async def aclose(self) -> None:
        """End all threads and close the idle connections; a later call opens new ones.

        Calls that are under way come to their end, inside their deadlines. A `classify_many` that
        is under way is ended, with a `LightClientError` for the task that takes its answers. An
        iterable of texts that blocks its thread is waited for, but not for long.
        """
        pool, self._pool = self._pool, Pool(self._max_concurrency)
        pool.end()
        streams = self._open_streams()
        for stream in streams:
            stream.leave()
        await _wait_for(pool.threads)
        await _wait_for([stream.thread for stream in streams if stream.thread], _LEFT_AFTER)
        self._asker.close()

    def _open_streams(self) -> list[Relay]:
        while True:
            with suppress(RuntimeError):  # another event loop has begun one meanwhile
                return list(self._streams)

    async def __aenter__(self) -> "AsyncClassifier":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"AsyncClassifier{self._asker!r}"

    def __getstate__(self) -> tuple[Settings, int]:
        return self._asker.settings, self._max_concurrency

    def __setstate__(self, state: tuple[Settings, int]) -> None:
        """Set up from settings, as `Classifier` does."""
        self._set_up(*state)

    def _set_up(self, settings: Settings, max_concurrency: int) -> None:
        self._asker, self._max_concurrency = Asker(settings), max_concurrency
        self._pool, self._streams = Pool(max_concurrency), WeakSet[Relay]()


async def _wait_for(threads: list[threading.Thread], seconds: float = math.inf) -> None:
    """Wait until the threads have ended, or for so long."""
    end = time.monotonic() + seconds
    while any(thread.is_alive() for thread in threads) and time.monotonic() < end:
        await asyncio.sleep(_POLL)
