"""Texts that are longer than the model reads: cut, refused, or read in windows."""

import asyncio
import dataclasses
import json
import math
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightclient import (
    AsyncClassifier,
    BadRequest,
    Bundle,
    Classification,
    Classifier,
    InputError,
    Signature,
    TimedOut,
    Unavailable,
)
from lightclient.aws_lambda import make_handler
from lightclient.model.windows import MOST_TOKENS
from lightclient.standin import ServedModel, SignatureDef, StandIn, TensorSpec
from tests.lambda_events import batch_event, failures, http_event
from tests.oracle import Oracle
from tests.scripted import outputs, read_request, response, serving
from tests.test_carried import Changing, model_folder, served
from tests.test_stream import POISON, POISON_ID, Arrays, threads, versions
from tests.test_stream import Batching as Together

DEFAULT = Bundle.load()
ORACLE = Oracle(DEFAULT)
LIMIT, STRIDE, SPECIAL = 20, 5, 2
WORDS = "the film was a long dull gem of many bad and some good scenes".split()
FREE = (None, None)


def text_of(words: int, seed: int = 0) -> str:
    """A text of so many tokens of its own."""
    return " ".join(WORDS[(seed + at * (1 + seed % 5)) % len(WORDS)] for at in range(words))


SHORT = [text_of(words, words) for words in (1, 7, LIMIT - SPECIAL)]
LONG = [text_of(words, words) for words in (LIMIT - SPECIAL + 1, 31, 32, 100, 333)]
TEXTS = [SHORT[0], LONG[0], LONG[3], SHORT[1], LONG[1], LONG[2], LONG[4], SHORT[2]]


# The reference: as little as the promise needs, and nothing of the package.


def windows_of(ids: list[int], limit: int = LIMIT, stride: int = STRIDE) -> list[list[int]]:
    [cls, *own, sep], room = ids, limit - SPECIAL
    if len(own) <= room:
        return [ids]
    starts = [0]
    while starts[-1] + room < len(own):
        starts.append(starts[-1] + room - stride)
    return [[cls, *own[start : start + room], sep] for start in starts]


def logits_of(ids: Sequence[int], labels: int) -> list[float]:
    """Logits that depend on every token, and differ from row to row."""
    total = sum(at * token for at, token in enumerate(ids))
    return [(total * (label + 3) % 997) / 200 - 2.5 for label in range(labels)]


def softmax(logits: Any) -> Any:
    powers = np.exp(logits)
    return powers / powers.sum(axis=1, keepdims=True)


def sigmoid(logits: Any) -> Any:
    return 1 / (1 + np.exp(-logits))


def plain(values: Any) -> Any:
    return values


REDUCE = {"mean": np.mean, "max": np.max}


@dataclasses.dataclass
class Head:
    """What a model gives, and what the scores of a row are made by.

    `gives`: makes the output of the logits. `scores`: makes the scores of the output. `together`:
    the labels exclude each other, so that the scores sum to 1.
    """

    labels: int
    scores: Callable[[Any], Any]
    together: bool = False
    problem: str | None = None
    function: Any = None
    gives: Callable[[Any], Any] = plain
    output: str = "logits"

    def bundle(self) -> Bundle:
        labels = tuple(f"L{at}" for at in range(self.labels))
        return dataclasses.replace(DEFAULT, labels=labels, problem_type=self.problem)

    def model(self, seen: list[tuple[int, int]] | None = None) -> ServedModel:
        def run(inputs: Arrays) -> Arrays:
            if seen is not None:
                seen.append(inputs["input_ids"].shape)
            given = self.of(rows_of(inputs))
            return {self.output: given.astype(np.float32)}

        ids = TensorSpec("int32", FREE)
        inputs = {"input_ids": ids, "attention_mask": ids}
        spec = SignatureDef(run, inputs, {self.output: TensorSpec("float32", FREE)})
        return ServedModel({1: {"serving_default": spec}})

    def of(self, rows: list[list[int]]) -> Any:
        return self.gives(np.array([logits_of(row, self.labels) for row in rows]))

    def expected(self, text: str, joining: str, **sizes: int) -> dict[str, float]:
        table = self.scores(self.of(windows_of(ORACLE.ids(text), **sizes)))
        joined = REDUCE[joining](table, axis=0)
        if self.together:
            joined = joined / joined.sum()
        return {f"L{at}": value for at, value in enumerate(joined)}

    def raw(self, text: str, joining: str) -> list[float]:
        found: list[float] = REDUCE[joining](self.of(windows_of(ORACLE.ids(text))), axis=0).tolist()
        return found


