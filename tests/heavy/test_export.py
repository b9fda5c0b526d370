"""Real exports: each family of models, each form of weights, and what goes wrong."""

import json
import os
import shutil
import subprocess
import sys
import warnings

import numpy as np
import pytest

from lightclient import Bundle, BundleError, InputError
from lightclient.cli import main
from lightclient.export import Exported, ExportError, export, libraries
from lightclient.model.encoding import encode
from tests.golden import GOLDEN

libraries.set_environment()
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    tf = pytest.importorskip("tensorflow", reason="needs the extra: pip install '.[export]'")
    transformers = pytest.importorskip("transformers", reason="needs the extra `export`")
HAS_TORCH = libraries.has_torch()

pytestmark = [pytest.mark.heavy, pytest.mark.filterwarnings("ignore")]
needs_torch = pytest.mark.skipif(not HAS_TORCH, reason="needs PyTorch: pip install torch")

SMALL = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
}  # fmt: skip
DEBERTA = {
    "relative_attention": True, "max_relative_positions": -1, "type_vocab_size": 0,
    "position_biased_input": False,
}  # fmt: skip
IDS, MASK, TYPES = "input_ids", "attention_mask", "token_type_ids"
# Family: the folder its tokenizer is from, what differs from SMALL, the inputs.
FAMILIES = {
    "distilbert": ("distilbert", {"dim": 32, "n_layers": 2, "hidden_dim": 64}, (IDS, MASK)),
    "bert": ("bert-cased", {}, (IDS, MASK, TYPES)),
    "roberta": ("roberta", {}, (IDS, MASK)),
    "albert": ("albert", {"embedding_size": 16}, (IDS, MASK, TYPES)),
    "electra": ("electra", {"embedding_size": 16}, (IDS, MASK, TYPES)),
    "deberta": ("roberta", {**DEBERTA, "pos_att_type": "c2p|p2c"}, (IDS, MASK)),
    "deberta-v2": (
        "deberta-v2",
        {
            **DEBERTA, "pos_att_type": "p2c|c2p", "norm_rel_ebd": "layer_norm",
            "share_att_key": True, "pooler_hidden_size": 32,
            "position_buckets": 256, "conv_kernel_size": 3,
        },
        (IDS, MASK),
    ),
    "xlm-roberta": ("xlm-roberta", {}, (IDS, MASK)),
    "mobilebert": (
        "bert-uncased",
        {
            "embedding_size": 16, "true_hidden_size": 16, "intra_bottleneck_size": 16,
            "num_feedforward_networks": 2,
        },
        (IDS, MASK, TYPES),
    ),
    "xlnet": (
        "xlnet",
        {"d_model": 32, "d_head": 16, "n_layer": 2, "n_head": 2, "d_inner": 64},
        (IDS, MASK, TYPES),
    ),
    "gpt2": ("gpt2", {"n_embd": 32, "n_layer": 2, "n_head": 2}, (IDS, MASK)),
}  # fmt: skip
TEXTS = [
    "She opened the window because the room was too warm for reading.",
    "Don't wait for me, I'll be late again. It's the rain!",
    "!",
    "Das Wetter ist schön, aber der Fluß ist kalt und tief. " * 12,
]


def make_model(family, folder, **changes):
    """A folder with a tokenizer and random weights: PyTorch's safetensors, else TensorFlow's h5."""
    tokenizer, differs, _ = FAMILIES[family]
    shutil.copytree(GOLDEN / tokenizer, folder, ignore=shutil.ignore_patterns("golden.json"))
    told = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    told = told | SMALL | differs | {"initializer_range": 0.3} | changes
    told.pop("model_type")
    config = transformers.AutoConfig.for_model(family, **told)
    if HAS_TORCH:
        import torch

        torch.manual_seed(0)
        model = transformers.AutoModelForSequenceClassification.from_config(config)
        # PyTorch begins with zeros for the pad token; a trained model has something else.
        torch.nn.init.normal_(model.get_input_embeddings().weight)
        model.save_pretrained(folder)
    else:
        tf.random.set_seed(0)
        model = transformers.TFAutoModelForSequenceClassification.from_config(config)
        model.build_in_name_scope()
        model.save_pretrained(folder)
    return folder


