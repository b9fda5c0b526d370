"""Many texts: in order, sorted into requests, several at once, each error in its place."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from lightclient import (
    BadRequest,
    Bundle,
    CannotConnect,
    Classification,
    Classifier,
    InputError,
    LightClientError,
    Overloaded,
    ReplyError,
    Signature,
    SignatureError,
    TimedOut,
)
from lightclient.model.encoding import tokenize
from lightclient.serving.predictor import Predictor
from lightclient.standin import ServedModel, SignatureDef, StandIn, TensorSpec
from lightclient.streams.load import FIRST, MOST
from tests.golden import GOLDEN
from tests.scripted import read_request, response, serving

Arrays = dict[str, Any]
BUNDLE = Bundle.load()
POISON = "zebra"
[POISON_ID] = BUNDLE.loaded.tokenizer.bare_ids(POISON)
SHAPES_DIFFER = (
    "Tensors with name 'serving_default_input_ids:0' from different tasks have different shapes "
    "and padding is turned off. Set pad_variable_length_inputs to true, or ensure that all "
    "tensors with the same name have equal dimensions starting with the first dim."
)


class Model:
    """Logits that tell a row by its ids; remembers the shapes it was given."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, int]] = []

    def __call__(self, inputs: Arrays) -> Arrays:
        ids, mask = np.array(inputs["input_ids"]), np.array(inputs["attention_mask"])
        self.shapes.append(ids.shape)
        return {"logits": np.array([expected(row[row_mask == 1]) for row, row_mask in
                                    zip(ids, mask, strict=True)], dtype=np.float32)}  # fmt: skip


class Poisoned(Model):
    """Fails whenever one text is among the rows."""

    def __call__(self, inputs: Arrays) -> Arrays:
        if (np.array(inputs["input_ids"]) == POISON_ID).any():
            raise ValueError("this text breaks the model")
        return super().__call__(inputs)


def expected(ids: Any) -> tuple[float, float]:
    return (float(sum(ids) % 1009), float(len(ids)))


def logits_of(text: Any) -> tuple[float, float]:
    return expected(tokenize([text], BUNDLE, 512)[0].input_ids)


def assert_right(answers: list[Any], texts: list[Any]) -> None:
    assert [answer.logits for answer in answers] == [logits_of(text) for text in texts]


def texts_of_many_lengths(count: int) -> list[str]:
    return [" ".join([f"word{at % 7}"] * (at * 37 % 60)) + f" {at}" for at in range(count)]


def test_every_text_gets_its_own_answer_in_order() -> None:
    texts: list[Any] = [*texts_of_many_lengths(1500), ("a", "pair of texts"), "the last"]
    model = Model()
    with StandIn(model) as url, Classifier(url) as classifier:
        assert_right(list(classifier.classify_many(texts)), texts)
    assert all(rows * length <= MOST.tokens for rows, length in model.shapes)
    sent = sum(rows * length for rows, length in model.shapes)
    tokens = sum(int(logits_of(text)[1]) for text in texts)
    assert sent < 1.3 * tokens  # hardly any padding, where batches of 32 as they come have 1.9


def test_equal_texts_of_a_chunk_are_asked_once() -> None:
    texts: list[Any] = ["a", "b", "a", ("a", "b"), ("a", "b"), "a b", "b"] * 9  # less than a chunk
    model = Model()
    with StandIn(model) as url, Classifier(url) as classifier:
        assert_right(list(classifier.classify_many(texts)), texts)
    assert sum(rows for rows, _ in model.shapes) == len(set(texts))


