"""A SavedModel that was written elsewhere gets a bundle, and stays what it was."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install '.[export]'")

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from lightclient import (
    BundleError,
    Classifier,
    InputError,
    LightClientError,
    SignatureError,
)
from lightclient.cli import main
from lightclient.export import ExportError, add_bundle
from lightclient.model.files import fingerprint, read_files
from lightclient.standin import SavedModels, StandIn
from tests.golden import GOLDEN

pytestmark = [pytest.mark.heavy, pytest.mark.filterwarnings("ignore")]
LABELS = ["HAM", "SPAM", "EGGS"]
TABLE = np.random.default_rng(5).normal(size=[3000, len(LABELS)]).astype(np.float32)
FREE = [None, None]
WARM_UP = "assets.extra/tf_serving_warmup_requests"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """The folder of a model with a vocabulary and labels of its own."""
    return make_bundle(tmp_path / "huggingface", LABELS)


def make_bundle(folder: Path, labels: list[str]) -> Path:
    folder.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "config.json"):
        shutil.copy(GOLDEN / "roberta" / name, folder)
    config = json.loads((folder / "config.json").read_bytes())
    config["id2label"] = dict(enumerate(labels))
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def mean(table: Any, ids: Any, mask: Any) -> Any:
    """The mean of the table's rows at the places of the ids."""
    weights = tf.cast(mask, tf.float32)[:, :, None]
    return tf.reduce_sum(tf.gather(table, ids) * weights, 1) / tf.reduce_sum(weights, 1)


def spec(name: str, dtype: Any = tf.int32, length: int | None = None) -> Any:
    return tf.TensorSpec([None, length], dtype, name)


def save_module(folder: Path) -> None:
    """Several signatures, several outputs, an asset, and what a deployment adds to the folder."""
    module = tf.Module()
    module.table = tf.Variable(TABLE)
    words = folder.parent / "words.txt"
    words.parent.mkdir(parents=True, exist_ok=True)
    words.write_text("zero\none\ntwo\n")
    module.asset = tf.saved_model.Asset(str(words))
    lines = tf.lookup.TextFileInitializer(
        str(words), tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER, tf.string,
        tf.lookup.TextFileIndex.WHOLE_LINE,
    )  # fmt: skip
    module.words = tf.lookup.StaticHashTable(lines, "none")

    def run(input_ids: Any, attention_mask: Any) -> Any:
        logits = mean(module.table, input_ids, attention_mask)
        best = tf.argmax(logits, 1)
        return {"logits": logits, "best": best, "word": module.words.lookup(best)}

    signatures = {
        name: tf.function(run, input_signature=[spec("input_ids", dtype), spec(*mask)])
        for name, dtype, mask in (
            ("serving_default", tf.int32, ("attention_mask", tf.int32)),
            ("int64_serving", tf.int64, ("attention_mask", tf.int64)),
        )
    }
    module.functions = list(signatures.values())
    tf.saved_model.save(module, str(folder), signatures=signatures)
    words.unlink()
    (folder / "assets.extra").mkdir()
    (folder / WARM_UP).write_bytes(b"records")
    (folder / "assets.extra" / "notes.txt").write_text("mine")


def save_constants(folder: Path) -> None:
    """No variable, so that its graph calls a function by a node named PartitionedCall, as ours."""
    module = tf.Module()
    module.run = tf.function(
        lambda input_ids, attention_mask: {"logits": mean(TABLE, input_ids, attention_mask)},
        input_signature=[spec("input_ids"), spec("attention_mask")],
    )
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.run})


def save_keras(folder: Path) -> None:
    """As Keras 3 exports it: inputs with the names of KerasHub, one output `output_0`."""
    keras = pytest.importorskip("keras")
    inputs = {
        "token_ids": keras.Input([None], dtype="int32", name="token_ids"),
        "padding_mask": keras.Input([None], dtype="bool", name="padding_mask"),
    }
    embed = keras.layers.Embedding(*TABLE.shape)
    pool = keras.layers.GlobalAveragePooling1D()
    model = keras.Model(inputs, pool(embed(inputs["token_ids"]), mask=inputs["padding_mask"]))
    embed.set_weights([TABLE])
    model.export(folder, verbose=False)