def tree(folder):
    """Every name below a folder, with its size and time."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() or not any(path.iterdir())
    }


def serve(folder):
    """The SavedModel as TensorFlow Serving calls it."""
    loaded = tf.saved_model.load(str(folder))
    signature = loaded.signatures["serving_default"]
    signature.keep = loaded
    return signature


def logits(signature, bundle, texts, length=None):
    """What the signature gives for texts that are padded by hand."""
    batch = encode(texts, bundle, 512 if length is None else length)
    width = batch.length if length is None else length
    columns = {
        IDS: (batch.input_ids, batch.padding.token_id),
        MASK: ([[1] * len(ids) for ids in batch.input_ids], 0),
        TYPES: (batch.token_type_ids, batch.padding.type_id),
    }
    names = signature.structured_input_signature[1]
    arrays = {}
    for name in names:
        rows, filler = columns[name]
        arrays[name] = np.full((len(texts), width), filler, np.int32)
        for at, row in enumerate(rows):
            arrays[name][at, slice(-len(row), None) if batch.padding.left else slice(len(row))] = (
                row
            )
    given = signature(**{name: tf.constant(array) for name, array in arrays.items()})
    assert list(given) == ["logits"]
    return given["logits"].numpy()


def pipeline_logits(folder, texts):
    """transformers' own answer: its pipeline in PyTorch, else the TensorFlow model."""
    if not HAS_TORCH:
        return tensorflow_logits(folder, texts)
    pipe = transformers.pipeline("text-classification", model=str(folder), device="cpu")
    found = pipe(texts, top_k=None, function_to_apply="none", truncation=True, max_length=512)
    labels = pipe.model.config.id2label
    by_label = [{entry["label"]: entry["score"] for entry in row} for row in found]
    return np.array([[row[labels[at]] for at in range(len(labels))] for row in by_label])


def tensorflow_logits(folder, texts):
    model = transformers.TFAutoModelForSequenceClassification.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    given = [
        tokenizer(text, truncation=True, max_length=512, return_tensors="tf") for text in texts
    ]
    return np.concatenate([model(**inputs).logits.numpy() for inputs in given])


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture(scope="module")
def source(family, tmp_path_factory):
    return make_model(family, tmp_path_factory.mktemp("source") / family)


@pytest.fixture(scope="module")
def exported(source, tmp_path_factory):
    return export(source, tmp_path_factory.mktemp("out") / "served")


def test_the_signature_is_as_promised(family, exported):
    signature = serve(exported.folder)
    inputs = signature.structured_input_signature[1]
    names = FAMILIES[family][2]
    assert exported.inputs == names
    assert set(inputs) == set(names)
    for spec in inputs.values():
        assert (spec.dtype, spec.shape.as_list()) == (tf.int32, [None, None])
    (name, output), *others = signature.structured_outputs.items()
    labels = len(Bundle.load(exported.bundle).labels)
    assert (name, others) == ("logits", [])
    assert (output.dtype, output.shape.as_list()) == (tf.float32, [None, labels])


def test_the_logits_are_those_of_the_pipeline(family, source, exported):
    bundle, signature = Bundle.load(exported.bundle), serve(exported.folder)
    expected = pipeline_logits(source, TEXTS)
    together = logits(signature, bundle, TEXTS)
    alone = np.concatenate([logits(signature, bundle, [text]) for text in TEXTS])
    assert np.ptp(expected, axis=0).max() > 0.01
    np.testing.assert_allclose(together, expected, atol=1e-4)
    np.testing.assert_allclose(alone, expected, atol=1e-4)
    assert exported.largest_difference < 1e-4
    assert exported.compared_with == ("PyTorch" if HAS_TORCH else "TensorFlow")
    print(f"{family}: {np.abs(together - expected).max():.2g}")


