"""The bundle that a served model brings along, and the client that has nothing but its URL."""

import json
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from lightclient import (
    Bundle,
    BundleError,
    CannotConnect,
    Classifier,
    InputError,
    Signature,
    SignatureError,
    TimedOut,
)
from lightclient.http.deadline import Deadline
from lightclient.model.encoding import encode
from lightclient.model.files import DEFAULT_BUNDLE, NAMES, bound, fingerprint, read_files
from lightclient.questions.classify import Classify
from lightclient.standin import Batching, ServedModel, SignatureDef, StandIn, TensorSpec
from lightclient.standin.bundle import bundle_signature
from lightclient.standin.models import Repository
from lightclient.standin.models import classifier as behind_usual_signature
from tests.golden import GOLDEN
from tests.scripted import Script, read_request, response, serving

Arrays = dict[str, Any]
TEXTS = [f"The {word} train is number {at}." for at in range(150) for word in ("late", "new")]


class Seen:
    """A model that tells its rows by their ids, and remembers them."""

    def __init__(self, labels: int = 2) -> None:
        self.labels = labels
        self.rows: list[list[int]] = []

    def __call__(self, inputs: Arrays) -> Arrays:
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        rows = [row[shown == 1].tolist() for row, shown in zip(ids, mask, strict=True)]
        self.rows += rows
        return {"logits": np.array([logits(row, self.labels) for row in rows], np.float32)}


def logits(ids: list[int], labels: int = 2) -> list[float]:
    return [float(sum(ids) % 101)] + [float(len(ids) + at) for at in range(1, labels)]


def model_folder(folder: Path, labels: list[str], source: str = "bert-uncased") -> Path:
    """A Hugging Face folder with these labels."""
    folder.mkdir()
    for name in NAMES:
        if (GOLDEN / source / name).is_file():
            shutil.copy(GOLDEN / source / name, folder)
    config = json.loads((folder / "config.json").read_bytes())
    config["id2label"] = dict(enumerate(labels))
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def spam(tmp_path: Path) -> Path:
    return model_folder(tmp_path / "spam", ["HAM", "SPAM"])


def served(folder: Path | None, run: Callable[[Arrays], Mapping[str, Any]] | None = None) -> Any:
    return behind_usual_signature(run or Seen()).with_bundle(folder)


class Counting(Repository):
    """Counts how often a bundle is fetched."""

    def __init__(self, folder: Path | None, run: Any = None) -> None:
        model = served(folder, run)
        self.fetched = 0
        signatures = {
            name: self._counted(signature) if "bundle" in name else signature
            for name, signature in model.versions[1].items()
        }
        super().__init__({"m": ServedModel({1: signatures})})

    def _counted(self, signature: SignatureDef) -> SignatureDef:
        def run(inputs: Arrays) -> Mapping[str, Any]:
            self.fetched += 1
            return signature.run(inputs)

        return SignatureDef(run, signature.inputs, signature.outputs)


def test_a_url_alone_gives_the_model_s_own_ids_and_labels(spam: Path) -> None:
    run = Seen()
    with StandIn(served(spam, run)) as url, Classifier(url) as classifier:
        answer = classifier.classify(TEXTS[0])
        expected = encode([TEXTS[0]], Bundle.load(spam)).input_ids
        assert run.rows == expected
        assert {score.label for score in answer.scores} == {"HAM", "SPAM"}
        assert answer.logits == tuple(logits(expected[0]))


def test_the_bundle_is_fetched_once(spam: Path) -> None:
    model = Counting(spam)
    with StandIn(model) as url, Classifier(url) as classifier:
        for text in TEXTS[:3]:
            classifier.classify(text)
        list(classifier.classify_many(TEXTS))
        assert model.fetched == 1