def save_fixed(folder: Path) -> None:
    """Rows of 30 tokens, and ids that are int64."""
    module = tf.Module()
    module.table = tf.Variable(TABLE)
    module.run = tf.function(
        lambda input_ids, attention_mask: {
            "logits": mean(module.table, input_ids, attention_mask)
            + 0 * tf.reshape(tf.cast(input_ids, tf.float32), [-1, 30])[:, :1]
        },
        input_signature=[
            spec("input_ids", tf.int64, 30), spec("attention_mask", tf.int64, 30),
        ],
    )  # fmt: skip
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.run})


def save_in_tensorflow_1(folder: Path) -> None:
    """A graph with a session's variables and no Python objects."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        ids = v1.placeholder(tf.int32, FREE, "ids")
        mask = v1.placeholder(tf.int32, FREE, "mask")
        table = v1.get_variable("table", initializer=TABLE, use_resource=False)
        logits = mean(table, ids, mask)
        session.run(v1.global_variables_initializer())
        signature = v1.saved_model.predict_signature_def(
            {"input_ids": ids, "attention_mask": mask}, {"logits": logits}
        )
        builder = v1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature})
        builder.save()


KINDS: dict[str, Callable[[Path], None]] = {
    "a tf.Module": save_module,
    "constants only": save_constants,
    "Keras": save_keras,
    "a fixed length": save_fixed,
    "TensorFlow 1": save_in_tensorflow_1,
}


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, with what it holds."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def graph_of(folder: Path) -> Any:
    document = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    (graph,) = document.meta_graphs
    return graph


TEXTS = ["Good.", "I like you. I love you", "The café is closed", "no " * 20]


@pytest.mark.parametrize("kind", KINDS)
def test_a_url_is_enough_afterwards(kind: str, bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models" / "mine"
    KINDS[kind](folder / "1")
    with StandIn(SavedModels(folder)) as url, Classifier(url, bundle=bundle) as classifier:
        expected = [classifier.classify(text) for text in TEXTS]
    assert len({answer.label for answer in expected}) > 1
    before = tree(folder)
    added = add_bundle(bundle, folder)
    assert (added.folder, added.version, added.bundle) == (folder / "2", 2, folder)
    assert added.largest_difference < 1e-6
    assert added.compared_with == str(folder / "1")
    with StandIn(SavedModels(folder)) as url, Classifier(url) as classifier:
        assert [classifier.classify(text) for text in TEXTS] == expected
    after = tree(folder)
    assert {name: after[name] for name in before} == before
    assert {name for name in after if "/" not in name} == set(read_files(bundle))


@pytest.mark.parametrize("kind", KINDS)
def test_all_else_stays_as_it_was(kind: str, bundle: Path, tmp_path: Path) -> None:
    KINDS[kind](tmp_path / "m" / "7")
    add_bundle(bundle, tmp_path / "m")
    old, new = tree(tmp_path / "m" / "7"), tree(tmp_path / "m" / "8")
    changed = {name for name in old if new.get(name) != old[name]}
    assert changed <= {"saved_model.pb", "fingerprint.pb"}
    assert set(new) == set(old) - {"fingerprint.pb"}
    before, after = graph_of(tmp_path / "m" / "7"), graph_of(tmp_path / "m" / "8")
    nodes, functions = len(before.graph_def.node), len(before.graph_def.library.function)
    assert after.graph_def.node[:nodes] == before.graph_def.node[:]
    assert after.graph_def.library.function[:functions] == before.graph_def.library.function[:]
    names = [node.name for node in after.graph_def.node]
    assert len(set(names)) == len(names)
    for name, signature in before.signature_def.items():
        assert after.signature_def[name] == signature
    mark = fingerprint(read_files(bundle))
    assert set(after.signature_def) - set(before.signature_def) == {
        "lightclient_bundle", f"lightclient_bundle-{mark}", f"serving_default-{mark}",
    }  # fmt: skip
    assert after.signature_def[f"serving_default-{mark}"] == before.signature_def["serving_default"]


@pytest.mark.parametrize("kind", KINDS)
def test_it_loads_as_in_a_server(kind: str, bundle: Path, tmp_path: Path) -> None:
    KINDS[kind](tmp_path / "1")
    added = add_bundle(bundle, tmp_path)
    files = read_files(bundle)
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        graph = tf.compat.v1.saved_model.loader.load(session, ["serve"], str(added.folder))
        signature = graph.signature_def["lightclient_bundle"]
        content, name = signature.outputs["content_bytes"].name, signature.inputs["file"].name
        given = session.run(content, {name: ["x", *files]})
        assert given.tolist() == [b"", *files.values()]
        assert session.run(content, {name: ["config.json"]}).shape == (1,)


def test_a_version_is_taken_by_its_folder_and_written_by_its_number(
    bundle: Path, tmp_path: Path
) -> None:
    save_module(tmp_path / "1")
    shutil.copytree(tmp_path / "1", tmp_path / "5")
    shutil.rmtree(tmp_path / "5" / "variables")
    added = add_bundle(str(bundle), str(tmp_path / "1"), version=3)
    assert (added.folder, added.compared_with) == (tmp_path / "3", str(tmp_path / "1"))
    with pytest.raises(InputError, match="is there already"):
        add_bundle(bundle, tmp_path / "1", version=3)


def test_the_bundle_of_an_older_export_lies_there_already(bundle: Path, tmp_path: Path) -> None:
    save_module(bundle / "1")
    add_bundle(bundle, bundle)
    with StandIn(SavedModels(bundle)) as url, Classifier(url) as classifier:
        assert classifier.classify("Good.").label in LABELS


def test_a_tokenizer_json_is_made_where_there_is_none(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    folder = tmp_path / "huggingface"
    shutil.copytree(GOLDEN / "bert-cased", folder)
    (folder / "tokenizer.json").unlink()
    config = json.loads((folder / "config.json").read_bytes())
    config["id2label"] = dict(enumerate(LABELS))
    (folder / "config.json").write_text(json.dumps(config))
    save_module(tmp_path / "m" / "1")
    add_bundle(folder, tmp_path / "m")
    assert "tokenizer.json" in read_files(tmp_path / "m")
    with StandIn(SavedModels(tmp_path / "m")) as url:
        given = Classifier(f"{url}/versions/1", bundle=folder).classify(TEXTS)
        assert Classifier(url).classify(TEXTS) == given


WITHOUT_TRANSFORMERS = """
import sys
for name in ("transformers", "tf_keras", "tensorflow_serving", "torch", "safetensors"):
    sys.modules[name] = None
