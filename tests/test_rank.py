"""Documents in the order of a cross-encoder, which is a table of logits here, over real sockets."""

import asyncio
import itertools
import json
import pickle
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from lightclient import (
    AsyncClassifier,
    BadRequest,
    Bundle,
    Classifier,
    InputError,
    Ranked,
    Signature,
    SignatureError,
    TimedOut,
)
from lightclient.standin import ServedModel, SignatureDef, StandIn, TensorSpec
from tests.golden import GOLDEN
from tests.scripted import outputs, read_request, serving
from tests.test_aio import Silent, run, until
from tests.test_aio import threads as our_threads
from tests.test_carried import Changing, model_folder

# Each word is one token. In float32, the sigmoids of the first two are 1, that of the last is 0.
LOGITS = {
    "has": 25.0,
    "about": 20.0,
    "from": 0.5,
    "one": 0.5,
    "like": 0.0,
    "too": -3.0,
    "more": -200.0,
}
WORDS = list(LOGITS)
IDENTITY, SIGMOID = "torch.nn.modules.linear.Identity", "torch.nn.modules.activation.Sigmoid"
IDS, FLOATS = TensorSpec("int32", (None, None)), TensorSpec("float32", (None, None))


class Table:
    """Gives each pair the logit of its document's last word; refuses a document that ends in "a".

    `pairs`: how many were asked.
    """

    def __init__(self) -> None:
        bundle = Bundle.load(GOLDEN / "bert-uncased")
        ids = {bundle.loaded.tokenizer.bare_ids(word)[0]: logit for word, logit in LOGITS.items()}
        self._logits = ids
        self.pairs = 0

    def __call__(self, inputs: dict[str, Any]) -> dict[str, Any]:
        ids, mask, types = (
            inputs[name] for name in ("input_ids", "attention_mask", "token_type_ids")
        )
        self.pairs += len(ids)
        assert types.max(axis=1).all()  # a pair each
        ends = mask.sum(axis=1) - 2
        last = [int(row[end]) for row, end in zip(ids, ends, strict=True)]
        if any(word not in self._logits for word in last):
            raise ValueError("a word that is not in the table")
        return {"logits": np.array([[self._logits[word]] for word in last], np.float32)}


def served(run: Any, output: str = "logits") -> ServedModel:
    def named(inputs: dict[str, Any]) -> dict[str, Any]:
        return {output: run(inputs)["logits"]}

    inputs = dict.fromkeys(("input_ids", "attention_mask", "token_type_ids"), IDS)
    signature = SignatureDef(named, inputs, {output: FLOATS})
    return ServedModel({1: {"serving_default": signature}})


def cross_encoder(folder: Path, own: Any = None, **config: Any) -> Path:
    """A folder of a model with one label, as sentence-transformers writes it."""
    model_folder(folder, ["relevance"])
    stated = json.loads((folder / "config.json").read_bytes()) | config
    (folder / "config.json").write_text(json.dumps(stated))
    if own is not None:
        (folder / "config_sentence_transformers.json").write_text(json.dumps(own))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cross_encoder(tmp_path_factory.mktemp("models") / "cross")


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with StandIn(served(Table()).with_bundle(folder)) as url:
        yield url


@pytest.fixture(scope="module")
def classifier(url: str) -> Iterator[Classifier]:
    with Classifier(url) as classifier:
        yield classifier


def sigmoid(logit: float) -> float:
    one = np.ones(1, np.float32)  # numpy 1.x makes float64 of a scalar and a number
    return float((one / (one + np.exp(-one * np.float32(logit))))[0])


def test_the_best_comes_first(classifier: Classifier) -> None:
    found = classifier.rank("what", ["too", "from", "like"])
    assert [one.index for one in found] == [1, 2, 0]
    scores = [classifier.classify(("what", word)).score for word in ("from", "like", "too")]
    assert [one.score for one in found] == scores
    assert found[1] == Ranked(index=1 + 1, score=0.5)
    assert repr(found[1]) == "Ranked(index=2, score=0.5)"