def test_tokens_are_counted_by_the_model_s_own_bundle(spam: Path) -> None:
    """It is asked for once; then no server is needed, and none is where the bundle was given."""
    text = TEXTS[0]
    [ids] = encode([text], Bundle.load(spam)).input_ids
    assert len(encode([text], Bundle.load()).input_ids[0]) != len(ids)
    model = Counting(spam)
    with StandIn(model) as url, Classifier(url) as classifier:
        assert classifier.count_tokens(text) == len(ids)
    assert classifier.count_tokens(text * 2000) == len(
        encode([text * 2000], Bundle.load(spam)).input_ids[0]
    )
    assert model.fetched == 1
    assert Classifier(url, bundle=spam).count_tokens(text) == len(ids)
    with pytest.raises(CannotConnect):
        Classifier(url).count_tokens(text, timeout=0.5)


def test_the_shipped_bundle_is_not_fetched() -> None:
    model = Counting(None)
    with StandIn(model) as url:
        for bundle in (None, "served", DEFAULT_BUNDLE):
            with Classifier(url, bundle=bundle) as classifier:
                assert {score.label for score in classifier.classify("a").scores} == {
                    "NEGATIVE",
                    "POSITIVE",
                }
    assert model.fetched == 0


def test_the_bundle_that_was_given_is_the_model_s(spam: Path) -> None:
    model = Counting(spam)
    with StandIn(model) as url, Classifier(url, bundle=spam) as classifier:
        assert classifier.classify("a").label in ("HAM", "SPAM")
    assert model.fetched == 0


def test_another_bundle_than_the_model_s_is_refused(spam: Path) -> None:
    mark = fingerprint(read_files(spam))
    with StandIn(served(spam)) as url, Classifier(url, bundle=DEFAULT_BUNDLE) as classifier:
        with pytest.raises(SignatureError) as caught:
            classifier.classify("a")
        for words in (
            DEFAULT_BUNDLE,
            Bundle.load().fingerprint,
            mark,
            "leave bundle= (--bundle) out",
        ):
            assert words in str(caught.value)
        with pytest.raises(SignatureError, match="is not the bundle that"):
            list(classifier.classify_many(["a"]))


def test_a_signature_by_hand_leaves_all_of_it_out(spam: Path) -> None:
    with StandIn(served(spam)) as url:
        stated = Classifier(url, signature=Signature(output="logits"), bundle=DEFAULT_BUNDLE)
        assert stated.classify("a").label in ("NEGATIVE", "POSITIVE")


def unmarked(folder: Path) -> ServedModel:
    """A model that carries a bundle, and does not tell its fingerprint."""
    signatures = dict(behind_usual_signature(Seen()).versions[1])
    own = bundle_signature(read_files(folder))
    return ServedModel({1: signatures | {"lightclient_bundle": own}})


def test_a_bundle_without_a_fingerprint_is_asked_for(spam: Path) -> None:
    with StandIn(unmarked(spam)) as url:
        assert Classifier(url).classify("a").label in ("HAM", "SPAM")
        assert Classifier(url, bundle=spam).classify("a").label in ("HAM", "SPAM")
        with pytest.raises(SignatureError, match="is not the bundle that"):
            Classifier(url, bundle=DEFAULT_BUNDLE).classify("a")


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "lightclient"]


def test_the_default_bundle_comes_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with StandIn(Seen()) as url, Classifier(url) as classifier:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(classifier.classify, TEXTS[:40]))
        list(classifier.classify_many(TEXTS))
        assert warnings(caplog) == [
            f"{url} carries no bundle; the default is used: labels NEGATIVE, POSITIVE, from the "
            "bundle that ships with lightclient: pass bundle= if this is another model"
        ]


