"""The classifier from end to end, on the stand-in over real HTTP."""

import dataclasses
import logging
import multiprocessing
import os
import pickle
import re
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lightclient
from lightclient import (
    BadRequest,
    Bundle,
    CannotConnect,
    Classification,
    Classifier,
    InputError,
    ModelNotFound,
    ReplyError,
    SettingError,
    Signature,
    SignatureError,
    TimedOut,
)
from lightclient.model.files import DEFAULT_BUNDLE
from lightclient.standin import ServedModel, SignatureDef, StandIn, TensorSpec
from tests.golden import GOLDEN
from tests.scripted import answering, outputs, read_request, response, serving

over_http = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
ARTICLE = "I like you. I love you"
Arrays = dict[str, Any]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with StandIn() as url:
        yield url


@pytest.fixture(scope="module")
def classifier(url: str) -> Iterator[Classifier]:
    with Classifier(url) as classifier:
        yield classifier


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("LIGHTCLIENT_"):
            monkeypatch.delenv(name)


class Recorder:
    """A model that remembers its inputs and answers with a fixed row for each."""

    def __init__(self, row: tuple[float, ...] = (-1.0, 1.0)) -> None:
        self.row = row
        self.inputs: list[Arrays] = []

    def __call__(self, inputs: Arrays) -> Arrays:
        self.inputs.append({name: np.array(value) for name, value in inputs.items()})
        rows = len(next(iter(inputs.values())))
        return {"logits": np.array([self.row] * rows, dtype=np.float32)}


def serve(model: Any, length: int | None = None, **names: str) -> ServedModel:
    names = names or {"input_ids": "int32", "attention_mask": "int32"}
    inputs = {name: TensorSpec(dtype, (None, length)) for name, dtype in names.items()}
    output = {"logits": TensorSpec("float32", (None, None))}
    return ServedModel({1: {"serving_default": SignatureDef(model, inputs, output)}})


def assert_alike(answers: list[Classification], expected: list[Classification]) -> None:
    """Equal up to the float noise of a server that computes rows together."""
    for answer, other in zip(answers, expected, strict=True):
        assert answer.logits == pytest.approx(other.logits, abs=1e-4)
        assert answer.truncated == other.truncated
        if abs(answer.logits[0] - answer.logits[1]) > 1e-3:
            assert answer.label == other.label


def test_one_text(classifier: Classifier) -> None:
    answer = classifier.classify(ARTICLE)
    assert repr(answer) == "Classification(label='POSITIVE', score=0.99431)"
    assert answer.logits == pytest.approx((-2.5820014, 2.5820014), abs=1e-4)
    assert [score.label for score in answer.scores] == ["POSITIVE", "NEGATIVE"]


def test_every_shape_of_input(classifier: Classifier) -> None:
    one, other = classifier.classify("good"), classifier.classify("bad")
    assert [one.label, other.label] == ["POSITIVE", "NEGATIVE"]
    assert_alike(classifier.classify(["good", "bad"]), [one, other])
    assert classifier.classify([]) == []
    pair = classifier.classify(("good", "bad"))
    assert isinstance(pair, Classification)
    assert pair.logits != one.logits
    assert_alike(classifier.classify([("good", "bad"), ("good", "bad")]), [pair, pair])
    assert_alike(classifier.classify(["good", ("good", "bad")]), [one, pair])
    assert classifier.classify(("good", "")) == one