# What CrossEncoder.rank does with the scores (sentence-transformers 5.7, cross_encoder/model.py).
def order(scores: list[float], top_k: int | None) -> list[dict[str, Any]]:
    results = [{"corpus_id": at, "score": score} for at, score in enumerate(scores)]
    return sorted(results, key=lambda x: x["score"], reverse=True)[:top_k]


@given(st.lists(st.sampled_from(WORDS), max_size=30), st.none() | st.integers(1, 40))
@settings(max_examples=60, deadline=None)
@pytest.mark.filterwarnings("ignore:overflow")
def test_the_order_and_ties_are_those_of_a_cross_encoder(
    classifier: Classifier, words: list[str], top_k: int | None
) -> None:
    scores = [sigmoid(LOGITS[word]) for word in words]
    found = classifier.rank("what", words, top_k=top_k)
    assert [{"corpus_id": one.index, "score": one.score} for one in found] == order(scores, top_k)


def test_equal_documents_are_asked_once_and_no_documents_not_at_all(folder: Path) -> None:
    table = Table()
    with StandIn(served(table)) as url, Classifier(url, bundle=folder) as classifier:
        assert classifier.rank("what", []) == []
        assert table.pairs == 0
        found = classifier.rank("what", WORDS * 300)
        assert len(found) == 300 * len(WORDS)
        assert table.pairs <= len(WORDS) * 7  # once for each chunk of the stream
    assert Classifier("http://127.0.0.1:1/v1/models/m").rank("what", iter(())) == []


def test_any_iterable_and_any_str(classifier: Classifier) -> None:
    expected = classifier.rank("what", ["too", "from"])
    for documents in (("too", "from"), iter(["too", "from"]), np.array(["too", "from"])):
        assert classifier.rank("what", documents) == expected  # type: ignore[arg-type]
    assert classifier.rank("", ["too", "from"]) == expected


def test_an_empty_document_is_a_text_of_its_pair(folder: Path) -> None:
    """As CrossEncoder reads it; the pair of a call of `classify` would be the first text alone."""
    seen = list[list[list[int]]]()

    def keep(inputs: dict[str, Any]) -> dict[str, Any]:
        names = ("input_ids", "token_type_ids", "attention_mask")
        columns = [inputs[name].tolist() for name in names]
        seen.extend([list(row) for row in rows] for rows in zip(*columns, strict=True))
        return {"logits": np.zeros((len(inputs["input_ids"]), 1), np.float32)}

    with StandIn(served(keep)) as url, Classifier(url, bundle=folder) as classifier:
        classifier.rank("one", ["", "too"])
    one, too = (Bundle.load(folder).loaded.tokenizer.bare_ids(word)[0] for word in ("one", "too"))
    assert [[2, one, 3, 3, 0], [0, 0, 0, 1, 0], [1, 1, 1, 1, 0]] in seen
    assert [[2, one, 3, too, 3], [0, 0, 0, 1, 1], [1, 1, 1, 1, 1]] in seen