def rows_of(inputs: Arrays) -> list[list[int]]:
    return [
        row[shown == 1].tolist()
        for row, shown in zip(inputs["input_ids"], inputs["attention_mask"], strict=True)
    ]


def opposed(logits: Any) -> Any:
    """Two logits whose sigmoids sum to 1 in each row, as those of two softmax labels may."""
    return np.concatenate([logits[:, :1], -logits[:, :1]], axis=1)


THREE = Head(3, softmax, together=True)
HEADS = {
    "softmax": THREE,
    "sigmoid": Head(3, sigmoid, problem="multi_label_classification"),
    "one label": Head(1, sigmoid),
    "regression": Head(2, plain, problem="regression"),
    "probabilities": Head(3, plain, together=True, gives=softmax, output="probabilities"),
    "probabilities of each label": Head(
        3, plain, problem="multi_label_classification", gives=sigmoid, output="probabilities"
    ),
    "logits as they are": Head(3, plain, function="none"),
    "sigmoid by hand": Head(2, sigmoid, function="sigmoid", gives=opposed),
}


def make(url: str, head: Head = THREE, **options: Any) -> Classifier:
    settings = {"max_length": LIMIT, "stride": STRIDE, "long_texts": "mean", "timeout": 30}
    chosen = {"bundle": head.bundle(), "function": head.function} | settings | options
    return Classifier(url, **chosen)


def assert_like(answer: Classification, expected: dict[str, float]) -> None:
    assert dict(answer.scores) == pytest.approx(expected, abs=2e-6)
    ranked = sorted(answer.scores, key=lambda score: -score.score)
    assert list(answer.scores) == ranked
    assert (answer.label, answer.score) == ranked[0]


def count(text: str, limit: int = LIMIT, stride: int = STRIDE) -> int:
    """As the README says."""
    tokens = len(ORACLE.ids(text))
    return 1 + max(0, math.ceil((tokens - limit) / (limit - SPECIAL - stride)))


@pytest.mark.parametrize("joining", REDUCE)
@pytest.mark.parametrize("name", HEADS)
def test_the_scores_of_windows_are_joined_label_by_label(name: str, joining: str) -> None:
    head = HEADS[name]
    with StandIn(head.model()) as url, make(url, head, long_texts=joining) as classifier:
        alone = [classifier.classify(text) for text in TEXTS]
        assert classifier.classify(TEXTS) == alone
        assert list(classifier.classify_many(TEXTS)) == alone
    for text, answer in zip(TEXTS, alone, strict=True):
        assert_like(answer, head.expected(text, joining))
        assert answer.logits == pytest.approx(head.raw(text, joining), abs=2e-6)
        assert (answer.windows, answer.truncated) == (count(text), False)
    assert [answer.windows for answer in alone] == [1, 2, 8, 1, 2, 3, 26, 1]


@pytest.mark.parametrize("stride", [0, 1, LIMIT - SPECIAL - 1])
def test_any_stride(stride: int) -> None:
    with StandIn(THREE.model()) as url, make(url, stride=stride) as classifier:
        for text in LONG[:4]:
            answer = classifier.classify(text)
            assert_like(answer, THREE.expected(text, "mean", stride=stride))
            assert answer.windows == count(text, stride=stride)