def test_the_warm_up_requests_fit_the_signature(exported):
    from tensorflow_serving.apis import prediction_log_pb2

    path = exported.folder / "assets.extra" / "tf_serving_warmup_requests"
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(path))]
    signature, shapes = serve(exported.folder), []
    for record in records:
        log = prediction_log_pb2.PredictionLog.FromString(record)
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        assert request.model_spec.signature_name == "serving_default"
        arrays = {name: tf.make_ndarray(proto) for name, proto in request.inputs.items()}
        assert {array.dtype for array in arrays.values()} == {np.dtype(np.int32)}
        assert set(arrays) == set(exported.inputs)
        given = signature(**{name: tf.constant(array) for name, array in arrays.items()})
        assert np.isfinite(given["logits"].numpy()).all()
        shapes.append(arrays[IDS].shape)
    assert len({length for _, length in shapes}) >= 4
    # A server with a small max_batch_size refuses more rows, and then does not load the model.
    assert {rows for rows, _ in shapes} == {1}


def test_the_bundle_lies_beside_the_version(source, exported):
    assert {entry.name for entry in exported.bundle.iterdir()} <= {
        "1", "config.json", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip
    mine, theirs = Bundle.load(exported.bundle), Bundle.load(source)
    assert mine.labels == theirs.labels
    assert mine.max_length == theirs.max_length
    assert encode(TEXTS, mine) == encode(TEXTS, theirs)


def test_every_file_can_be_read_by_a_server_of_another_user(exported):
    for path in [exported.folder, *exported.folder.rglob("*")]:
        assert path.stat().st_mode & 0o044 == 0o044, path


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return make_model("bert", tmp_path_factory.mktemp("models") / "bert")


@pytest.fixture
def copy(bert, tmp_path):
    """A model's folder to spoil."""
    return shutil.copytree(bert, tmp_path / "source")


def test_a_fixed_length(bert, tmp_path):
    exported = export(bert, tmp_path / "out", max_length=100)
    signature = serve(exported.folder)
    inputs = signature.structured_input_signature[1]
    assert exported.max_length == 100
    assert [spec.shape.as_list() for spec in inputs.values()] == [[None, 100]] * 3
    found = logits(signature, Bundle.load(exported.bundle), TEXTS[:3], 100)
    np.testing.assert_allclose(found, pipeline_logits(bert, TEXTS[:3]), atol=1e-4)


def test_the_next_free_version_and_a_chosen_one(bert, tmp_path):
    first = export(bert, tmp_path / "out")
    before = tree(first.folder)
    second = export(bert, tmp_path / "out")
    chosen = export(str(bert), str(tmp_path / "out"), version=9)
    assert (first.version, second.version, chosen.version) == (1, 2, 9)
    assert chosen.folder == tmp_path / "out" / "9"
    assert tree(first.folder) == before
    with pytest.raises(InputError, match="is there already"):
        export(bert, tmp_path / "out", version=9)


def test_a_new_models_bundle_takes_the_place_of_the_old_one(bert, tmp_path):
    other = make_model("distilbert", tmp_path / "distilbert")
    export(bert, tmp_path / "out")
    export(other, tmp_path / "out")
    assert Bundle.load(tmp_path / "out").labels == Bundle.load(other).labels
    assert encode(TEXTS, Bundle.load(tmp_path / "out")) == encode(TEXTS, Bundle.load(other))


def check_form(folder, out_dir, expected):
    exported = export(folder, out_dir)
    found = logits(serve(exported.folder), Bundle.load(exported.bundle), TEXTS)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    return exported.compared_with


@needs_torch
@pytest.mark.parametrize(
    ("form", "compared_with"),
    [
        ("h5", "TensorFlow"),
        ("safetensors from TensorFlow", "TensorFlow"),
        ("bin", "PyTorch"),
        ("shards", "PyTorch"),
        ("bin in shards", "PyTorch"),
    ],
)
def test_forms_of_weights(bert, copy, tmp_path, form, compared_with):
    (copy / "model.safetensors").unlink()
    model = transformers.AutoModelForSequenceClassification.from_pretrained(bert)
    if compared_with == "TensorFlow":
        model = in_tensorflow(model)
    model.save_pretrained(
        copy,
        safe_serialization=form not in ("h5", "bin", "bin in shards"),
        max_shard_size="50KB" if "shards" in form else "5GB",
    )
    assert len(list(copy.glob("*.index.json"))) == ("shards" in form)
    assert check_form(copy, tmp_path / "out", pipeline_logits(bert, TEXTS)) == compared_with


def in_tensorflow(model):
    state = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    made = transformers.TFAutoModelForSequenceClassification.from_config(model.config)
    transformers.modeling_tf_pytorch_utils.load_pytorch_state_dict_in_tf2_model(made, state)
    return made


@needs_torch
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_weights_are_served_as_float32(bert, copy, tmp_path, dtype):
    import torch

    model = transformers.AutoModelForSequenceClassification.from_pretrained(bert)
    model.to(getattr(torch, dtype)).save_pretrained(copy)
    model.to(torch.float32).save_pretrained(tmp_path / "rounded")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(bert / name, tmp_path / "rounded")
    check_form(copy, tmp_path / "out", pipeline_logits(tmp_path / "rounded", TEXTS))


def test_without_pytorch_safetensors_are_read_and_bin_is_refused(bert, copy, tmp_path, monkeypatch):
    hide_torch(monkeypatch)
    exported = export(bert, tmp_path / "out")
    assert exported.compared_with == "TensorFlow"
    for weights in copy.glob("*.safetensors"):
        weights.unlink()
    for weights in copy.glob("*.h5"):
        weights.unlink()
    (copy / "pytorch_model.bin").write_bytes(b"any")
    with pytest.raises(ExportError, match="PyTorch's own format: pip install torch"):
        export(copy, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def hide_torch(monkeypatch):
    monkeypatch.setattr("lightclient.export.exporter.has_torch", lambda: False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lightclient.export import weights

    monkeypatch.setattr(weights, "has_torch", lambda: False)


def test_a_slow_tokenizers_vocabulary_becomes_a_tokenizer_json(copy, tmp_path):
    (copy / "tokenizer.json").unlink()
    exported = export(copy, tmp_path / "out")
    mine, theirs = Bundle.load(exported.bundle), Bundle.load(GOLDEN / "bert-cased")
    assert (exported.bundle / "tokenizer.json").is_file()
    assert encode(TEXTS, mine) == encode(TEXTS, theirs)


def test_a_bert_whose_tokenizer_makes_no_type_ids_is_served_without(copy, tmp_path):
    change_json(copy / "tokenizer_config.json", model_input_names=[IDS, MASK])
    assert export(copy, tmp_path / "out").inputs == (IDS, MASK)


def test_a_roberta_with_two_types_takes_what_its_tokenizer_makes(tmp_path):
    folder = make_model("roberta", tmp_path / "source", type_vocab_size=2)
    assert export(folder, tmp_path / "out").inputs == (IDS, MASK)


def change_json(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes))


def remove(*names):
    return lambda folder: [path.unlink() for name in names for path in folder.glob(name)]


def config(**changes):
    return lambda folder: change_json(folder / "config.json", **changes)


def without_head(folder):
    from safetensors.numpy import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    kept = {name: array for name, array in weights.items() if "classifier" not in name}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})