from importlib import util
find_spec = util.find_spec
util.find_spec = lambda name: None if sys.modules.get(name, 0) is None else find_spec(name)
from lightclient.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_the_command_needs_tensorflow_only(bundle: Path, tmp_path: Path) -> None:
    save_module(tmp_path / "mine" / "1")
    arguments = ["export", "--add-bundle", str(bundle), str(tmp_path / "mine")]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TRANSFORMERS, *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        "loading TensorFlow",
        f"copying {tmp_path / 'mine' / '1'}",
        f"comparing it with {tmp_path / 'mine' / '1'}",
    ]
    assert f"written     {tmp_path / 'mine' / '2'}\n" in done.stdout
    assert "inputs      input_ids, attention_mask (any length)\n" in done.stdout
    assert f"at most, from the logits in {tmp_path / 'mine' / '1'}\n" in done.stdout
    assert "check --url http://localhost:8501/v1/models/mine\n" in done.stdout


def test_a_length_is_for_an_export(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--add-bundle", "--max-length", "10"]
    assert main(["export", *options, str(bundle), str(tmp_path)]) == 1
    assert "leave --max-length out" in capsys.readouterr().err


def another_signature(folder: Path) -> None:
    module = tf.Module()
    module.run = tf.function(lambda s: {"y": s}, input_signature=[spec("s", tf.string)])
    tf.saved_model.save(module, str(folder), signatures={"score": module.run})


def strings(folder: Path) -> None:
    module = tf.Module()
    module.run = tf.function(lambda s: {"y": s}, input_signature=[spec("s", tf.string)])
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.run})


