"""The way from a Hugging Face model to an answer, as it is typed."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install '.[export]'")
pytest.importorskip("transformers", reason="transformers is not installed")

from tests.pages import PAGES

pytestmark = pytest.mark.heavy
NAME = "distilbert-base-uncased-finetuned-sst-2-english"


def typed(beginning: str) -> list[str]:
    """The page's one command that begins like this, as a shell would split it."""
    commands = PAGES["lightclient/export/README.md"].commands()
    found = {command for command, _ in commands if command.startswith(beginning)}
    assert len(found) == 1
    return shlex.split(found.pop())


def run(command: list[str], folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_export_serve_classify(model_folder: Callable[..., Path], tmp_path: Path) -> None:
    """With a small model's folder for the hub's name, and a free port for the usual one."""
    export = typed("lightclient export")
    export[export.index(NAME)] = str(model_folder("distilbert"))
    told = run(export, tmp_path)
    assert "difference" in told
    assert "tensorflow/serving" in told
    serve = [sys.executable, "-m", *typed("lightclient serve models"), "--port", "0"]
    with subprocess.Popen(serve, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        url = next(line.split()[-1] for line in server.stderr if "/v1/models/distilbert" in line)
        try:
            classify = typed("lightclient classify --url http://localhost:8501")
            classify[classify.index("--url") + 1] = url
            answer = run(classify, tmp_path)
            assert answer.split()[0] in ("POSITIVE", "NEGATIVE")
            check = ["lightclient", "check", "--url", url]
            assert "wrong" not in run(check, tmp_path)
        finally:
            server.send_signal(signal.SIGINT)
            server.stderr.read()