def cut_weights(folder):
    for path in folder.glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-1000])


def bertweet(folder):
    """RoBERTa with a tokenizer that exists in Python only."""
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("a 1\nb 1\n")
    (folder / "bpe.codes").write_text("a b</w> 1\n")
    change_json(folder / "tokenizer_config.json", tokenizer_class="BertweetTokenizer")


SPOILED = {
    "no config": (remove("config.json"), BundleError, "config.json is missing"),
    "no weights": (remove("*.safetensors", "*.h5"), BundleError, "has no weights"),
    "no tokenizer": (
        remove("tokenizer*.json", "vocab.txt"), BundleError, "has no tokenizer: tokenizer.json is",
    ),
    "broken tokenizer": (
        lambda folder: (folder / "tokenizer.json").write_text("{"), BundleError, "as a tokenizer",
    ),
    "no fast form": (bertweet, BundleError, "BertweetTokenizer has no fast form"),
    "no classifier": (
        config(architectures=["BertForMaskedLM"]), ExportError, "BertForMaskedLM, no sequence cl",
    ),
    "no TensorFlow class": (
        config(model_type="modernbert"), ExportError, "'modernbert' has no TensorFlow class",
    ),
    "pages, not texts": (config(model_type="layoutlm"), ExportError, "it takes bbox"),
    "no type at all": (config(model_type=None), ExportError, "None has no TensorFlow class"),
    "quantized": (config(quantization_config={}), ExportError, "quantized"),
    "strange config": (config(hidden_act="nonsense"), BundleError, "gives no model"),
    "another shape": (config(intermediate_size=65), BundleError, "as the weights of this config"),
    "more layers": (config(num_hidden_layers=3), ExportError, r"lacks bert.*; is it whole"),
}  # fmt: skip
if HAS_TORCH:
    SPOILED |= {
        "no head": (without_head, ExportError, "lacks classifier.bias.*it was never fine-tuned"),
        "cut weights": (cut_weights, BundleError, "as the weights of this config"),
    }