class Shouted(str):
    """A str with an equality of its own."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and self.lower() == other.lower()

    __hash__ = None  # type: ignore[assignment]


def test_texts_that_only_call_themselves_equal_are_not() -> None:
    texts: list[Any] = [Shouted("a b"), Shouted("A B c"), "a b", (Shouted("a"), "b")]
    with StandIn(Model()) as url, Classifier(url) as classifier:
        answers = list(classifier.classify_many(texts))
    plain = [str.__str__(text) if isinstance(text, str) else ("a", "b") for text in texts]
    assert_right(answers, plain)


def test_equal_texts_fail_each_in_its_place() -> None:
    texts = ["a", POISON, "b", POISON, "\ud800", "a", "\ud800", POISON]
    with StandIn(Poisoned()) as url, Classifier(url) as classifier:
        answers = list(classifier.classify_many(texts, on_error="return"))
        with pytest.raises(BadRequest, match=r"^texts\[1\]: "):
            list(classifier.classify_many(texts))
    errors = {answer.index: type(answer) for answer in answers if isinstance(answer, Exception)}
    assert errors == dict.fromkeys((1, 3, 7), BadRequest) | dict.fromkeys((4, 6), InputError)
    assert_right([answers[at] for at in (0, 2, 5)], ["a", "b", "a"])


def test_a_fixed_length_is_kept_to() -> None:
    model = Model()
    inputs = {name: TensorSpec("int32", (None, 64)) for name in ("input_ids", "attention_mask")}
    spec = SignatureDef(model, inputs, {"logits": TensorSpec("float32", (None, 2))})
    texts = [text[:100] for text in texts_of_many_lengths(200)]
    with StandIn({"m": ServedModel({1: {"serving_default": spec}})}) as url:
        assert_right(list(Classifier(url).classify_many(texts)), texts)
    assert {length for _, length in model.shapes} == {64}
    assert max(rows for rows, _ in model.shapes) == FIRST.tokens // 64


def test_several_requests_are_under_way_at_once_and_no_more() -> None:
    all_here = threading.Barrier(FIRST.requests, timeout=30)
    lock, at_once, most = threading.Lock(), 0, 0

    class Slow(Model):
        def __call__(self, inputs: Arrays) -> Arrays:
            nonlocal at_once, most
            with lock:
                at_once += 1
                most = max(most, at_once)
            if len(inputs["input_ids"]) > 1:  # those of the long texts come four at a time
                all_here.wait()
            with lock:
                at_once -= 1
            return super().__call__(inputs)

    texts = [f"{at} " + "word " * 120 for at in range(64)]  # 16 requests of 4
    with StandIn(Slow()) as url, Classifier(url) as classifier:
        assert len(list(classifier.classify_many(texts))) == 64
    assert most == FIRST.requests


def test_an_error_is_raised_in_its_turn_and_names_its_text() -> None:
    texts = texts_of_many_lengths(300)
    texts[130] = f"a {POISON}"
    answers: list[Classification] = []
    with StandIn(Poisoned()) as url, Classifier(url) as classifier:
        with pytest.raises(LightClientError, match=r"^texts\[130\]: ") as caught:
            answers.extend(classifier.classify_many(texts))
        assert classifier.classify("still well")
    assert caught.value.index == 130
    assert isinstance(caught.value, BadRequest)
    assert_right(answers, texts[:130])


def test_returned_errors_stand_in_their_places() -> None:
    texts: list[Any] = texts_of_many_lengths(300)
    bad = {0, 64, 130, 131, 299}
    for at in bad:
        texts[at] = f"{at} {POISON}"
    texts[7], texts[200] = None, "\ud800"
    with StandIn(Poisoned()) as url, Classifier(url) as classifier:
        answers = list(classifier.classify_many(texts, on_error="return"))
    errors = {at: answer for at, answer in enumerate(answers) if isinstance(answer, Exception)}
    assert set(errors) == bad | {7, 200}
    assert all(error.index == at for at, error in errors.items())  # type: ignore[attr-defined]
    assert isinstance(errors[7], InputError)
    assert str(errors[200]).startswith("texts[200] has a lone surrogate")
    fine = [at for at in range(300) if at not in errors]
    assert_right([answers[at] for at in fine], [texts[at] for at in fine])


def test_a_server_that_refuses_all_is_not_asked_for_each_text() -> None:
    asked = 0

    def refuse(connection: socket.socket) -> None:
        nonlocal asked
        while read_request(connection):
            asked += 1
            connection.sendall(response(400, json.dumps({"error": "never"})))

    with serving(refuse) as server:
        classifier = Classifier(server.url, signature=Signature(output="logits"))
        with pytest.raises(BadRequest, match=r"^texts\[0\]"):
            list(classifier.classify_many([*map(str, range(64))]))
    assert asked <= 8  # 64, 64, 32, 16, … 1


def test_a_part_of_a_request_that_fails_does_not_take_the_other_part_along() -> None:
    asked = 0

    def script(connection: socket.socket) -> None:
        nonlocal asked
        while request := read_request(connection):
            asked += 1
            if asked <= 3:
                connection.sendall(response(400 if asked <= 2 else 429, '{"error": "no"}'))
                continue
            rows = json.loads(request.partition(b"\r\n\r\n")[2])["inputs"]["input_ids"]
            connection.sendall(response(200, json.dumps({"outputs": [[1, 2]] * len(rows)})))

    with serving(script) as server:
        classifier = Classifier(server.url, signature=Signature(output="logits"), retries=0)
        answers = list(classifier.classify_many([*map(str, range(64))], on_error="return"))
    assert [type(answer) for answer in answers] == [Overloaded] * 32 + [Classification] * 32
    assert asked == 4  # all of them twice, and each half


def test_a_text_that_cannot_be_tokenized_does_not_take_others_along() -> None:
    with StandIn(
        lambda inputs: {"logits": np.zeros((len(inputs["input_ids"]), 3), np.float32)}
    ) as url:
        classifier = Classifier(url, bundle=GOLDEN / "gpt2", pad_to=8)
        answers = list(classifier.classify_many(["a", "", "b"], on_error="return"))
    assert [type(answer) for answer in answers] == [Classification, InputError, Classification]
    assert str(answers[1]).startswith("texts[1]: ")


def test_a_dead_server_is_an_error_for_each_text() -> None:
    classifier = Classifier("http://127.0.0.1:1/v1/models/m", retries=0)
    answers = list(classifier.classify_many(["a", "b"], on_error="return"))
    assert [type(answer) for answer in answers] == [CannotConnect] * 2
    assert [answer.index for answer in answers if isinstance(answer, Exception)] == [0, 1]
    with pytest.raises(CannotConnect, match=r"^cannot connect"):
        next(classifier.classify_many(["a", "b"]))


def test_what_the_input_raises_comes_after_all_answers_before_it() -> None:
    def texts() -> Iterator[str]:
        yield from map(str, range(100))
        raise OSError("the disk is gone")

    answers: list[Any] = []
    with StandIn(Model()) as url, Classifier(url) as classifier:
        for on_error in ("raise", "return"):
            with pytest.raises(OSError, match="the disk is gone"):
                answers.extend(classifier.classify_many(texts(), on_error=on_error))  # type: ignore[call-overload]
    assert len(answers) == 200


@pytest.mark.parametrize("on_error", ["raise", "return"])
def test_a_foreign_error_comes_after_all_answers_before_it(
    on_error: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """As from tracing that fails: here, from a filter of what urllib3 logs of an answer."""
    failed = threading.Event()

    def script(connection: socket.socket) -> None:
        while request := read_request(connection):
            rows = json.loads(request.partition(b"\r\n\r\n")[2])["inputs"]["input_ids"]
            if len(rows) != count:  # the second request
                connection.sendall(response(418, "{}"))
                return
            failed.wait(30)
            connection.sendall(response(200, json.dumps({"outputs": [[-1.0, 1.0]] * count})))

    def refuse(record: logging.LogRecord) -> bool:
        if 418 in (record.args or ()):
            failed.set()
            raise RuntimeError("not this one")
        return True

    texts = [f"{at} " + "a " * 28 for at in range(50)]
    count = FIRST.tokens // len(tokenize(texts[:1], BUNDLE, 512)[0].input_ids)
    log, seen = logging.getLogger("urllib3.connectionpool"), []
    caplog.set_level(logging.DEBUG, log.name)
    log.addFilter(refuse)
    try:
        with serving(script) as server:
            classifier = Classifier(
                server.url, signature=Signature(output="logits"), timeout=30, retries=0
            )
            answers = classifier.classify_many(texts[: count + 1], on_error=on_error)
            with pytest.raises(RuntimeError, match="not this one"):
                seen.extend(answers)
    finally:
        log.removeFilter(refuse)
    assert len(seen) == count


def hang(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


@pytest.mark.parametrize("signature", [None, Signature(output="logits")], ids=["look-up", "stated"])
def test_one_deadline_for_all_texts(signature: Signature | None) -> None:
    texts = texts_of_many_lengths(300)  # more than can be under way at once
    with serving(hang) as server, Classifier(server.url, signature=signature) as classifier:
        errors = list(classifier.classify_many(texts, on_error="return", timeout=0.2))
        assert len(errors) == len(texts)
        assert {(type(error), error.timeout) for error in errors} == {(TimedOut, 0.2)}
        with pytest.raises(TimedOut, match=r" within 0.2 s") as caught:
            list(classifier.classify_many(texts, timeout=0.2))
        assert caught.value.index == 0


def test_the_deadline_of_a_request_holds_within_that_of_all_texts() -> None:
    with serving(hang) as server, Classifier(server.url, timeout=0.1) as classifier:
        [error] = classifier.classify_many(["x"], on_error="return", timeout=60)
        assert isinstance(error, TimedOut)
        assert error.timeout == 0.1


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), True, "2"])
def test_a_deadline_that_is_none_is_refused_at_once(wrong: Any) -> None:
    classifier = Classifier("http://localhost:1/v1/models/m")
    with pytest.raises(InputError, match="timeout must be a number of seconds above 0"):
        classifier.classify_many(["x"], timeout=wrong)


def test_on_error_is_checked() -> None:
    with pytest.raises(InputError, match="on_error must be one of raise, return, not 'ignore'"):
        Classifier("http://127.0.0.1:1/v1/models/m").classify_many(["a"], on_error="ignore")  # type: ignore[call-overload]


class Batching:
    """As TensorFlow Serving with --enable_batching: those that arrive together share one shape.

    `together` requests are waited for, and all refused if their lengths differ.
    """

    def __init__(self, together: int) -> None:
        self.together, self.waiting = together, {}
        self.changed = threading.Condition()
        self.lengths: list[int] = []
        self.refused = 0

    def __call__(self, inputs: Arrays) -> Arrays:
        length = len(inputs["input_ids"][0])
        mine = object()
        with self.changed:
            self.waiting[mine] = length
            self.changed.notify_all()
            self.changed.wait_for(lambda: len(self.waiting) >= self.together, timeout=0.2)
            mixed = len(set(self.waiting.values())) > 1
            self.changed.wait(0.01)
            del self.waiting[mine]
            if mixed:
                self.refused += 1
                raise ValueError(SHAPES_DIFFER)
            self.lengths.append(length)
        return Model()(inputs)


def test_a_server_that_batches_gets_one_length(caplog: pytest.LogCaptureFixture) -> None:
    model = Batching(2)
    texts = texts_of_many_lengths(400)
    with caplog.at_level(logging.WARNING), StandIn(model) as url, Classifier(url) as classifier:
        assert_right(list(classifier.classify_many(texts)), texts)
    assert model.refused > 0
    told = [record for record in caplog.records if "pad_to=N" in record.getMessage()]
    assert len(told) == 1


def test_streams_of_one_classifier_share_the_length() -> None:
    found: dict[int, list[Any]] = {}
    texts = {
        0: [f"{at}" for at in range(400)],
        1: [f"{at} " + "word " * (20 + at % 9) for at in range(400)],
    }
    with StandIn(Batching(2)) as url, Classifier(url) as classifier:

        def classify(at: int) -> None:
            found[at] = list(classifier.classify_many(texts[at], on_error="return"))

        both = [threading.Thread(target=classify, args=(at,)) for at in texts]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
    for at in texts:
        assert_right(found[at], texts[at])


def test_one_length_is_never_more_than_the_model_s() -> None:
    model = Batching(2)
    texts = texts_of_many_lengths(300)
    with StandIn(model) as url, Classifier(url, max_length=50) as classifier:
        assert len(list(classifier.classify_many(texts))) == 300
    assert model.refused > 0
    assert max(model.lengths) == 50


def test_a_server_that_never_takes_two_lengths_names_the_cure() -> None:
    def refuse(inputs: Arrays) -> Arrays:
        raise ValueError(SHAPES_DIFFER)

    with StandIn(refuse) as url, Classifier(url) as classifier:
        with pytest.raises(BadRequest, match="pass pad_to=N"):
            list(classifier.classify_many(["a", "b c"]))
        with pytest.raises(BadRequest, match="pass pad_to=N"):
            classifier.classify("a")


def metadata(length: int, classes: int = 2) -> bytes:
    def tensor(dims: list[int], dtype: str) -> dict[str, Any]:
        sizes = [{"size": str(size), "name": ""} for size in dims]
        return {"dtype": dtype, "tensor_shape": {"dim": sizes, "unknown_rank": False}}

    inputs = {name: tensor([-1, length], "DT_INT32") for name in ("input_ids", "attention_mask")}
    spec = {"inputs": inputs, "outputs": {"logits": tensor([-1, classes], "DT_FLOAT")}}
    return response(200, json.dumps(
        {"metadata": {"signature_def": {"signature_def": {"serving_default": spec}}}}
    ))  # fmt: skip


def versions(*lengths_and_classes: tuple[int, int], after: int) -> Callable[[socket.socket], None]:
    """A server whose model has another signature after so many predictions."""
    predicted = 0
    lock = threading.Lock()

    def answer(request: bytes) -> bytes:
        nonlocal predicted
        with lock:
            at = min(predicted // after, len(lengths_and_classes) - 1)
            length, classes = lengths_and_classes[at]
            if request.startswith(b"GET"):
                return metadata(length, classes)
            predicted += 1
        body = json.loads(request.partition(b"\r\n\r\n")[2])["inputs"]
        if length not in (-1, len(body["input_ids"][0])):
            return response(400, json.dumps({"error": "Incompatible shapes: [1,2] vs. [1,3]"}))
        rows = [
            expected([token for token, on in zip(ids, mask, strict=True) if on])
            for ids, mask in zip(body["input_ids"], body["attention_mask"], strict=True)
        ]
        return response(
            200, json.dumps({"outputs": [[*row, *[0.0] * (classes - 2)] for row in rows]})
        )

    def script(connection: socket.socket) -> None:
        while request := read_request(connection):
            connection.sendall(answer(request))

    return script


@pytest.mark.parametrize("lengths", [(32, 48), (48, 32), (-1, 48), (32, -1)])
def test_a_new_version_of_another_length_in_the_middle(lengths: tuple[int, int]) -> None:
    texts = [text[:60] for text in texts_of_many_lengths(600)]
    with serving(versions(*[(length, 2) for length in lengths], after=4)) as server:
        assert_right(list(Classifier(server.url).classify_many(texts)), texts)
    with serving(versions(*[(length, 2) for length in lengths], after=4)) as server:
        classifier = Classifier(server.url)
        assert_right([classifier.classify(text) for text in texts[:10]], texts[:10])


@pytest.mark.parametrize("status", [400, 503])
def test_a_new_version_while_a_request_is_sent_in_parts(status: int) -> None:
    """One fails because it is refused twice, or is large. Its parts meet another model."""
    length, refused, lock = 32, 0, threading.Lock()

    def answer(request: bytes) -> bytes:
        nonlocal length, refused
        with lock:
            if request.startswith(b"GET"):
                return metadata(length)
            body = json.loads(request.partition(b"\r\n\r\n")[2])["inputs"]
            rows = list(zip(body["input_ids"], body["attention_mask"], strict=True))
            is_large = 32 * len(rows) > FIRST.tokens
            is_bad = any(POISON_ID in ids for ids, _ in rows)
            if length == 32 and (is_large if status == 503 else is_bad):
                refused += 1
                length = 48 if is_large or refused == 2 else 32
                return response(status, json.dumps({"error": "not now"}))
            if len(rows[0][0]) != length:
                return response(400, json.dumps({"error": "Incompatible shapes: [1,2] vs. [1,3]"}))
        found = [expected([token for token, on in zip(*row, strict=True) if on]) for row in rows]
        return response(200, json.dumps({"outputs": found}))

    def script(connection: socket.socket) -> None:
        while request := read_request(connection):
            connection.sendall(answer(request))

    texts = [POISON]

    def read() -> Iterator[str]:
        """Until the new version has come, which the load of a stream has to grow for."""
        yield POISON
        while length == 32 and len(texts) < 100_000:
            texts.extend(f"text {len(texts)} {at}" for at in range(500))
            yield from texts[-500:]

    with serving(script) as server:
        assert_right(list(Classifier(server.url, retries=0).classify_many(read())), texts)
    assert length == 48


def test_a_new_version_that_takes_less() -> None:
    texts = [" ".join(["word"] * 38) + f" {at}" for at in range(200)]
    with serving(versions((48, 2), (32, 2), after=2)) as server:
        answers = list(Classifier(server.url).classify_many(texts))
    cut = [answer.truncated for answer in answers]
    assert {True, False} == set(cut)
    for answer, text in zip(answers, texts, strict=True):
        limit = 32 if answer.truncated else 48
        assert answer.logits == expected(tokenize([text], BUNDLE, limit)[0].input_ids)


def test_a_new_version_with_other_labels_is_told() -> None:
    with serving(versions((-1, 2), (-1, 3), after=3)) as server:
        classifier = Classifier(server.url)
        for _ in range(3):
            classifier.classify("a")
        with pytest.raises(SignatureError, match=r"gives 3 logits, the bundle .* has 2 labels"):
            classifier.classify("a")
        with pytest.raises(SignatureError, match="gives 3 logits"):
            list(classifier.classify_many([*map(str, range(10))]))


def test_the_server_is_asked_once_more_and_no_more() -> None:
    asked: list[bytes] = []

    def refuse(connection: socket.socket) -> None:
        while request := read_request(connection):
            asked.append(request.partition(b" ")[0])
            refused = response(400, json.dumps({"error": "never"}))
            connection.sendall(metadata(-1) if asked[-1] == b"GET" else refused)

    with serving(refuse) as server, pytest.raises(BadRequest):
        Classifier(server.url).classify("a")
    assert asked == [b"GET", b"POST", b"GET"]


def test_a_request_that_meets_a_new_version_is_asked_again_as_a_whole() -> None:
    asked: list[bytes] = []

    def script(connection: socket.socket) -> None:
        while request := read_request(connection):
            asked.append(request.partition(b" ")[0])
            if asked[-1] == b"GET":
                connection.sendall(metadata(32 if len(asked) == 1 else 48))
                continue
            rows = json.loads(request.partition(b"\r\n\r\n")[2])["inputs"]["input_ids"]
            if len(rows[0]) == 32:
                connection.sendall(response(400, json.dumps({"error": "Incompatible shapes"})))
            else:
                connection.sendall(response(200, json.dumps({"outputs": [[1, 2]] * len(rows)})))

    texts = [*map(str, range(FIRST.tokens // 48))]
    with serving(script) as server:
        assert len(list(Classifier(server.url).classify_many(texts))) == len(texts)
    assert asked == [b"GET", b"POST", b"GET", b"POST"]


def test_a_stated_signature_is_not_asked_for_again() -> None:
    with serving(versions((32, 2), (48, 2), after=1)) as server:
        classifier = Classifier(server.url, signature=Signature(length=32))
        classifier.classify("a")
        with pytest.raises(BadRequest, match="leave signature= out"):
            classifier.classify("a")


def test_a_broken_row_does_not_take_others_along() -> None:
    class Broken(Model):
        def __call__(self, inputs: Arrays) -> Arrays:
            logits = super().__call__(inputs)["logits"]
            logits[(np.array(inputs["input_ids"]) == POISON_ID).any(axis=1)] = np.nan
            return {"logits": logits}

    texts = [*["fine"] * 20, POISON, *["fine"] * 20]
    with StandIn(Broken()) as url, Classifier(url) as classifier:
        answers = list(classifier.classify_many(texts, on_error="return"))
    assert [at for at, answer in enumerate(answers) if isinstance(answer, ReplyError)] == [20]
    assert sum(isinstance(answer, Classification) for answer in answers) == 40


def threads() -> list[str]:
    return [
        thread.name
        for thread in threading.enumerate()
        if thread.name.startswith("lightclient-many") and thread.is_alive()
    ]


def test_leaving_early_ends_what_is_under_way() -> None:
    hanging = threading.Event()

    def script(connection: socket.socket) -> None:
        while request := read_request(connection):
            if len(json.loads(request.partition(b"\r\n\r\n")[2])["inputs"]["input_ids"]) != 64:
                hanging.set()  # the second window: no answer, ever
                connection.recv(1)
                return
            connection.sendall(response(200, json.dumps({"outputs": [[-1.0, 1.0]] * 64})))

    with serving(script) as server:
        classifier = Classifier(server.url, signature=Signature(output="logits"), timeout=300)
        answers = classifier.classify_many([*map(str, range(192))])
        assert next(answers).label == "POSITIVE"
        assert hanging.wait(30)
        assert threads()
        answers.close()  # type: ignore[attr-defined]
        assert threads() == []


def test_the_warm_up_does_all_that_the_first_call_would_wait_for() -> None:
    requests: list[bytes] = []

    def script(connection: socket.socket) -> None:
        while request := read_request(connection):
            requests.append(request.partition(b" ")[0])
            body = metadata(-1) if requests[-1] == b"GET" else response(200, '{"outputs":[[1,2]]}')
            connection.sendall(body)

    with serving(script) as server, Classifier(server.url) as classifier:
        classifier.warm()
        assert requests == [b"GET", b"POST"]
        classifier.classify("a")
        assert requests == [b"GET", b"POST", b"POST"]
        assert server.connections == 1


def test_a_lost_stream_that_ends_in_its_own_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the garbage collector may have it, wherever it happens to run."""
    suspended, done = threading.Event(), threading.Event()
    failed: list[Exception] = []
    original = Predictor.predict

    def predict(self: Predictor, rows: Any, plan: Any, deadline: Any) -> Any:
        if len(rows) != 64:  # the second window
            suspended.wait(30)
            try:
                answers.close()  # type: ignore[attr-defined]
            except RuntimeError as error:
                failed.append(error)
            done.set()
        return original(self, rows, plan, deadline)

    monkeypatch.setattr(Predictor, "predict", predict)
    with StandIn(Model()) as url:
        answers = Classifier(url).classify_many([*map(str, range(192))])
        next(answers)
        suspended.set()
        assert done.wait(30)
    assert failed == []