def test_windows_and_short_texts_share_requests() -> None:
    seen: list[tuple[int, int]] = []
    texts = [text_of(40 + at, at) if at % 2 else text_of(18, at) for at in range(60)]
    with StandIn(THREE.model(seen)) as url, make(url) as classifier:
        answers = list(classifier.classify_many(texts))
    rows = sum(answer.windows for answer in answers)
    assert sum(size for size, _ in seen) == rows > 130
    assert max(size for size, _ in seen) == 512 // LIMIT
    assert len(seen) <= math.ceil(rows / (512 // LIMIT)) + 1
    for text, answer in zip(texts, answers, strict=True):
        assert_like(answer, THREE.expected(text, "mean"))


@pytest.mark.parametrize("long_texts", ["refuse", "mean", "max"])
def test_a_text_that_fits_gets_exactly_the_answer_it_always_got(long_texts: str) -> None:
    seen: list[tuple[int, int]] = []
    with StandIn(THREE.model(seen)) as url:
        usual, other = make(url, long_texts="cut"), make(url, long_texts=long_texts)
        for texts in (SHORT[0], SHORT, SHORT * 40, (SHORT[0], SHORT[1])):
            assert usual.classify(texts) == other.classify(texts)
            assert seen[-1] == seen[-2]  # the same single request
        assert len(seen) == 8
        assert threads() == []
        assert list(other.classify_many(SHORT)) == usual.classify(SHORT)
        one_word = "gem" * 50_000
        assert other.classify(one_word) == usual.classify(one_word)


def test_a_long_text_is_cut_unless_somebody_chooses() -> None:
    with StandIn(THREE.model()) as url:
        usual = Classifier(url, bundle=THREE.bundle(), max_length=LIMIT)
        answer = usual.classify(LONG[3])
        assert_like(answer, THREE.expected(text_of(LIMIT - SPECIAL, 100), "mean"))
    assert (answer.truncated, answer.windows) == (True, 1)


@pytest.mark.parametrize("joining", REDUCE)
def test_pairs_are_cut(joining: str) -> None:
    seen: list[tuple[int, int]] = []
    pair, no_pair = (LONG[3], LONG[2]), (LONG[3], "")
    with StandIn(THREE.model(seen)) as url:
        ours, usual = make(url, long_texts=joining), make(url, long_texts="cut")
        [answer] = ours.classify_many([pair])
        assert answer == ours.classify(pair) == usual.classify(pair)
        assert (answer.truncated, answer.windows) == (True, 1)
        # This one is no pair, as everywhere.
        assert ours.classify(no_pair) == ours.classify(LONG[3])
        many = [(LONG[3], text_of(30, at)) for at in range(60)]
        assert ours.classify(many) == usual.classify(many)
        assert seen[-2:] == [(60, LIMIT)] * 2  # in one request each


def test_equal_long_texts_are_asked_once() -> None:
    seen: list[tuple[int, int]] = []
    texts = [LONG[3], LONG[4], LONG[3], SHORT[0], LONG[3]]
    with StandIn(THREE.model(seen)) as url, make(url) as classifier:
        answers = list(classifier.classify_many(texts))
    assert sum(size for size, _ in seen) == count(LONG[3]) + count(LONG[4]) + 1
    assert answers[0] == answers[2] == answers[4]
    assert [answer.windows for answer in answers] == [count(text) for text in texts]


def test_refusing_names_the_text_and_its_tokens() -> None:
    seen: list[tuple[int, int]] = []
    with StandIn(THREE.model(seen)) as url, make(url, long_texts="refuse") as classifier:
        words = r"has 102 tokens, and the model reads 20: shorten it, or let long_texts= or "
        with pytest.raises(InputError, match=rf"^the text {words}"):
            classifier.classify(LONG[3])
        with pytest.raises(InputError, match=rf"^texts\[1\] {words}"):
            classifier.classify([SHORT[0], LONG[3]])
        with pytest.raises(InputError, match=r"^the text has 55 tokens"):
            classifier.classify((LONG[1], text_of(21)))
        with pytest.raises(InputError, match=r"^the text has (?:at least|more than) 65,536 tokens"):
            classifier.classify("gem " * MOST_TOKENS)
        assert seen == []
        found: list[Any] = []
        with pytest.raises(InputError, match=r"^texts\[2\]: the text has 33 tokens") as caught:
            found.extend(classifier.classify_many([*SHORT[:2], LONG[1], SHORT[2]]))
        assert found == classifier.classify(SHORT[:2])
        assert caught.value.index == 2


def test_only_the_text_that_is_too_long_is_refused() -> None:
    texts = [SHORT[0], LONG[0], SHORT[1], LONG[1], LONG[0], SHORT[2]]
    with StandIn(THREE.model()) as url, make(url, long_texts="refuse") as classifier:
        answers: list[Any] = list(classifier.classify_many(texts, on_error="return"))
        assert [answers[at] for at in (0, 2, 5)] == classifier.classify(SHORT)
    refused = {at: str(answers[at]) for at in (1, 3, 4)}
    for at, tokens in ((1, 21), (3, 33), (4, 21)):
        assert refused[at].startswith(f"texts[{at}]: the text has {tokens} tokens")
        assert (type(answers[at]), answers[at].index) == (InputError, at)


@pytest.mark.parametrize("long_texts", ["mean", "max"])
def test_a_stride_without_room_is_an_error_as_soon_as_it_is_known(long_texts: Any) -> None:
    words = "stride must be a whole number from 0 to 17, not 18: a window of 20 tokens"
    with pytest.raises(InputError, match=words):
        make("http://localhost:1/v1/models/m", long_texts=long_texts, stride=18)
    make("http://localhost:1/v1/models/m", long_texts=long_texts, stride=17)
    make("http://localhost:1/v1/models/m", long_texts="cut", stride=18)
    with StandIn() as url:  # the bundle is not known before the first call
        classifier = Classifier(url, max_length=LIMIT, long_texts=long_texts, stride=18)
        with pytest.raises(InputError, match=f"^{words}"):
            classifier.classify("a")
        with pytest.raises(InputError, match=words):
            list(classifier.classify_many(["a"]))
        classifier = Classifier(url, bundle="served", long_texts=long_texts, stride=510)
        with pytest.raises(InputError, match="from 0 to 509, not 510"):
            classifier.classify("a")


@pytest.mark.parametrize("wrong", [-1, 1.5, True, "2"])
def test_what_is_no_stride_or_choice(wrong: Any) -> None:
    with pytest.raises(InputError, match=r"^stride must be a whole number, 0 or more, not"):
        Classifier("http://localhost:1/v1/models/m", stride=wrong)
    with pytest.raises(InputError, match=r"^long_texts must be one of cut, refuse, mean, max, not"):
        Classifier("http://localhost:1/v1/models/m", long_texts=wrong)


# A model that has a new version in the middle.


def by_version(text: str, limit: int) -> Any:
    """Logits of `versions` in test_stream.py, joined by their mean."""
    rows = windows_of(ORACLE.ids(text), limit)
    return np.mean([(sum(row) % 1009, len(row)) for row in rows], axis=0)


@pytest.mark.parametrize("after", [1, 3])
@pytest.mark.parametrize("lengths", [(20, 32), (32, 20), (20, 400), (-1, 20)])
def test_windows_of_two_versions_never_meet(lengths: tuple[int, int], after: int) -> None:
    """Each answer is that of one version, whole."""
    limits = [512 if length < 0 else length for length in lengths]
    texts = [text_of(40 + 40 * at, at) for at in range(24)]  # of up to four requests
    for many in (False, True):
        changing = versions(*((length, 2) for length in lengths), after=after)
        with serving(changing) as server:
            classifier = Classifier(server.url, bundle=DEFAULT, long_texts="mean", stride=STRIDE)
            few = texts if many else [texts[8], *texts[-3:]]
            ask = classifier.classify_many if many else partial(map, classifier.classify)
            answers = list(ask(few))
        for text, answer in zip(few, answers, strict=True):
            old, new = (by_version(text, limit) for limit in limits)
            given = np.array(answer.logits)
            assert answer.windows in [count(text, limit) for limit in limits]
            assert np.allclose(given, new, rtol=1e-6) or np.allclose(given, old, rtol=1e-6)
        assert np.allclose(given, new, rtol=1e-6)


@pytest.mark.parametrize("new_from", [4, 5, 7])
def test_a_new_version_with_other_labels_and_tokens(tmp_path: Path, new_from: int) -> None:
    folders = [
        model_folder(tmp_path / "one", ["ham", "spam"], "bert-uncased"),
        model_folder(tmp_path / "two", ["no", "yes", "news"], "roberta"),
    ]

    def run(labels: int, inputs: Arrays) -> Arrays:
        rows = [logits_of(row, labels) for row in rows_of(inputs)]
        return {"logits": np.array(rows, np.float32)}

    models = [
        served(folder, partial(run, labels)) for folder, labels in zip(folders, (2, 3), strict=True)
    ]
    text, options = text_of(900), {"max_length": LIMIT, "stride": STRIDE, "long_texts": "max"}
    alone = []
    for model in models:
        with StandIn({"m": model}) as url:
            alone.append(Classifier(url, **options).classify(text))  # type: ignore[arg-type]
    repository = Changing(*models, turn=lambda at: int(at >= new_from))
    with StandIn(repository) as url, Classifier(url, **options) as ours:  # type: ignore[arg-type]
        found = [ours.classify(text), *ours.classify_many([text, text_of(50), text])]
    assert alone[0] != alone[1]
    assert all(answer in alone for answer in (found[0], found[1], found[3]))
    assert found[3] == alone[1]


# What goes wrong.


def poisoned(inputs: Arrays) -> Arrays:
    """Fails whenever one word is among the rows."""
    rows = rows_of(inputs)
    if any(POISON_ID in row for row in rows):
        raise ValueError("this text breaks the model")
    return {"logits": THREE.of(rows).astype(np.float32)}


def test_the_error_of_one_window_is_that_of_its_text() -> None:
    bad = f"{LONG[3]} {POISON} {LONG[2]}"
    texts = [LONG[4], bad, SHORT[0], LONG[3], bad]
    with StandIn(poisoned) as url, make(url) as classifier:
        answers: list[Any] = list(classifier.classify_many(texts, on_error="return"))
        assert [answers[at] for at in (0, 2, 3)] == classifier.classify([LONG[4], *texts[2:4]])
        for at in (1, 4):
            assert (type(answers[at]), answers[at].index) == (BadRequest, at)
            assert str(answers[at]).startswith(f"texts[{at}]: ")
        with pytest.raises(BadRequest, match=r"^texts\[1\]: ") as caught:
            classifier.classify(texts)
        assert caught.value.index == 1
        with pytest.raises(BadRequest) as caught:
            classifier.classify(bad)
        assert not str(caught.value).startswith("texts")
        assert caught.value.index is None


def test_a_text_fails_with_its_first_window_that_fails() -> None:
    """While others are under way. Those that are not are never sent."""
    four_came, failed, asked = threading.Event(), threading.Event(), []

    def script(connection: socket.socket) -> None:
        while request := read_request(connection):
            rows = json.loads(request.partition(b"\r\n\r\n")[2])["inputs"]["input_ids"]
            asked.extend(rows)
            if len(asked) == 4:
                four_came.set()
            if POISON_ID in rows[0]:
                four_came.wait(20)
                connection.sendall(response(400, '{"error": "never"}'))
            else:
                failed.wait(20)  # far below the timeout
                connection.sendall(outputs([[-1.0, 1.0]] * len(rows)))

    bad = f"{text_of(600)} {POISON} {text_of(5000)}"
    with serving(script) as server:
        classifier = Classifier(
            server.url, signature=Signature(output="logits"), long_texts="mean", timeout=60
        )
        answers = classifier.classify_many([bad, "a short one"], on_error="return")
        assert isinstance(next(answers), BadRequest)
        assert not failed.is_set()
        failed.set()
        assert isinstance(next(answers), Classification)
        assert list(answers) == []
        # Four at once, the one that failed once more, and the short text.
        assert len(asked) == 6
        failed.clear()
        with pytest.raises(BadRequest):
            classifier.classify(bad)
        assert not failed.is_set()
        failed.set()
    assert threads() == []


def hang_after(answered: int) -> Callable[[socket.socket], None]:
    """Answers so many requests, and then none."""
    count, lock = 0, threading.Lock()

    def script(connection: socket.socket) -> None:
        nonlocal count
        while request := read_request(connection):
            with lock:
                count += 1
                hangs = count > answered
            if hangs:
                connection.recv(1)
                return
            rows = json.loads(request.partition(b"\r\n\r\n")[2])["inputs"]["input_ids"]
            connection.sendall(outputs([[-1.0, 1.0]] * len(rows)))

    return script


def test_a_long_text_has_the_deadline_of_its_call() -> None:
    text = text_of(5000)
    with serving(hang_after(3)) as server:
        stated = Signature(output="logits")
        classifier = Classifier(server.url, signature=stated, long_texts="mean", timeout=60)
        for texts in (text, [SHORT[0], text]):
            with pytest.raises(TimedOut, match=r"within 0\.3 s") as caught:
                classifier.classify(texts, timeout=0.3)
            assert caught.value.timeout == 0.3
            assert "texts[" not in str(caught.value)
        [error] = classifier.classify_many([text], on_error="return", timeout=0.3)
        assert (type(error), getattr(error, "timeout", None)) == (TimedOut, 0.3)
    assert threads() == []


def test_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    def busy_at_first(connection: socket.socket) -> None:
        if request := read_request(connection):
            connection.sendall(response(503, '{"error": "busy"}', "Connection: close"))
        while request := read_request(connection):
            rows = json.loads(request.partition(b"\r\n\r\n")[2])["inputs"]["input_ids"]
            connection.sendall(outputs([[-1.0, 1.0]] * len(rows)))

    def answer(connection: socket.socket) -> None:
        hang_after(99)(connection)

    stated = {"signature": Signature(output="logits"), "long_texts": "max", "timeout": 30}
    with serving(busy_at_first, answer) as server:
        never: Any = Classifier(server.url, retries=0, **stated)  # type: ignore[arg-type]
        with pytest.raises(Unavailable):
            never.classify(text_of(1200))
    with serving(busy_at_first, answer) as server:
        usual = Classifier(server.url, **stated)  # type: ignore[arg-type]
        assert usual.classify(text_of(1200)).windows == 3


def test_an_interrupt_ends_a_long_text() -> None:
    def interrupt(connection: socket.socket) -> None:
        read_request(connection)
        os.kill(os.getpid(), signal.SIGINT)
        connection.recv(1)

    with serving(interrupt, hang_after(0)) as server:
        stated = Signature(output="logits")
        classifier = Classifier(server.url, signature=stated, long_texts="mean", timeout=60)
        with pytest.raises(KeyboardInterrupt):
            classifier.classify(text_of(5000))
        end = time.monotonic() + 10
        while threads() and time.monotonic() < end:  # one may have been about to start
            time.sleep(0.01)
        assert threads() == []


def test_a_server_that_batches_gets_windows_of_one_length() -> None:
    model = Together(2)  # which refuses two lengths at once
    texts = [text_of(30 + at % 50, at) for at in range(120)]
    with StandIn(model) as url:
        classifier = Classifier(url, max_length=40, long_texts="mean", stride=STRIDE)
        answers = list(classifier.classify_many(texts))
    assert model.refused > 0
    for text, answer in zip(texts, answers, strict=True):
        assert answer.logits == pytest.approx(by_version(text, 40), rel=1e-6)


def test_a_server_that_takes_few_rows() -> None:
    seen: list[int] = []

    def run(inputs: Arrays) -> Arrays:
        rows = rows_of(inputs)
        if len(rows) > 3:
            raise ValueError(f"Task size {len(rows)} is larger than maximum input batch size 3")
        seen.append(len(rows))
        return {"logits": THREE.of(rows).astype(np.float32)}

    with StandIn(run) as url, make(url) as classifier:
        assert_like(classifier.classify(LONG[4]), THREE.expected(LONG[4], "mean"))
    assert sum(seen) == count(LONG[4])


# Everywhere a classifier goes.


def test_from_an_event_loop() -> None:
    bad = f"{LONG[3]} {POISON}"

    async def ask(url: str) -> None:
        async with AsyncClassifier(
            url, bundle=THREE.bundle(), max_length=LIMIT, stride=STRIDE, long_texts="max"
        ) as ours:
            expected = make(url, long_texts="max").classify(TEXTS)
            assert await ours.classify(TEXTS) == expected
            assert await ours.classify(TEXTS[2]) == expected[2]
            together = await asyncio.gather(*map(ours.classify, TEXTS))
            assert together == expected
            assert [answer async for answer in ours.classify_many(TEXTS)] == expected
            with pytest.raises(BadRequest):
                await ours.classify(bad)
        refusing = AsyncClassifier(url, max_length=LIMIT, long_texts="refuse")
        with pytest.raises(InputError, match=r"^the text has 102 tokens"):
            await refusing.classify(LONG[3])
        await refusing.aclose()

    with StandIn(poisoned) as url:
        asyncio.run(ask(url))
    assert threads() == []


def test_a_cancelled_task_ends_its_windows() -> None:
    async def ask(url: str) -> None:
        stated = Signature(output="logits")
        async with AsyncClassifier(url, signature=stated, long_texts="mean", timeout=60) as ours:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(ours.classify(text_of(5000)), 0.3)
            for _ in range(1000):  # long before the timeout
                if threads():
                    await asyncio.sleep(0.01)
            assert threads() == []

    with serving(hang_after(3)) as server:
        asyncio.run(ask(server.url))


def test_a_pickle_and_a_copy_read_the_same_windows() -> None:
    with StandIn(THREE.model()) as url:
        classifier = make(url, long_texts="max", stride=3)
        expected = classifier.classify(LONG[3])
        assert expected.windows == count(LONG[3], stride=3)
        assert pickle.loads(pickle.dumps(classifier)).classify(LONG[3]) == expected
        assert pickle.loads(pickle.dumps(expected)) == expected


def test_a_shared_classifier_answers_each_thread() -> None:
    with StandIn(THREE.model()) as url, make(url) as classifier:
        expected = classifier.classify(TEXTS)
        found: dict[int, Any] = {}

        def ask(at: int) -> None:
            found[at] = [classifier.classify(text) for text in TEXTS[at:] + TEXTS[:at]]

        asking = [threading.Thread(target=ask, args=(at,)) for at in range(len(TEXTS))]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
    assert found == {at: expected[at:] + expected[:at] for at in range(len(TEXTS))}


FORKED = """
import os, sys
from lightclient import Classifier
classifier = Classifier(sys.argv[1], long_texts="mean")
text = "the film was good and " * 500
expected = classifier.classify(text)
assert expected.windows > 3
child = os.fork()
if child == 0:
    os._exit(0 if classifier.classify(text) == expected else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_on_both_sides_of_a_fork() -> None:
    def run(inputs: Arrays) -> Arrays:
        return {"logits": np.array([logits_of(row, 2) for row in rows_of(inputs)], np.float32)}

    with StandIn(run) as url:
        program = [sys.executable, "-W", "ignore", "-c", FORKED, url]
        assert subprocess.run(program, timeout=60, check=False).returncode == 0


def test_a_lambda_handler() -> None:
    bundle = THREE.bundle()
    with StandIn(THREE.model()) as url:
        handle, expected = make_handler(make(url)), make(url).classify(TEXTS)
        assert handle({"text": TEXTS[2]}, None)["score"] == expected[2].score
        given = handle({"texts": TEXTS}, None)
        assert [answer["label"] for answer in given] == [answer.label for answer in expected]
        delivered: list[Any] = []
        take = make_handler(make(url), deliver=lambda _, answer: delivered.append(answer))
        batch = batch_event("sqs", *({"text": text} for text in TEXTS))
        assert failures(take(batch, None)) == []
        assert delivered == expected
        refusing = make_handler(
            Classifier(url, bundle=bundle, max_length=LIMIT, long_texts="refuse")
        )
        refused = refusing(http_event("http", {"text": LONG[3]}), None)
        assert refused["statusCode"] == 400
        assert "the text has 102 tokens" in refused["body"]
        assert failures(refusing(batch, None)) == ["id-1", "id-2", "id-4", "id-5", "id-6"]


# Ten megabytes.


TEN_MEGABYTES = """
import resource, sys
from lightclient import Classifier, Signature

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

signature = Signature(output="logits")
classifier = Classifier(sys.argv[1], signature=signature, long_texts="mean", timeout=60)
texts = (f"{at} " + "the film was good and " * 450_000 for at in range(9))
answers, before = [classifier.classify(next(texts))], peak()
answers += classifier.classify_many(texts)
print([(answer.windows, answer.truncated) for answer in answers], peak() - before, sep="\\n")
"""


def test_ten_megabytes_are_read_up_to_a_bound_and_few_at_a_time() -> None:
    sent: list[int] = []

    def script(connection: socket.socket) -> None:
        while request := read_request(connection):
            sent.append(request.count(b"],["))  # between the rows of ids, and of the masks
            connection.sendall(outputs([[-1.0, 1.0]] * (sent[-1] // 2 + 1)))

    with serving(script) as server:
        program = [sys.executable, "-W", "ignore", "-c", TEN_MEGABYTES, server.url]
        ended = subprocess.run(program, stdout=subprocess.PIPE, text=True, timeout=120, check=True)
    answers, more = ended.stdout.splitlines()
    windows = 1 + math.ceil((MOST_TOKENS - 512) / (512 - SPECIAL - 64))
    assert answers == str([(windows, True)] * 9)
    assert sum(between // 2 + 1 for between in sent) == 9 * windows
    assert float(more) < 75  # MiB; all of them would take more than 100
