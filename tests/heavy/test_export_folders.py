"""The parts of an export that need no TensorFlow: OUT_DIR, where a model is found, the extra."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lightclient import BundleError, InputError, LightClientError
from lightclient.cli import main
from lightclient.export import ExportError, add_bundle, export, libraries
from lightclient.export import source as sources
from lightclient.export.source import find_source
from lightclient.export.staging import choose_version, place, staging

FILES = ("tokenizer.json", "special_tokens_map.json", "config.json")


def tree(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def served(tmp_path):
    """OUT_DIR with a version and a bundle."""
    out_dir = tmp_path / "served"
    (out_dir / "1").mkdir(parents=True)
    (out_dir / "1" / "saved_model.pb").write_text("one")
    (out_dir / "config.json").write_text("old config")
    (out_dir / "special_tokens_map.json").write_text("old map")
    (out_dir / "notes.txt").write_text("mine")
    return out_dir


def fill(stage):
    stage.version.mkdir()
    (stage.version / "saved_model.pb").write_text("two")
    (stage.bundle / "config.json").write_text("new config")
    (stage.bundle / "tokenizer.json").write_text("new tokenizer")


def test_place_puts_the_version_and_exactly_its_bundle_there(served):
    with staging(served) as stage:
        fill(stage)
        place(stage, 2, FILES)

    assert tree(served) == {
        "1": None,
        "1/saved_model.pb": b"one",
        "2": None,
        "2/saved_model.pb": b"two",
        "config.json": b"new config",
        "notes.txt": b"mine",
        "tokenizer.json": b"new tokenizer",
    }


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("at", range(3))
def test_place_that_fails_puts_everything_back(served, monkeypatch, error, at):
    before = tree(served)
    replace, unlink, calls = os.replace, Path.unlink, []

    def failing(does):
        def step(*args, **kwargs):
            calls.append(args)
            if len(calls) == at + 1:
                raise error
            return does(*args, **kwargs)

        return step

    def try_it():
        with staging(served) as stage:
            fill(stage)
            monkeypatch.setattr(os, "replace", failing(replace))
            monkeypatch.setattr(Path, "unlink", failing(unlink))
            place(stage, 2, FILES)

    with pytest.raises(type(error)):
        try_it()
    assert len(calls) > at
    assert tree(served) == before


def test_place_over_a_version_that_came_meanwhile_leaves_it_alone(served):
    before = tree(served)

    def try_it():
        with staging(served) as stage:
            fill(stage)
            place(stage, 1, FILES)

    with pytest.raises(OSError, match="not empty"):
        try_it()
    assert tree(served) == before


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_staging_takes_away_what_it_made(tmp_path, error):
    def try_it():
        with staging(tmp_path / "a" / "b") as stage:
            fill(stage)
            raise error

    with pytest.raises(error):
        try_it()
    assert tree(tmp_path) == {}


def test_staging_folder_has_a_name_no_server_takes_for_a_version(tmp_path):
    with staging(tmp_path) as stage:
        fill(stage)
        assert [entry.name.isdigit() for entry in tmp_path.iterdir()] == [False]


def test_staging_checks_the_space(tmp_path):
    with staging(tmp_path) as stage:
        stage.check_space(1000)
        with pytest.raises(ExportError, match="MB free, the model needs 1000000000034 MB"):
            stage.check_space(10**18)


@pytest.mark.parametrize(
    ("there", "asked", "chosen"),
    [
        ((), None, 1),
        (("1",), None, 2),
        (("1", "7", "notes", "1a", "²"), None, 8),
        (("007",), None, 8),
        (("3",), 1, 1),
        (("3",), 9, 9),
    ],
)
def test_choose_version(tmp_path, there, asked, chosen):
    for name in there:
        (tmp_path / name).mkdir()
    assert choose_version(tmp_path, asked) == chosen


def test_choose_version_of_a_folder_that_is_not_there(tmp_path):
    assert choose_version(tmp_path / "none", None) == 1


@pytest.mark.parametrize("asked", [3, 0, -1, 2**63])
def test_choose_version_refuses(tmp_path, asked):
    (tmp_path / "3").mkdir()
    with pytest.raises(InputError, match=r"give 4$" if asked == 3 else "from 1 to"):
        choose_version(tmp_path, asked)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": ""}, "model must be a path"),
        ({"model": None}, "model must be a path"),
        ({"out_dir": ""}, "out_dir must be a path"),
        ({"version": True}, "version must be a whole number"),
        ({"version": "1"}, "version must be a whole number"),
    ],
)
def test_export_checks_its_arguments(tmp_path, arguments, message):
    given = {"model": "m", "out_dir": str(tmp_path / "out"), "version": None, **arguments}
    with pytest.raises(InputError, match=message):
        export(given["model"], given["out_dir"], version=given["version"])


def test_without_the_extra_the_error_tells_the_mend(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(libraries, "find_spec", lambda name: None)
    with pytest.raises(LightClientError, match=r"pip install '\.\[export\]'"):
        export(tmp_path, tmp_path / "out")
    assert main(["export", str(tmp_path), str(tmp_path / "out")]) == 1
    assert "pip install '.[export]'" in capsys.readouterr().err
    assert tree(tmp_path) == {}


@pytest.mark.parametrize(("has_tokenizer", "missing"), [(True, ""), (False, ".*transformers.*")])
def test_a_bundle_with_a_tokenizer_needs_tensorflow_only(
    tmp_path, served, monkeypatch, has_tokenizer, missing
):
    bundle = tmp_path / "huggingface"
    bundle.mkdir()
    if has_tokenizer:
        (bundle / "tokenizer.json").write_text("{}")
    before = tree(served)
    monkeypatch.setattr(libraries, "find_spec", lambda name: None)
    with pytest.raises(ExportError, match=f"export needs tensorflow{missing}, not installed"):
        add_bundle(bundle, served)
    assert tree(served) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"saved_model_dir": ""}, "saved_model_dir must be a path"),
        ({"saved_model_dir": 1}, "saved_model_dir must be a path"),
        ({"folder": 1}, "bundle must be a name or a folder's path"),
        ({"version": "2"}, "version must be a whole number"),
        ({"version": 1}, "is there already; leave the version out, or give 2"),
    ],
)
def test_add_bundle_checks_its_arguments(served, arguments, message):
    with pytest.raises(InputError, match=message):
        add_bundle(**{"folder": served, "saved_model_dir": served, **arguments})


def test_nothing_heavy_is_imported_before_it_is_needed():
    code = (
        "import sys, lightclient.export, lightclient.cli;"
        "heavy = {'tensorflow', 'transformers', 'torch', 'huggingface_hub'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def model_folder(folder, *names, config='{"model_type": "bert"}'):
    folder.mkdir()
    (folder / "config.json").write_text(config)
    for name in names:
        (folder / name).write_bytes(b"")
    return folder


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (("pytorch_model.bin",), "pytorch_model.bin"),
        (("pytorch_model.bin", "tf_model.h5"), "tf_model.h5"),
        (("pytorch_model.bin", "tf_model.h5", "model.safetensors"), "model.safetensors"),
        (("tf_model.h5", "model.safetensors.index.json"), "model.safetensors.index.json"),
    ],
)
def test_find_source_takes_the_best_weights(tmp_path, names, chosen):
    folder = model_folder(tmp_path / "m", *names)
    assert find_source(folder).weights == folder / chosen


@pytest.mark.parametrize(
    ("config", "names", "message"),
    [
        ("{}", (), "has no weights: model.safetensors, tf_model.h5 or pytorch_model.bin"),
        ("{}", ("adapter_config.json",), "it is an adapter"),
        ("[]", ("model.safetensors",), "must hold a JSON object, not list"),
        ("{", ("model.safetensors",), "cannot be read as JSON"),
    ],
)
def test_find_source_tells_what_is_wrong_with_a_folder(tmp_path, config, names, message):
    with pytest.raises(BundleError, match=message):
        find_source(model_folder(tmp_path / "m", *names, config=config))


def test_find_source_without_config(tmp_path):
    with pytest.raises(BundleError, match=r"config\.json is missing"):
        find_source(tmp_path)


@pytest.mark.parametrize("model", ["/no/such/folder", "./nothing", "a/b/c", "a b", Path("gone")])
def test_find_source_of_no_folder_and_no_name(model):
    with pytest.raises(InputError, match="is no folder and no name on the Hugging Face hub"):
        find_source(model)


def test_a_name_on_the_hub_is_fetched_in_one_form_of_weights(tmp_path, monkeypatch):
    hub = pytest.importorskip("huggingface_hub", reason="comes with tokenizers")
    shards = [f"model-0000{at}-of-00002.safetensors" for at in (1, 2)]
    there = ["config.json", "model.safetensors.index.json", *shards, "pytorch_model.bin", "a.onnx"]
    folder = model_folder(tmp_path / "m", "model.safetensors.index.json")
    asked = {}

    def snapshot_download(name, allow_patterns):
        asked[name] = allow_patterns
        return str(folder)

    monkeypatch.setattr(hub.HfApi, "list_repo_files", lambda self, name: there)
    monkeypatch.setattr(hub, "snapshot_download", snapshot_download)
    assert find_source("someone/model").folder == folder
    assert asked == {
        "someone/model": ["*.json", "*.txt", "*.model", "model.safetensors.index.json", *shards]
    }


def test_a_name_on_the_hub_is_read_from_the_cache_where_it_is_out_of_reach(tmp_path, monkeypatch):
    hub = pytest.importorskip("huggingface_hub", reason="comes with tokenizers")
    folder = model_folder(tmp_path / "m", "model.safetensors")

    def unreachable(self, name):
        raise OSError("no route to host")

    def snapshot_download(name, local_files_only):
        if name == "unknown":
            raise ValueError("not in the cache")
        return str(folder)

    monkeypatch.setattr(hub.HfApi, "list_repo_files", unreachable)
    monkeypatch.setattr(hub, "snapshot_download", snapshot_download)
    assert find_source("known").folder == folder
    with pytest.raises(ExportError, match=r"out of reach.*no route to host"):
        find_source("unknown")


def test_a_folder_is_never_looked_up_on_the_hub(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "_download", None)
    monkeypatch.chdir(tmp_path)
    model_folder(tmp_path / "bert", "model.safetensors")
    assert find_source("bert").config == {"model_type": "bert"}
    assert json.dumps(find_source("bert").config)