def test_how_many_tokens_a_text_has(url: str) -> None:
    classifier = Classifier(url, bundle=GOLDEN / "bert-uncased", max_length=5)
    assert classifier.count_tokens("a b c") == 5
    assert classifier.count_tokens("a b c " * 1000) == 3002
    assert classifier.count_tokens(("a b", "c")) == 6
    assert classifier.count_tokens(("a b", "")) == 4
    assert classifier.count_tokens("") == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (["a", "b"], r"one text or a pair, not list; .*\[classifier.count_tokens\(text\) for"),
        (iter("ab"), "one text or a pair, not str"),
        (None, "not NoneType"),
        (("a", "b", "c"), "not a tuple of 3"),
        (b"a", "decode it"),
        ("\ud800", "lone surrogate"),
    ],
)
def test_what_has_no_tokens_to_count(classifier: Classifier, text: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        classifier.count_tokens(text)
    with pytest.raises(InputError, match="timeout"):
        classifier.count_tokens("a", timeout=0)


def test_the_environment_names_the_server(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingError, match="LIGHTCLIENT_URL"):
        lightclient.classify(ARTICLE)
    monkeypatch.setenv("LIGHTCLIENT_URL", url)
    assert lightclient.classify(ARTICLE).label == "POSITIVE"
    assert [answer.label for answer in lightclient.classify(["bad", "good"])] == [
        "NEGATIVE",
        "POSITIVE",
    ]
    monkeypatch.setenv("LIGHTCLIENT_URL", url + "x")
    with pytest.raises(ModelNotFound):
        lightclient.classify(ARTICLE)
    monkeypatch.setenv("LIGHTCLIENT_TIMEOUT", "soon")
    with pytest.raises(SettingError, match="LIGHTCLIENT_TIMEOUT"):
        lightclient.classify(ARTICLE)


def test_an_argument_wins_over_the_environment(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIGHTCLIENT_URL", "http://127.0.0.1:1/v1/models/m")
    monkeypatch.setenv("LIGHTCLIENT_BUNDLE", "no-such-bundle")
    assert Classifier(url, bundle=Bundle.load()).classify(ARTICLE).label == "POSITIVE"


@pytest.mark.parametrize("ending", ["", ":predict", "/", "/versions/1", "/versions/1:predict"])
def test_forms_of_the_url(url: str, ending: str) -> None:
    with Classifier(url + ending) as classifier:
        assert classifier.classify(ARTICLE).label == "POSITIVE"


def test_versions_and_labels() -> None:
    versions = {
        number: {"serving_default": SignatureDef(
            Recorder(row),
            {"input_ids": TensorSpec("int32", (None, None))},
            {"logits": TensorSpec("float32", (None, 2))},
        )}
        for number, row in ((1, (1.0, -1.0)), (2, (-1.0, 1.0)))
    }  # fmt: skip
    model = ServedModel(versions, labels={"stable": 1})
    with StandIn({"m": model}) as url:
        labels = {
            ending: Classifier(url + ending).classify("x").label
            for ending in ("", "/versions/1", "/versions/2", "/labels/stable")
        }
        with pytest.raises(ModelNotFound, match="version label: canary"):
            Classifier(url + "/labels/canary", signature=Signature()).classify("x")
    assert labels == {
        "": "POSITIVE", "/versions/1": "NEGATIVE", "/versions/2": "POSITIVE",
        "/labels/stable": "NEGATIVE",
    }  # fmt: skip


@pytest.mark.parametrize("form", ["columnar", "row"])
def test_a_fixed_length(form: Any) -> None:
    model = Recorder()
    with StandIn({"m": serve(model, length=100)}) as url, Classifier(url, form=form) as classifier:
        short, long = classifier.classify([ARTICLE, "word " * 200])
    assert model.inputs[0]["input_ids"].shape == (2, 100)
    assert model.inputs[0]["attention_mask"].sum(axis=1).tolist() == [9, 100]
    assert (short.truncated, long.truncated) == (False, True)


def test_a_free_length_is_the_longest_of_the_request() -> None:
    model = Recorder()
    with StandIn(model) as url, Classifier(url) as classifier:
        classifier.classify(["a", "a b c"])
        classifier.classify("a")
        assert classifier.classify("word " * 600).truncated
    assert [call["input_ids"].shape for call in model.inputs] == [(2, 5), (1, 3), (1, 512)]


def test_max_length_and_pad_to() -> None:
    model = Recorder()
    with StandIn(model) as url:
        assert Classifier(url, max_length=4).classify("a b c").truncated
        assert not Classifier(url, pad_to=64).classify("a b c").truncated
        assert Classifier(url, pad_to=64).classify("a " * 100).truncated
    assert [call["input_ids"].shape[1] for call in model.inputs] == [4, 64, 64]


def test_other_names_and_dtypes() -> None:
    model = Recorder()
    names = {"token_ids": "int64", "padding_mask": "bool", "segment_ids": "int32"}
    with StandIn({"m": serve(model, **names)}) as url:
        Classifier(url, bundle=GOLDEN / "bert-uncased").classify(["a", ("a", "b c")])
    seen = model.inputs[0]
    assert seen["token_ids"].dtype == np.int64
    assert seen["padding_mask"].dtype == np.bool_
    filler = len(seen["token_ids"][0]) - 3
    assert seen["padding_mask"][0].tolist() == [True] * 3 + [False] * filler
    assert seen["segment_ids"][1].tolist().count(1) > 1


def test_a_signature_by_hand_saves_the_look_up() -> None:
    requests: list[bytes] = []

    def script(connection: Any) -> None:
        while request := read_request(connection):
            requests.append(request.split(b"\r\n", 1)[0])
            connection.sendall(outputs())

    with serving(script) as server:
        signature = Signature(input_ids="ids", attention_mask=None, length=16, name="mine")
        with Classifier(server.url, signature=signature) as classifier:
            classifier.classify("a")
    assert requests == [b"POST /v1/models/m:predict HTTP/1.1"]


def test_the_look_up_is_done_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="urllib3")
    with StandIn() as url, Classifier(url) as classifier:
        for _ in range(3):
            classifier.classify("a")
    assert re.findall('"([A-Z]+) /', caplog.text) == ["GET", "POST", "POST", "POST"]


def test_a_signature_by_name() -> None:
    model = Recorder()
    spec = SignatureDef(
        model,
        {"input_ids": TensorSpec("int64", (None, None))},
        {"hidden": TensorSpec("float32", (None,)), "logits": TensorSpec("float32", (None, 2))},
    )

    def run(inputs: Arrays) -> Arrays:
        return {**model(inputs), "hidden": np.zeros(len(inputs["input_ids"]), dtype=np.float32)}

    spec = dataclasses.replace(spec, run=run)
    with StandIn({"m": ServedModel({1: {"int64_serving": spec, "other": spec}})}) as url:
        assert Classifier(url, signature="int64_serving").classify("a").label == "POSITIVE"
        with pytest.raises(SignatureError, match="it has int64_serving, other"):
            Classifier(url).classify("a")
        with pytest.raises(lightclient.SignatureNotFound):
            Classifier(url, signature=Signature(name="absent")).classify("a")


def test_labels_that_do_not_fit() -> None:
    with StandIn(Recorder((0.0, 1.0, 2.0))) as url:
        with pytest.raises(ReplyError, match="3 values in row 0; expected 1 rows of 2"):
            Classifier(url).classify("a")
        bundle = Bundle.load(GOLDEN / "gpt2")
        assert Classifier(url, bundle=bundle).classify("a").label == bundle.labels[2]


def test_a_pair_for_a_model_that_cannot_tell_its_texts_apart() -> None:
    with StandIn(Recorder()) as url, Classifier(url, bundle=GOLDEN / "bert-uncased") as classifier:
        assert classifier.classify(("a", "")).label
        with pytest.raises(SignatureError, match="takes no token_type_ids"):
            classifier.classify(["a", ("a", "b")])
    with StandIn(Recorder()) as url:
        assert Classifier(url).classify(("a", "b")).label  # a DistilBERT has no types


def test_a_model_that_breaks() -> None:
    def broken(inputs: Arrays) -> Arrays:
        raise ValueError("Incompatible shapes: [1,2,64] vs. [1,100,64]")

    with StandIn(broken) as url, pytest.raises(BadRequest, match="leave signature= out"):
        Classifier(url).classify("a")


def test_many_is_lazy_and_in_order(classifier: Classifier) -> None:
    read: list[int] = []

    def endless() -> Iterator[str]:
        for number in range(10**9):
            read.append(number)
            yield ("good", "bad")[number % 2]

    answers = classifier.classify_many(endless())
    assert read == []
    labels = [next(answers).label for _ in range(70)]
    assert labels == ["POSITIVE", "NEGATIVE"] * 35
    assert len(read) == 64 + 128 + 256  # the window of the 70th text, and the next one
    assert list(classifier.classify_many([])) == []
    answers.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("value", ["one text", b"bytes", None, 3])
def test_many_of_what_is_no_iterable_of_texts(classifier: Classifier, value: Any) -> None:
    with pytest.raises(InputError, match="must be an iterable of texts"):
        classifier.classify_many(value)


def test_errors_name_the_text(classifier: Classifier) -> None:
    with pytest.raises(InputError, match=r"^texts\[2\] must be a str"):
        classifier.classify(["a", "b", None])  # type: ignore[list-item]
    with pytest.raises(InputError, match=r"^texts\[40\] has a lone surrogate"):
        list(classifier.classify_many(["a"] * 40 + ["\ud800"]))
    for value in (None, b"a", 3, {"a"}, ("a",), ("a", 1), (x for x in "ab")):
        with pytest.raises(InputError, match=r"^text must be"):
            classifier.classify(value)  # type: ignore[call-overload]
    with pytest.raises(InputError, match=r"not generator; classify_many takes any iterable"):
        classifier.classify(x for x in "ab")  # type: ignore[call-overload]


HOSTILE = {
    "empty": "",
    "spaces": "   \t\n ",
    "nul": "a\x00b",
    "a megabyte of one letter": "a" * 10**6,
    "right to left": "שלום עולם مرحبا",
    "emoji": "👩‍👩‍👧‍👦 🇩🇪 😀",
    "combining": "e\u0301" * 50 + "\u0300" * 500,
    "a literal separator": "[SEP] [CLS] [PAD]",
    "line separators": "a\u2028b\u2029c\x85d",
    "quotes": "\"\\'{}[]</script>",
    "private and unassigned": "\ue000\U000e0001\U0010ffff\ufffe",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_get_an_answer(classifier: Classifier, name: str) -> None:
    answer = classifier.classify(HOSTILE[name])
    assert sum(score.score for score in answer.scores) == pytest.approx(1, abs=1e-6)
    assert_alike(classifier.classify(["neighbour " * 30, HOSTILE[name]])[1:], [answer])


@over_http
@given(st.lists(st.text(max_size=100) | st.tuples(st.text(), st.text()), min_size=1, max_size=5))
def test_a_text_s_answer_does_not_depend_on_its_neighbours(
    classifier: Classifier, texts: list[Any]
) -> None:
    together = classifier.classify(texts)
    streamed = list(classifier.classify_many(texts))
    alone = [classifier.classify(text) for text in texts]
    assert_alike(together, alone)
    assert_alike(streamed, alone)
    for answer in together:
        assert sum(score.score for score in answer.scores) == pytest.approx(1, abs=1e-6)


@over_http
@given(st.text(st.characters(exclude_categories=[]), max_size=30))
def test_any_str_is_a_result_or_our_error(classifier: Classifier, text: str) -> None:
    if any("\ud800" <= char <= "\udfff" for char in text):
        with pytest.raises(InputError, match="surrogate"):
            classifier.classify(text)
    else:
        assert classifier.classify(text).label in ("NEGATIVE", "POSITIVE")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"timeout": 0}, "^timeout"),
        ({"timeout": "5"}, "^timeout"),
        ({"max_length": 0}, "^max_length must be a whole number, 1 or more"),
        (
            {"bundle": DEFAULT_BUNDLE, "max_length": 2},
            "^max_length must be .* from 3 to 512, not 2: less has no room",
        ),
        (
            {"bundle": DEFAULT_BUNDLE, "max_length": 513},
            "^max_length must be .* not 513: .* takes no more",
        ),
        ({"bundle": DEFAULT_BUNDLE, "pad_to": 1000}, "^pad_to"),
        ({"function": "tanh"}, "^function must be one of softmax, sigmoid, none, not 'tanh'"),
        ({"bundle": "served", "signature": Signature()}, "^bundle='served'"),
        ({"form": "rows"}, "^form must be one of columnar, row"),
        ({"retries": -1}, "^retries"),
        ({"retries": True}, "^retries"),
        ({"signature": 3}, "^signature"),
        ({"headers": "X: y"}, "^headers"),
        ({"token": "a\nb"}, "^token"),
        ({"bundle": 3}, "^bundle"),
        ({"url": "localhost:8501"}, "must start with http"),
        ({"url": "http://h:8501"}, "has no path of a model"),
    ],
)
def test_arguments_are_checked_at_the_door(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Classifier(**{"url": "http://127.0.0.1:1/v1/models/m", **arguments})


def test_secrets_are_not_shown(url: str) -> None:
    classifier = Classifier(url, token="hidden", headers={"X-Key": "hidden"})
    assert repr(classifier) == f"Classifier({url!r})"
    with StandIn(lambda inputs: 1 / 0) as broken, pytest.raises(lightclient.ServerFailed) as caught:  # type: ignore[return-value,dict-item]
        Classifier(broken, token="hidden").classify("a")
    assert "hidden" not in str(caught.value)


def test_headers_and_token_are_sent() -> None:
    requests: list[bytes] = []

    def script(connection: Any) -> None:
        while request := read_request(connection):
            requests.append(request)
            connection.sendall(outputs())

    headers = {"X-Key": "k"}
    with serving(script) as server:
        Classifier(server.url, token="abc", headers=headers, signature=Signature()).classify("a")
    assert b"\r\nAuthorization: Bearer abc\r\n" in requests[0]
    assert b"\r\nX-Key: k\r\n" in requests[0]


def test_nobody_there() -> None:
    with pytest.raises(CannotConnect, match=r"cannot connect to http://127\.0\.0\.1:1/"):
        Classifier("http://127.0.0.1:1/v1/models/m", retries=0).classify("a")


@pytest.mark.parametrize(
    "ask",
    [
        lambda classifier: classifier.classify("a"),
        lambda classifier: classifier.classify(["a", "b"]),
        lambda classifier: classifier.classify("word " * 1000),  # in windows
        lambda classifier: classifier.zero_shot("a", ["b", "c"]),
        lambda classifier: classifier.rank("a", ["b", "c"]),
    ],
)
def test_a_request_of_any_call_is_repeated_as_often_as_retries_says(
    ask: Callable[[Classifier], object],
) -> None:
    classifier = Classifier(
        "http://127.0.0.1:1/v1/models/m", signature=Signature(), retries=1, long_texts="mean"
    )
    with pytest.raises(CannotConnect) as caught:
        ask(classifier)
    assert caught.value.attempts == 2


def test_a_deadline_that_tokenizing_uses_up(url: str) -> None:
    classifier = Classifier(url, timeout=1e-9, signature=Signature())
    with pytest.raises(lightclient.TimedOut, match="tokenizing alone") as caught:
        classifier.classify(["a", "b"])
    assert (caught.value.attempts, caught.value.timeout) == (0, 1e-9)


def test_not_a_tensorflow_serving() -> None:
    with serving(answering(response(200, "<html>"))) as server:
        for signature in (None, Signature()):
            with pytest.raises(lightclient.NotTensorFlowServing, match="REST port"):
                Classifier(server.url, signature=signature).classify("a")
    kserve = response(200, '{"name": "m", "ready": true}')
    with serving(answering(kserve)) as server, pytest.raises(SignatureError, match="by hand"):
        Classifier(server.url).classify("a")


def test_threads_share_a_classifier(url: str) -> None:
    texts = ["good", "bad", "a much longer text about nothing in particular", ""]
    wrong: list[str] = []
    with Classifier(url, timeout=60) as classifier:
        expected = {text: classifier.classify(text) for text in texts}

        def work() -> None:
            for text in texts * 10:
                answer = classifier.classify([text, "neighbour"])[0]
                if answer.label != expected[text].label:
                    wrong.append(text)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def test_it_pickles(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIGHTCLIENT_TIMEOUT", "7")
    original = Classifier(url, pad_to=32, headers={}, form="row")
    monkeypatch.delenv("LIGHTCLIENT_TIMEOUT")
    again = pickle.loads(pickle.dumps(original))
    assert repr(again) == repr(original)
    assert again.classify(ARTICLE) == original.classify(ARTICLE)
    assert again._asker.settings.timeout == 7
    monkeypatch.setenv("LIGHTCLIENT_TIMEOUT", "broken")
    monkeypatch.setenv("LIGHTCLIENT_TOKEN", "another's")
    again = pickle.loads(pickle.dumps(original))
    assert again._asker.settings.token is None


def _in_child(classifier: Classifier, answers: Any) -> None:
    answers.put(repr(classifier.classify(["good", "bad"])))


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_process_goes_on(classifier: Classifier, method: str) -> None:
    expected = repr(classifier.classify(["good", "bad"]))
    context = multiprocessing.get_context(method)
    answers = context.Queue()
    child = context.Process(target=_in_child, args=(classifier, answers))
    child.start()
    assert answers.get(timeout=60) == expected
    child.join()
    assert repr(classifier.classify(["good", "bad"])) == expected


def test_a_folder_as_bundle(url: str, tmp_path: Path) -> None:
    shipped = Path(__file__).parent.parent / "vocab" / DEFAULT_BUNDLE
    folder = shutil.copytree(shipped, tmp_path / "model")
    for bundle in (folder, str(folder), Bundle.load(folder)):
        with Classifier(url, bundle=bundle) as classifier:
            assert classifier.classify(ARTICLE).label == "POSITIVE"


def hang(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


@pytest.mark.parametrize(("own", "call"), [(60, 0.05), (0.001, 0.05)], ids=["shorter", "longer"])
def test_the_timeout_of_a_call_replaces_that_of_the_classifier(own: float, call: float) -> None:
    with serving(hang) as server, Classifier(server.url, timeout=own) as classifier:
        assert classifier.timeout == own
        for ask in (classifier.warm, partial(classifier.classify, "x")):
            with pytest.raises(TimedOut) as caught:
                ask(timeout=call)
            assert caught.value.timeout == call
            assert "within 0.05 s" in str(caught.value)


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf"), True, "2", 1e10])
def test_a_timeout_of_a_call_that_is_none(wrong: Any, classifier: Classifier) -> None:
    for texts in ("x", []):
        with pytest.raises(InputError, match="timeout must be a number of seconds above 0"):
            classifier.classify(texts, timeout=wrong)