def test_nobody_is_warned_who_said_which_bundle(
    spam: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with StandIn(Seen()) as url:
        Classifier(url, bundle=DEFAULT_BUNDLE).classify("a")
        Classifier(url, signature=Signature(output="logits")).classify("a")
    with StandIn(served(spam)) as url:
        Classifier(url).classify("a")
    assert warnings(caplog) == []


def test_served_insists(spam: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIGHTCLIENT_BUNDLE", "served")
    with StandIn(Seen()) as url:
        for _ in range(2):
            with pytest.raises(SignatureError, match=r"carries no bundle: .*--add-bundle"):
                Classifier(url).classify("a")
    with StandIn(served(spam)) as url:
        assert Classifier(url).classify("a").label in ("HAM", "SPAM")


def test_a_length_is_checked_against_the_bundle_once_it_is_known(spam: Path) -> None:
    config = json.loads((spam / "config.json").read_bytes())
    (spam / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 2048}))
    (spam / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    long = "word " * 3000
    with StandIn(served(spam)) as url:
        run = Classifier(url, max_length=1500)
        assert run.classify(long).truncated
        with pytest.raises(InputError, match=r"max_length must be .* from 3 to 2048, not 2049"):
            Classifier(url, max_length=2049).classify("a")


class Changing(Repository):
    """Serves the next of several models whenever `turn` says so."""

    def __init__(self, *models: ServedModel, turn: Callable[[int], int]) -> None:
        super().__init__({"m": models[0]})
        self._all, self._turn, self._requests = models, turn, 0
        self._lock = threading.Lock()

    def current(self) -> Mapping[str, ServedModel]:
        with self._lock:
            self._requests += 1
            return {"m": self._all[self._turn(self._requests) % len(self._all)]}


@pytest.fixture
def versions(tmp_path: Path) -> list[tuple[Path, Seen]]:
    """Two versions of a model: labels in another order, and another tokenizer."""
    return [
        (model_folder(tmp_path / "one", ["ham", "spam"], "bert-uncased"), Seen()),
        (model_folder(tmp_path / "two", ["spam", "ham", "news"], "roberta"), Seen(3)),
    ]


def answers_of(folder: Path, labels: int) -> list[dict[str, float]]:
    """What each text's logits are, by label, if this version answers."""
    bundle = Bundle.load(folder)
    rows = encode(TEXTS, bundle).input_ids
    return [dict(zip(bundle.labels, logits(row, labels), strict=True)) for row in rows]


def by_label(answer: Any, folders: list[Path]) -> dict[str, float]:
    labels = next(
        bundle.labels
        for bundle in map(Bundle.load, folders)
        if set(bundle.labels) == {score.label for score in answer.scores}
    )
    return dict(zip(labels, answer.logits, strict=True))


@pytest.mark.parametrize("new_from", [2, 3, 4, 7])
def test_a_new_version_in_the_middle_of_a_stream(
    versions: list[tuple[Path, Seen]], new_from: int
) -> None:
    """No text is lost, and none gets the labels, or the token ids, of the other version."""
    folders = [folder for folder, _ in versions]
    old, new = answers_of(folders[0], 2), answers_of(folders[1], 3)
    repository = Changing(*(served(*one) for one in versions), turn=lambda at: int(at >= new_from))
    with StandIn(repository) as url, Classifier(url) as classifier:
        answers = list(classifier.classify_many(TEXTS))
        found = [by_label(answer, folders) for answer in answers]
        assert all(one in (old[at], new[at]) for at, one in enumerate(found))
        assert found[-1] == new[-1]
        assert by_label(classifier.classify(TEXTS[0]), folders) == new[0]


@pytest.mark.parametrize(
    "turn", [lambda at: at, lambda at: at // 2, lambda at: Random(at).randrange(2)]
)
def test_servers_of_two_versions_behind_one_address(
    versions: list[tuple[Path, Seen]], turn: Callable[[int], int]
) -> None:
    folders = [folder for folder, _ in versions]
    old, new = answers_of(folders[0], 2), answers_of(folders[1], 3)
    repository = Changing(*(served(*one) for one in versions), turn=turn)
    with StandIn(repository) as url, Classifier(url) as classifier:
        for at in range(10):
            found = by_label(classifier.classify(TEXTS[at]), folders)
            assert found in (old[at], new[at])


def giving(output: str, row: list[float], folder: Path) -> ServedModel:
    """A model whose output has this name, and this row for each text."""
    free = (None, None)
    ids = TensorSpec("int32", free)

    def run(inputs: Arrays) -> Arrays:
        return {output: np.array([row] * len(inputs["input_ids"]), np.float32)}

    signature = SignatureDef(
        run, {"input_ids": ids, "attention_mask": ids}, {output: TensorSpec("float32", free)}
    )
    return ServedModel({1: {"serving_default": signature}}).with_bundle(folder)


@pytest.mark.parametrize("newer", ["logits", "probabilities"])
def test_a_new_version_with_the_same_bundle_and_another_output(spam: Path, newer: str) -> None:
    models = {
        "logits": giving("logits", [2.0, 2.0], spam),
        "probabilities": giving("probabilities", [0.25, 0.75], spam),
    }
    expected = {"logits": {"HAM": 0.5, "SPAM": 0.5}, "probabilities": {"HAM": 0.25, "SPAM": 0.75}}
    new = models.pop(newer)
    [(older, old)] = models.items()
    is_new = threading.Event()
    for ask in (Classifier.classify, lambda one, texts: list(one.classify_many(texts))):
        is_new.clear()
        repository = Changing(old, new, turn=lambda _: int(is_new.is_set()))
        with StandIn(repository) as url, Classifier(url) as classifier:
            [answer] = classifier.classify(["a"])
            assert dict(answer.scores) == expected[older]
            is_new.set()
            assert dict(ask(classifier, ["a"])[0].scores) == expected[newer]


def metadata_of(signatures: list[str]) -> bytes:
    ids = {"dtype": "DT_INT32", "tensor_shape": {"dim": [{"size": -1}, {"size": -1}]}}
    told = {"inputs": {"input_ids": ids}, "outputs": {"logits": ids | {"dtype": "DT_FLOAT"}}}
    found = {"signature_def": {"signature_def": dict.fromkeys(signatures, told)}}
    return response(200, json.dumps({"metadata": found}))


def carrying(mark: str, answer: bytes) -> Script:
    """A server that tells of a bundle and answers the question for it so."""

    def script(connection: Any) -> None:
        while request := read_request(connection):
            is_look_up = request.startswith(b"GET")
            names = ["serving_default", bound("lightclient_bundle", mark)]
            connection.sendall(metadata_of(names) if is_look_up else answer)

    return script


def files_answer(files: Mapping[str, bytes]) -> bytes:
    from base64 import b64encode

    contents = [{"b64": b64encode(files.get(name, b"")).decode()} for name in NAMES]
    return response(200, json.dumps({"outputs": contents}))


def test_a_bundle_that_is_not_the_one_of_the_metadata(spam: Path) -> None:
    answer = files_answer(read_files(spam))
    words = r"and not the one of its metadata, 0{16}"
    with serving(carrying("0" * 16, answer)) as server, pytest.raises(BundleError, match=words):
        Classifier(server.url).classify("a")


@pytest.mark.parametrize(
    "outputs",
    ["{}", '{"outputs": []}', '{"outputs": [{"b64": "e30="}]}', '{"outputs": 3}',
     '{"outputs": [1, 2, 3, 4]}', '{"outputs": ["a", "b", "c", "d"]}',
     '{"outputs": [{"b64": "?"}, {"b64": ""}, {"b64": ""}, {"b64": ""}]}',
     '{"outputs": [{"b64": 3}, {"b64": ""}, {"b64": ""}, {"b64": ""}]}'],
)  # fmt: skip
def test_an_answer_that_is_no_bundle(outputs: str) -> None:
    script, words = (
        carrying("0" * 16, response(200, outputs)),
        "did not send the bundle that the model carries",
    )
    with serving(script) as server, pytest.raises(BundleError, match=words):
        Classifier(server.url).classify("a")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"tokenizer.json": b"{}"}, "carries a bundle whose config.json is missing"),
        ({"config.json": b"{"}, "whose config.json cannot be read as a JSON object"),
        ({"config.json": b"{}"}, "whose vocab.txt is missing .* no tokenizer.json"),
        ({"config.json": b"{}", "tokenizer.json": b"{}"}, "whose tokenizer.json"),
    ],
)
def test_a_broken_bundle(files: Mapping[str, bytes], words: str) -> None:
    script = carrying(fingerprint(files), files_answer(files))
    with serving(script) as server, pytest.raises(BundleError, match=words):
        Classifier(server.url).classify("a")