ACTIVATIONS: list[tuple[str, Any, dict[str, Any]]] = [
    ("sigmoid", None, {}),
    ("sigmoid", None, {"problem_type": "regression"}),
    ("none", None, {"sbert_ce_default_activation_function": IDENTITY}),
    ("none", None, {"sbert_ce_default_activation_function": "torch.nn.Identity"}),
    ("none", None, {"sentence_transformers": {"activation_fn": IDENTITY, "version": "4.1.0"}}),
    ("sigmoid", None, {"sentence_transformers": {"activation_fn": SIGMOID}}),
    ("sigmoid", None, {"sentence_transformers": {"version": "4.1.0"}}),
    (
        "sigmoid", None,
        {
            "sentence_transformers": {"activation_fn": None},
            "sbert_ce_default_activation_function": IDENTITY,
        },
    ),
    (
        "none", None,
        {
            "sentence_transformers": {"activation_fn": IDENTITY},
            "sbert_ce_default_activation_function": SIGMOID,
        },
    ),
    (
        "none", {"model_type": "CrossEncoder", "activation_fn": IDENTITY},
        {"sentence_transformers": {"activation_fn": SIGMOID}},
    ),
    (
        "none", {"model_type": "CrossEncoder", "activation_fn": None},
        {"sentence_transformers": {"activation_fn": IDENTITY}},
    ),
    ("sigmoid", {"model_type": "SentenceTransformer", "activation_fn": IDENTITY}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("function", "own", "config"), ACTIVATIONS)
def test_the_model_s_configuration_says_what_makes_the_scores(
    function: str, own: Any, config: dict[str, Any], tmp_path: Path
) -> None:
    folder = cross_encoder(tmp_path / "m", own, **config)
    expected = 0.5 if function == "none" else sigmoid(0.5)
    regression = config.get("problem_type") == "regression"
    with StandIn(served(Table()).with_bundle(folder)) as url:
        for bundle in (None, folder):  # the one that it carries, and the same given
            with Classifier(url, bundle=bundle) as classifier:
                assert classifier.rank("what", ["one"]) == [Ranked(0, expected)]
                # The pipeline knows nothing of it.
                answer = classifier.classify(("what", "one"))
                assert answer.score == (0.5 if regression else sigmoid(0.5))
        with Classifier(url, function="sigmoid") as told:
            assert told.rank("what", ["one"])[0].score == sigmoid(0.5)
        with Classifier(url, function="none") as told:
            assert told.rank("what", ["one"])[0].score == 0.5


def test_an_output_that_holds_probabilities_is_left_alone(tmp_path: Path) -> None:
    for problem in (None, "regression"):
        folder = cross_encoder(tmp_path / str(problem), problem_type=problem)
        with StandIn(served(Table(), "scores").with_bundle(folder)) as url:
            assert Classifier(url).rank("what", ["from", "like"])[0] == Ranked(0, 0.5)
    words = "^the output 'scores' holds values outside 0"
    model = served(Table(), "scores").with_bundle(tmp_path / "None")
    with StandIn(model) as url, pytest.raises(SignatureError, match=words):
        Classifier(url).rank("what", ["too"])


@pytest.mark.parametrize("stated", ["torch.nn.modules.activation.Tanh", "mine.Scaled", 3, ["a"]])
def test_an_activation_that_is_unknown(stated: Any, tmp_path: Path) -> None:
    folder = cross_encoder(tmp_path / "m", sentence_transformers={"activation_fn": stated})
    words = r"the bundle 'm(odel)?' wants .* which this client does not have: pass function='none'"
    with StandIn({"m": served(Table()).with_bundle(folder)}) as url:
        with pytest.raises(SignatureError, match=words) as caught:
            Classifier(url).rank("what", ["one"])
        assert str(stated) in str(caught.value)
        assert Classifier(url).classify(("what", "one")).score == sigmoid(0.5)
        assert Classifier(url, function="none").rank("what", ["one"]) == [Ranked(0, 0.5)]


def test_a_softmax_would_make_all_scores_equal(url: str) -> None:
    with pytest.raises(InputError, match="function='softmax' gives every document the score 1"):
        Classifier(url, function="softmax").rank("what", ["one"])


def test_a_new_version_with_another_activation(tmp_path: Path) -> None:
    """The score is that of the version which answered, though the old one was asked before."""
    old = cross_encoder(tmp_path / "old", sentence_transformers={"activation_fn": IDENTITY})
    models = [served(Table()).with_bundle(one) for one in (old, cross_encoder(tmp_path / "new"))]
    new = list[bool]()
    with StandIn(Changing(*models, turn=lambda _: len(new))) as url, Classifier(url) as classifier:
        assert classifier.rank("what", ["one"]) == [Ranked(0, 0.5)]
        new.append(True)
        assert classifier.rank("what", ["one"]) == [Ranked(0, sigmoid(0.5))]


def test_a_model_with_more_labels() -> None:
    def two(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"logits": np.ones((len(inputs["input_ids"]), 2), np.float32)}

    words = r"rank is for models with one label, .* has 2: NEGATIVE, POSITIVE\..*classify\(\(query"
    with StandIn(two) as url, pytest.raises(SignatureError, match=words):
        Classifier(url, bundle=Bundle.load()).rank("what", ["one", "two"])


def test_a_model_that_cannot_tell_the_texts_of_a_pair_apart(folder: Path) -> None:
    model = SignatureDef(Table(), {"input_ids": IDS, "attention_mask": IDS}, {"logits": FLOATS})
    without = ServedModel({1: {"serving_default": model}})
    with StandIn(without) as url, pytest.raises(SignatureError, match="takes no token_type_ids"):
        Classifier(url, bundle=folder).rank("what", ["one"])


@pytest.mark.parametrize(
    ("documents", "words"),
    [
        (
            "one",
            r"^documents must be an iterable of texts, not str; put a single document into a l",
        ),
        (b"one", "^documents must be an iterable of texts, not bytes"),
        (np.array("one"), "^documents must be an iterable of texts, not ndarray"),
        (None, "^documents must be an iterable of texts, not NoneType"),
        (7, "^documents must be an iterable of texts, not int"),
        ({"a": "one"}, r"^documents must be those of one column.*table\.values\(\), to rank$"),
        (["one", None], r"^documents\[1\] is a missing value \(None\); leave it out$"),
        (["one", float("nan")], r"^documents\[1\] is a missing value \(nan\); leave it out$"),
        (["one", 3], r"^documents\[1\] must be a str, not int$"),
        (["one", b"two"], r"^documents\[1\] must be a str, not bytes; decode it$"),
        ([("a", "pair")], r"^documents\[0\] must be a str, not tuple$"),
        (["one", "two", "\ud800"], r"^documents\[2\] has a lone surrogate at position 0"),
    ],
)
def test_documents_that_are_none(documents: Any, words: str) -> None:
    """They are refused before the first request: nobody listens at this address."""
    with pytest.raises(InputError, match=words):
        Classifier("http://127.0.0.1:1/v1/models/m").rank("what", documents)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"query": None}, "^query must be a str, not NoneType$"),
        ({"query": ("a", "b")}, "^query must be a str, not tuple$"),
        ({"query": "\ud800"}, "^query has a lone surrogate at position 0"),
        ({"top_k": 0}, "^top_k must be a whole number, 1 or more, not 0$"),
        ({"top_k": True}, "^top_k must be a whole number, 1 or more, not True$"),
        ({"timeout": 0}, "^timeout"),
    ],
)
def test_other_arguments_are_checked(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Classifier("http://127.0.0.1:1/v1/models/m").rank(
            **{"query": "what", "documents": []} | arguments
        )


def test_a_document_that_fails_is_named(classifier: Classifier) -> None:
    with pytest.raises(BadRequest, match=r"^documents\[40\]: http") as caught:
        classifier.rank("what", [*WORDS * 5, "one", "too", "from", "has", "like", "cat", "cat"])
    assert caught.value.index == 40


def test_the_timeout_is_that_of_all_requests_together(folder: Path) -> None:
    """Each request is answered in time, but all of them take a second at least."""
    one_at_a_time = threading.Lock()

    def slow(inputs: dict[str, Any]) -> dict[str, Any]:
        rows = len(inputs["input_ids"])
        with one_at_a_time:
            time.sleep(0.01 * rows)
        return {"logits": np.zeros((rows, 1), np.float32)}

    documents = [f"{'one ' * 120}{' too' * at}" for at in range(100)]
    with StandIn(served(slow)) as url, pytest.raises(TimedOut, match=r"within 0\.5 s"):
        Classifier(url, bundle=folder).rank("what", documents, timeout=0.5)


def test_a_longer_timeout_than_the_classifier_s(folder: Path) -> None:
    def slow(inputs: dict[str, Any]) -> dict[str, Any]:
        time.sleep(0.2)
        return {"logits": np.zeros((len(inputs["input_ids"]), 1), np.float32)}

    with StandIn(served(slow)) as url:
        classifier = Classifier(url, bundle=folder, timeout=0.05)
        assert classifier.rank("what", ["one"], timeout=60) == [Ranked(0, 0.5)]


def test_a_server_that_answers_no_more(folder: Path) -> None:
    """It answers the first request, and none after it."""
    requests = list[socket.socket]()

    def script(connection: socket.socket) -> None:
        while read_request(connection):
            requests.append(connection)
            if len(requests) == 1:
                connection.sendall(outputs([[0.5]]))

    signature = Signature(token_type_ids="token_type_ids")
    with serving(script) as server:
        options: dict[str, Any] = {"bundle": folder, "signature": signature}
        with Classifier(server.url, timeout=3600, **options) as classifier:
            assert classifier.rank("what", ["one"]) == [Ranked(0, sigmoid(0.5))]
            with pytest.raises(TimedOut, match=r"within 0\.2 s") as caught:
                classifier.rank("what", WORDS, timeout=0.2)
            assert (caught.value.timeout, caught.value.index) == (0.2, 0)
        with pytest.raises(TimedOut, match=r"within 0\.2 s"):
            Classifier(server.url, timeout=0.2, **options).rank("what", WORDS)


def test_documents_without_an_end() -> None:
    words = r"^reading the documents alone took longer than the 0\.05 s of a call"
    classifier = Classifier("http://127.0.0.1:1/v1/models/m")
    with pytest.raises(TimedOut, match=words):
        classifier.rank("what", itertools.repeat("one"), timeout=0.05)


def test_what_it_gives_is_frozen_and_an_object_in_json() -> None:
    found = [Ranked(1, 0.5), Ranked(0, 0.25)]
    with pytest.raises(FrozenInstanceError):
        found[0].score = 1.0  # type: ignore[misc]
    adapter = TypeAdapter(list[Ranked])
    assert adapter.dump_json(found) == b'[{"index":1,"score":0.5},{"index":0,"score":0.25}]'
    assert adapter.validate_json(adapter.dump_json(found)) == found
    assert asdict(found[0]) == {"index": 1, "score": 0.5}
    assert pickle.loads(pickle.dumps(found)) == found


def test_it_is_awaited_in_async_code(url: str, classifier: Classifier) -> None:
    async def work() -> None:
        async with AsyncClassifier(url) as ours:
            for options in ({}, {"top_k": 2}, {"timeout": 5.0}):
                expected = classifier.rank("what", WORDS, **options)  # type: ignore[arg-type]
                assert await ours.rank("what", iter(WORDS), **options) == expected  # type: ignore[arg-type]
            assert await ours.rank("what", []) == []
            with pytest.raises(InputError, match=r"^documents\[0\] must be a str, not int$"):
                await ours.rank("what", [1])  # type: ignore[list-item]
            many = [ours.rank("what", WORDS) for _ in range(30)]
            assert all(
                found == classifier.rank("what", WORDS) for found in await asyncio.gather(*many)
            )
        assert not our_threads()

    run(work())


def endless(read: list[str]) -> Iterator[str]:
    while True:
        read.append("one")
        yield read[-1]


def test_a_cancelled_task_ends_its_requests(folder: Path) -> None:
    silent = Silent()
    signature = Signature(token_type_ids="token_type_ids")

    async def work(classifier: AsyncClassifier) -> None:
        documents = [f"{word} {other}" * 20 for word in WORDS for other in WORDS]
        for _ in range(2):
            task = asyncio.create_task(classifier.rank("what", documents))
            await until(lambda: len(silent.open) >= 2)  # several requests are under way
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(lambda: not silent.open)
        with pytest.raises(TimedOut, match=r"within 0\.05 s"):
            await classifier.rank("what", documents, timeout=0.05)
        read = list[str]()
        task = asyncio.create_task(classifier.rank("what", endless(read)))
        await until(lambda: bool(read))
        task.cancel()
        await classifier.aclose()  # it waits for the threads
        assert not our_threads()

    with silent.classifier(bundle=folder, signature=signature) as classifier:
        run(work(classifier))
