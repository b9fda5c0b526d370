"""What an export carries, as TensorFlow Serving's C++ loads it, and what a new version changes."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install '.[export]'")
pytest.importorskip("transformers", reason="transformers is not installed")

import tensorflow as tf

from lightclient import Classification, Classifier
from lightclient.export import Exported, export
from lightclient.model.files import bound, fingerprint, read_files
from lightclient.standin import SavedModels, StandIn
from tests.heavy.texts import SENTENCES

pytestmark = [pytest.mark.heavy, pytest.mark.filterwarnings("ignore")]
Make = Callable[..., Path]
INPUTS = {"input_ids", "attention_mask"}


@pytest.fixture(scope="module")
def exported(model_folder: Make, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = model_folder("distilbert", id2label={"0": "bad", "1": "good"})
    return export(folder, tmp_path_factory.mktemp("out") / "served")


@pytest.fixture
def loaded(exported: Exported) -> Iterator[tuple[tf.compat.v1.Session, Any]]:
    """A session into which the SavedModel is loaded without Python's objects, and its graph."""
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        graph = tf.compat.v1.saved_model.loader.load(session, ["serve"], str(exported.folder))
        yield session, graph


def run(session: tf.compat.v1.Session, signature: Any, inputs: dict[str, Any]) -> Any:
    """The one output, by the names of the tensors that the signature tells."""
    (output,) = signature.outputs.values()
    return session.run(
        output.name, {signature.inputs[name].name: values for name, values in inputs.items()}
    )


def test_the_bundle_is_there_as_soon_as_it_is_loaded(exported: Exported, loaded: Any) -> None:
    session, graph = loaded
    files = read_files(exported.bundle)
    assert {"config.json", "tokenizer.json", "tokenizer_config.json"} <= set(files)
    for name in ("lightclient_bundle", bound("lightclient_bundle", fingerprint(files))):
        signature = graph.signature_def[name]
        assert set(signature.inputs) == {"file"}
        assert set(signature.outputs) == {"content_bytes"}
        for tensor in (signature.inputs["file"], signature.outputs["content_bytes"]):
            assert tensor.dtype == tf.string.as_datatype_enum
            assert [dim.size for dim in tensor.tensor_shape.dim] == [-1]
        asked = ["no.json", *files, "", *reversed(files)]
        expected = [b"", *files.values(), b"", *reversed(files.values())]
        assert run(session, signature, {"file": asked}).tolist() == expected
        assert run(session, signature, {"file": []}).tolist() == []


def test_both_names_of_a_prediction_have_the_same_tensors(exported: Exported, loaded: Any) -> None:
    session, graph = loaded
    mark = fingerprint(read_files(exported.bundle))
    assert set(graph.signature_def) - {"__saved_model_init_op"} == {
        "serving_default", f"serving_default-{mark}",
        "lightclient_bundle", f"lightclient_bundle-{mark}",
    }  # fmt: skip
    signature = graph.signature_def[f"serving_default-{mark}"]
    assert signature == graph.signature_def["serving_default"]
    ids = np.ones([2, 5], np.int32)
    assert run(session, signature, dict.fromkeys(INPUTS, ids)).shape == (2, 2)


def test_python_loads_the_same_signatures(exported: Exported) -> None:
    files = read_files(exported.bundle)
    signatures = tf.saved_model.load(str(exported.folder)).signatures
    mark = fingerprint(files)
    for name in ("lightclient_bundle", bound("lightclient_bundle", mark)):
        given = signatures[name](file=tf.constant([*files, "no"]))
        assert given["content_bytes"].numpy().tolist() == [*files.values(), b""]
    ids = tf.constant([[2, 7, 8, 3]])
    both = [
        signatures[name](input_ids=ids, attention_mask=tf.ones_like(ids))["logits"].numpy()
        for name in ("serving_default", bound("serving_default", mark))
    ]
    assert both[0].tolist() == both[1].tolist()


def test_nothing_is_stored_twice(exported: Exported) -> None:
    weights = sum(
        np.prod(shape) * 4
        for name, shape in tf.train.list_variables(str(exported.folder / "variables" / "variables"))
        if name.startswith("weights/")
    )
    data = exported.folder / "variables" / "variables.data-00000-of-00001"
    assert weights < data.stat().st_size < 1.2 * weights
    graph = (exported.folder / "saved_model.pb").read_bytes()
    for content in read_files(exported.bundle).values():
        assert graph.count(content) == 1


def answers(folder: Path, texts: list[str]) -> list[Classification]:
    with StandIn(SavedModels(folder)) as url, Classifier(url, bundle=folder) as classifier:
        return [classifier.classify(text) for text in texts]


def is_same(answer: Classification, expected: Classification) -> bool:
    """The same labels in the same order, and scores that differ by a float's noise only."""
    pairs = list(zip(answer.scores, expected.scores, strict=True))
    return all(ours[0] == theirs[0] and abs(ours[1] - theirs[1]) < 1e-5 for ours, theirs in pairs)


@pytest.mark.parametrize("family", ["distilbert", "roberta"])
def test_a_version_with_another_bundle_appears_in_the_middle_of_a_stream(
    family: str, exported: Exported, model_folder: Make, tmp_path: Path
) -> None:
    """The labels are in another order; of the second family, the vocabulary is another one too."""
    second = model_folder(family, id2label={"0": "good", "1": "bad"})
    export(second, tmp_path / "second")
    texts = [text for text in SENTENCES if text.strip()][:200]
    old, new = answers(exported.bundle, texts), answers(tmp_path / "second", texts)
    sure = [at for at in range(len(texts)) if not is_same(old[at], new[at])]
    assert len(sure) > 150
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "1").symlink_to(exported.folder)
    sent: list[int] = []
    seen: list[bool] = []

    def stream() -> Iterator[str]:
        """Texts, until the new version has answered many of them."""
        while len(sent) < 20_000 and seen.count(True) < 300:
            sent.append(len(sent) % len(texts))
            yield texts[sent[-1]]

    with StandIn(SavedModels(folder)) as url, Classifier(url) as classifier:
        for count, answer in enumerate(classifier.classify_many(stream())):
            at = sent[count]
            is_new = is_same(answer, new[at])
            assert is_new or is_same(answer, old[at]), (texts[at], answer, old[at], new[at])
            if at in sure:
                seen.append(is_new)
            if count == 500:
                os.rename(tmp_path / "second" / "1", folder / "2")
        assert count + 1 == len(sent)
    assert seen[:100] == [False] * 100
    assert seen[-100:] == [True] * 100