def test_the_fetch_is_inside_the_deadline() -> None:
    def silent(connection: Any) -> None:
        read_request(connection)
        connection.sendall(metadata_of(["serving_default", bound("lightclient_bundle", "0" * 16)]))
        read_request(connection)
        read_request(connection)

    with serving(silent) as server, pytest.raises(TimedOut):
        Classifier(server.url, timeout=0.3).classify("a")


def test_a_bundle_that_takes_too_long_to_load(spam: Path) -> None:
    """The error does not blame the texts, and the next call has the bundle."""
    mark = fingerprint(read_files(spam))
    with StandIn(served(spam)) as url, Classifier(url) as classifier:
        predictor = classifier._asker.predictor

        class OverOnceLoaded(Deadline):
            @property
            def over(self) -> bool:
                return predictor.bundle.fingerprint == mark

        with pytest.raises(TimedOut, match=r"loading the bundle .* took longer .* call warm\("):
            predictor.ask(Classify().one_row_each, ["a"], OverOnceLoaded(10))
        assert classifier.classify("a").label in ("HAM", "SPAM")


def test_several_bundles_are_no_bundle() -> None:
    names = ["serving_default", *(bound("lightclient_bundle", digit * 16) for digit in "01")]

    def script(connection: Any) -> None:
        while read_request(connection):
            connection.sendall(metadata_of(names))

    with serving(script) as server, pytest.raises(SignatureError, match="carries 2 bundles"):
        Classifier(server.url).classify("a")


