"""The conformance suite with `--serving-url`, against `lightclient serve` as its own process."""

import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install '.[export]'")
pytest.importorskip("transformers", reason="transformers is not installed")

import tensorflow as tf
from transformers import TFAutoModelForSequenceClassification

pytestmark = pytest.mark.heavy
ROOT = Path(__file__).parents[2]


def save(source, folder, names, length):
    """A classifier of transformers as version 1, its bundle beside it."""
    model = TFAutoModelForSequenceClassification.from_pretrained(source)
    model(model.dummy_inputs)
    specs = {name: tf.TensorSpec([None, length], tf.int32, name=name) for name in names}
    run = tf.function(lambda inputs: {"logits": model(inputs).logits})
    tf.saved_model.save(model, str(folder / "1"), signatures=run.get_concrete_function(specs))
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(source / name, folder)


@contextmanager
def served(folder):
    command = [sys.executable, "-m", "lightclient", "serve", str(folder), "--port", "0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        lines = iter(process.stderr.readline, "")
        yield next(line.split()[-1] for line in lines if line.startswith("serving"))
    finally:
        process.terminate()
        process.communicate(timeout=30)


def run_suite(*options):
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rs", *options]
    suites = ["tests/conformance", "tests/test_errors.py"]
    return subprocess.run(
        [*command, *suites], cwd=ROOT, capture_output=True, text=True, timeout=300
    )


IDS, MASK, TYPES = "input_ids", "attention_mask", "token_type_ids"


@pytest.mark.parametrize(
    ("family", "names", "length"),
    [("distilbert", (IDS, MASK), None), ("distilbert", (IDS, MASK), 100),
     ("bert-uncased", (IDS, MASK, TYPES), None)],
)  # fmt: skip
def test_a_classifier_of_transformers_passes(model_folder, tmp_path, family, names, length):
    folder = tmp_path / "m"
    save(model_folder(family), folder, names, length)
    with served(folder) as url:
        done = run_suite("--serving-url", url, "--serving-bundle", str(folder))
    assert done.returncode == 0, done.stdout
    assert re.search(r"7[0-9] passed.* deselected", done.stdout), done.stdout
    skipped = re.findall(r"SKIPPED \[[0-9]+\] .*", done.stdout)
    assert len(skipped) == (1 if length else 0), done.stdout


def test_a_server_that_errs_does_not_pass(tmp_path):
    """Another protocol's answers, here a folder of files over HTTP."""
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    try:
        port = re.search(r"port ([0-9]+)", process.stdout.readline())[1]
        done = run_suite("--serving-url", f"http://127.0.0.1:{port}/v1/models/m")
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert done.returncode == 1
    assert " passed" not in done.stdout


def test_a_wrong_url_is_told_at_once():
    for options in (["--serving-url", "localhost:8501"], ["--serving-bundle", "x"]):
        done = run_suite(*options)
        assert done.returncode == 4
        assert "--serving-url" in done.stderr