@pytest.mark.parametrize("case", SPOILED)
def test_a_spoiled_model_gives_a_clear_error_and_leaves_nothing(copy, tmp_path, case):
    spoil, error, message = SPOILED[case]
    spoil(copy)
    with pytest.raises(error, match=message):
        export(copy, tmp_path / "a" / "out")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(("length", "message"), [(513, "from 3 to 512"), (2, "no room")])
def test_a_length_the_model_has_not_is_refused(tmp_path, length, message):
    folder = make_model("roberta", tmp_path / "roberta")
    change_json(folder / "tokenizer_config.json", model_max_length=int(1e30))
    with pytest.raises(InputError, match=message):
        export(folder, tmp_path / "out", max_length=length)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def served(bert, tmp_path):
    """OUT_DIR with an export in it already, and what it holds."""
    out_dir = tmp_path / "served"
    export(bert, out_dir)
    return out_dir


def failing(error):
    def fail(*args, **kwargs):
        raise error

    return fail


FULL = "No space left on device"


@pytest.mark.parametrize(
    ("place", "error", "seen"),
    [
        ("tensorflow.saved_model.save", OSError(28, FULL), ExportError),
        ("tensorflow.saved_model.save", "full", ExportError),
        ("tensorflow.io.TFRecordWriter", PermissionError(13, "no"), ExportError),
        ("tensorflow.saved_model.load", KeyboardInterrupt(), KeyboardInterrupt),
        ("lightclient.export.staging._move", KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_what_goes_wrong_on_the_way_leaves_all_as_it_was(
    bert, served, monkeypatch, place, error, seen
):
    before = tree(served)
    if error == "full":
        error = tf.errors.ResourceExhaustedError(None, None, FULL)
    if place == "lightclient.export.staging._move":
        from lightclient.export import staging

        move, calls = staging._move, []

        def once(*args):
            calls.append(args)
            if len(calls) == 1:
                raise error
            move(*args)

        monkeypatch.setattr(staging, "_move", once)
    else:
        monkeypatch.setattr(place, failing(error))
    with pytest.raises(seen, match="" if seen is KeyboardInterrupt else "failed: "):
        export(bert, served)
    assert set(tree(served)) == set(before)
    assert Bundle.load(served).labels == Bundle.load(bert).labels


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
@pytest.mark.parametrize("kilobytes", [400, 1800])
def test_a_full_disk(tmp_path, monkeypatch, bert, kilobytes):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("cannot mount here")
    try:
        with pytest.raises(ExportError, match="MB free, the model needs"):
            export(bert, disk / "out")
        monkeypatch.setattr("lightclient.export.staging.Staging.check_space", lambda *_: None)
        fill = disk / "other"
        fill.write_bytes(b"0" * (kilobytes - 300) * 1024)
        with pytest.raises(ExportError, match=r"failed: .*[Nn]o space"):
            export(bert, disk / "out")
        assert list(disk.iterdir()) == [fill]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_an_export_that_answers_otherwise_is_thrown_away(bert, tmp_path, monkeypatch):
    from lightclient.export import savedmodel

    logits_of = savedmodel._logits

    def spoiled(model, inputs):
        return logits_of(model, inputs) + (0.01 if not tf.executing_eagerly() else 0)

    monkeypatch.setattr(savedmodel, "_logits", spoiled)
    with pytest.raises(ExportError, match=r"differ from the source model's by 0\.01"):
        export(bert, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_out_dir_that_cannot_be_a_folder(bert, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ExportError, match="failed"):
        export(bert, tmp_path / "file")
    with pytest.raises(InputError, match="the model's own folder"):
        export(bert, bert)
    assert (tmp_path / "file").read_text() == "mine"


def test_the_command(bert, tmp_path, capsys):
    out_dir = tmp_path / "my models"
    assert main(["export", str(bert), str(out_dir), "--max-length", "100", "--version", "3"]) == 0
    out, _ = capsys.readouterr()
    assert f"written     {out_dir / '3'}\n" in out
    assert "inputs      input_ids, attention_mask, token_type_ids (100 tokens)\n" in out
    assert "at most, from the logits in " in out
    assert (
        f"docker run --rm -p 8501:8501 -v '{out_dir}:/models/my-models:ro' -e MODEL_NAME=my-models "
        "tensorflow/serving\n"
    ) in out
    assert "check --url http://localhost:8501/v1/models/my-models\n" in out
    assert 'classify --url http://localhost:8501/v1/models/my-models "I like' in out
    assert main(["export", str(bert), str(out_dir), "--version", "3"]) == 1
    assert "is there already" in capsys.readouterr().err


NO_NETWORK = """
import socket, sys

def refuse(*args, **kwargs):
    raise SystemExit("reached for the network: %r" % (args,))

socket.socket.connect = socket.getaddrinfo = refuse
from lightclient.cli import main
sys.exit(main(sys.argv[1:]))
"""


def run_command(*arguments):
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    return subprocess.run(
        [sys.executable, "-c", NO_NETWORK, *arguments],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip


def test_a_local_folder_needs_no_network_and_stderr_is_quiet(bert, tmp_path):
    done = run_command("export", str(bert), str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    written, compared = "writing the SavedModel", "comparing it with the source model in"
    said = done.stderr.splitlines()
    assert said[:1] + said[2:3] == ["loading TensorFlow", written]
    assert said[3].startswith(compared)
    assert len(said) == 4


INTERRUPTED = """
import os, signal, sys, tensorflow
from lightclient.cli import main
save = tensorflow.saved_model.save

def interrupted(*args, **kwargs):
    save(*args, **kwargs)
    os.kill(os.getpid(), signal.Signals[sys.argv[1]])

tensorflow.saved_model.save = interrupted
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupted_command_leaves_nothing(bert, tmp_path, name):
    out_dir = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, name, "export", str(bert), str(out_dir)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 130
    assert done.stderr.endswith("lightclient: interrupted\n")
    assert not out_dir.exists()


def test_what_export_gives_back_is_frozen(exported):
    assert isinstance(exported, Exported)
    with pytest.raises(AttributeError):
        exported.version = 2