@pytest.mark.parametrize("most", [1, 2, 3, 4])
def test_a_server_whose_batches_are_small(spam: Path, most: int) -> None:
    batching = Batching(max_batch_size=most, timeout=0.001)
    with StandIn(served(spam), batching=batching) as url, Classifier(url, pad_to=16) as classifier:
        assert {answer.label for answer in classifier.classify(TEXTS[:10])} <= {"HAM", "SPAM"}
        assert len(list(classifier.classify_many(TEXTS))) == len(TEXTS)


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="this system has no files in memory")
def test_nothing_is_written_to_disk(spam: Path, tmp_path: Path) -> None:
    """Neither 0.x nor 1.x of tokenizers, which loads files only, needs a folder for it."""
    program = (
        "import sys, lightclient, tempfile; tempfile.tempdir = sys.argv[2]; "
        "print(lightclient.Classifier(sys.argv[1]).classify('a').label)"
    )
    with StandIn(served(spam)) as url:
        run = [sys.executable, "-c", program, url, str(tmp_path / "absent")]
        ended = subprocess.run(run, capture_output=True, text=True, timeout=60, check=False)
    assert ended.stderr == ""
    assert ended.stdout.strip() in ("HAM", "SPAM")


def test_a_model_that_carried_its_bundle_never_gets_the_default_one(
    versions: list[tuple[Path, Seen]],
) -> None:
    """The labels of the default bundle would be invented ones."""
    folder, run = versions[0]
    old, without = served(folder, run), behind_usual_signature(Seen())
    now = [0]
    repository = Changing(old, without, turn=lambda _: now[0])
    with StandIn(repository) as url, Classifier(url) as classifier:
        assert classifier.classify(TEXTS[0]).label in ("ham", "spam")
        now[0] = 1
        for _ in range(2):
            with pytest.raises(SignatureError, match="carries no bundle"):
                classifier.classify(TEXTS[0])
        with pytest.raises(SignatureError, match="carries no bundle"):
            list(classifier.classify_many(TEXTS))


def test_another_bundle_is_logged_once(
    versions: list[tuple[Path, Seen]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    repository = Changing(*(served(*one) for one in versions), turn=lambda at: int(at >= 5))
    with StandIn(repository) as url, Classifier(url) as classifier:
        list(classifier.classify_many(TEXTS))
        list(classifier.classify_many(TEXTS))
        assert warnings(caplog) == [
            f"{url} has a new version with another bundle: labels spam, ham, news"
        ]


def test_the_repr_shows_a_bundle_that_is_known(spam: Path) -> None:
    with StandIn(served(spam)) as url, Classifier(url) as classifier:
        assert repr(classifier) == f"Classifier({url!r})"
        classifier.classify("a")
        assert repr(classifier) == f"Classifier({url!r}, bundle='model')"
        assert repr(Classifier(url, bundle=spam)) == f"Classifier({url!r}, bundle='spam')"