def test_a_program_may_end_with_a_half_read_stream() -> None:
    """Python 3.13 would wait for ever for the stream's threads, and 3.14 would show an error."""
    program = (
        "import sys; from lightclient import Classifier; "
        "from lightclient.model.files import DEFAULT_BUNDLE; "
        "classifier = Classifier(sys.argv[1], bundle=DEFAULT_BUNDLE); "
        "answers = classifier.classify_many(['a', *map(str, range(5000))]); "
        "print(next(answers).logits)"
    )
    with StandIn(Model()) as url:
        run = [sys.executable, "-W", "ignore", "-c", program, url]
        ended = subprocess.run(run, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.strip() == str(logits_of("a"))


def test_without_a_thread_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = texts_of_many_lengths(300)
    with StandIn(Model()) as url:
        classifier = Classifier(url)
        classifier.warm()

        def start(thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", start)
        assert_right(list(classifier.classify_many(texts)), texts)


def test_without_a_thread_an_interrupt_ends_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[int] = []

    def script(connection: socket.socket) -> None:
        while read_request(connection):
            requests.append(1)
            os.kill(os.getpid(), signal.SIGINT)

    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.startswith("lightclient-many"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with serving(script) as server:
        classifier = Classifier(server.url, signature=Signature(output="logits"), timeout=30)
        with pytest.raises(KeyboardInterrupt):
            list(classifier.classify_many(f"{at} " + "a " * 60 for at in range(60)))
    assert len(requests) == 1