def for_training(folder: Path) -> None:
    save_in_tensorflow_1(folder)
    path = folder / "saved_model.pb"
    document = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    document.meta_graphs[0].meta_info_def.tags[:] = ["train"]
    path.write_bytes(document.SerializeToString())


def broken(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"\x0b no protobuf")


def without_variables(folder: Path) -> None:
    save_module(folder)
    shutil.rmtree(folder / "variables")


def carrying(folder: Path) -> None:
    save_module(folder.with_name("1"))
    add_bundle(make_bundle(folder.parent.parent / "other", LABELS[::-1]), folder.parent)


FAILING: dict[str, tuple[Callable[[Path], object], type[LightClientError], str]] = {
    "nothing": (lambda folder: folder.parent.mkdir(), InputError, "holds no version of a SavedM"),
    "an empty version": (lambda folder: folder.mkdir(parents=True), ExportError, "pb is missing"),
    "no graph": (broken, ExportError, "saved_model.pb is broken"),
    "no variables": (without_variables, ExportError, "failed: "),
    "a graph for training": (for_training, ExportError, "without a graph for serving"),
    "other signatures": (another_signature, ExportError, "has no signature 'serving_default', but"),
    "strings": (strings, SignatureError, "takes s, of which this client knows none"),
    "a bundle already": (carrying, ExportError, "carries a bundle already .lightclient_bundle-"),
}


@pytest.mark.parametrize("case", FAILING)
def test_what_cannot_be_done_is_told_and_leaves_all_as_it_was(
    case: str, bundle: Path, tmp_path: Path
) -> None:
    make, error, message = FAILING[case]
    make(tmp_path / "m" / "2")
    before = tree(tmp_path)
    with pytest.raises(error, match=message):
        add_bundle(bundle, tmp_path / "m")
    assert tree(tmp_path) == before
    assert not [path for path in (tmp_path / "m").iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("labels", [LABELS[:2], [*LABELS, "more"]])
def test_labels_that_do_not_fit(labels: list[str], tmp_path: Path) -> None:
    save_module(tmp_path / "m" / "1")
    bundle = make_bundle(tmp_path / "huggingface", labels)
    with pytest.raises(ExportError, match=f"gives 3 logits, config.json has {len(labels)} labels"):
        add_bundle(bundle, tmp_path / "m")
    assert os.listdir(tmp_path / "m") == ["1"]


def test_a_vocabulary_that_does_not_fit(bundle: Path, tmp_path: Path) -> None:
    module = tf.Module()
    module.run = tf.function(
        lambda input_ids, attention_mask: {"logits": mean(TABLE[:9], input_ids, attention_mask)},
        input_signature=[spec("input_ids"), spec("attention_mask")],
    )
    tf.saved_model.save(
        module, str(tmp_path / "m" / "1"), signatures={"serving_default": module.run}
    )
    with pytest.raises(ExportError, match=r"failed: .*is not in \[0, 9\)"):
        add_bundle(bundle, tmp_path / "m")


def test_a_folder_that_no_server_finds(bundle: Path, tmp_path: Path) -> None:
    save_module(tmp_path / "mine")
    with pytest.raises(InputError, match="whose name is no number"):
        add_bundle(bundle, tmp_path / "mine")


def test_a_folder_without_a_bundle(tmp_path: Path) -> None:
    save_module(tmp_path / "m" / "1")
    with pytest.raises(BundleError, match="not a folder, and not a shipped name"):
        add_bundle(tmp_path / "none", tmp_path / "m")
    (make_bundle(tmp_path / "b", LABELS) / "config.json").unlink()
    with pytest.raises(BundleError, match=r"config\.json is missing"):
        add_bundle(tmp_path / "b", tmp_path / "m")
    assert os.listdir(tmp_path / "m") == ["1"]
