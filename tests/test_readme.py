"""The README is run, with its output: every block but the docker lines and those of a Lambda.

`test_containers.py` runs the service, the image and the compose file, `test_log.py` the recipe for
Prometheus, `test_rank.py` the ranking, and `engines` the recipes for pandas and polars.
"""

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from lightclient.model.folder import DEFAULT_BUNDLE
from lightclient.standin import Batching, StandIn
from lightclient.standin.demo import load_demo_model
from tests.golden import GOLDEN
from tests.test_package import needs_source

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
# What differs from run to run; the last digits of a float, from processor to processor.
LOCAL_SERVER = re.compile(r"http://(?:localhost|127\.0\.0\.1):\d+")
FLOAT = re.compile(r"\d+\.\d{5,}")
# tests/test_containers.py runs the service, tests/engines the recipes, test_log.py the metrics,
# test_rank.py what needs a cross-encoder.
RUN_ELSEWHERE = (
    "# service.py", "import pandas", "import polars", "import logging", "# LIGHTCLIENT_URL",
)  # fmt: skip


class Block(NamedTuple):
    kind: str
    text: str


def blocks_of(text: str) -> list[Block]:
    return [Block(*found) for found in re.findall(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S)]


BLOCKS = blocks_of(README)


def plain(text: str) -> str:
    text = LOCAL_SERVER.sub("SERVER", text)
    text = FLOAT.sub(lambda found: f"{float(found[0]):.4f}", text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """What `lightclient serve --name distilbert` serves."""
    assert "$ lightclient serve --name distilbert\n" in README
    with StandIn({"distilbert": load_demo_model()}) as url:
        yield url


def test_every_block_is_known() -> None:
    # tests/aws_lambda runs the package of a function, its image and its template.
    assert {block.kind for block in BLOCKS} == {
        *("python", "text", "console", "sh", "dockerfile", "yaml")
    }
    shells = [block.text for block in BLOCKS if block.kind == "sh"]
    assert all("docker" in text or "--target package" in text for text in shells)
    assert len(BLOCKS) > 12


def test_the_python_blocks(server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    origin = server.split("/v1/")[0]
    monkeypatch.setenv("LIGHTCLIENT_URL", server)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(GOLDEN / "bert-slow", tmp_path / "path" / "to" / "model" / "folder")
    shutil.copy(GOLDEN / "bert-slow" / "vocab.txt", tmp_path)
    names: dict[str, object] = {}
    for block, following in zip(BLOCKS, [*BLOCKS[1:], Block("", "")], strict=True):
        if block.kind != "python" or block.text.startswith(RUN_ELSEWHERE):
            continue
        printed = io.StringIO()
        code = block.text.replace("http://localhost:8501", origin)
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "README.md", "exec"), names)
        if following.kind == "text":
            assert plain(printed.getvalue()) == plain(following.text)


def commands() -> list[tuple[str, str]]:
    """Each `$ command` of the console blocks with the output below it."""
    found = []
    for block in BLOCKS:
        if block.kind == "console":
            for part in re.split(r"^\$ ", block.text, flags=re.M)[1:]:
                command, _, output = part.partition("\n")
                found.append((command, output))
    return found


def test_the_commands(server: str, tmp_path: Path) -> None:
    origin = server.split("/v1/")[0]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"LIGHTCLIENT_URL": server, "PATH": path, "COLUMNS": "80"}
    # tests/heavy runs what needs TensorFlow.
    elsewhere = ("pip install", "lightclient export", "lightclient serve", "export LIGHT")
    run = [pair for pair in commands() if not pair[0].startswith(elsewhere)]
    assert len(run) >= 6
    shutil.copytree(ROOT / "vocab" / DEFAULT_BUNDLE, tmp_path / "models" / "distilbert")
    for command, output in run:
        command = command.replace("http://localhost:8501", origin)
        done = subprocess.run(
            command, shell=True, cwd=tmp_path, env=environment, capture_output=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, b""), command
        if output:
            assert plain(done.stdout.decode()) == plain(output), command


@needs_source
def test_the_command_for_a_fresh_machine(tmp_path: Path) -> None:
    """In a new virtual environment, from a copy of the checkout."""
    ignored = shutil.ignore_patterns(".git", ".*cache", ".hypothesis", "__pycache__", "tests")
    checkout = shutil.copytree(ROOT, tmp_path / "checkout", ignore=ignored)
    venv.create(tmp_path / "venv", with_pip=True)
    path = f"{tmp_path / 'venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    command, output = next(pair for pair in commands() if "lightclient demo" in pair[0])
    assert command == 'pip install . && lightclient demo "I like you. I love you"'
    done = subprocess.run(
        command,
        shell=True,
        cwd=checkout,
        env=os.environ | {"PATH": path, "COLUMNS": "80"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    printed = done.stdout.decode()
    assert plain(printed[printed.index("text      ") :]) == plain(output)


def test_the_other_commands_that_install_are_those_that_continuous_integration_runs() -> None:
    install = {command for command, _ in commands() if "pip install" in command}
    assert install == {
        "pip install .",
        'pip install . && lightclient demo "I like you. I love you"',
        "pip install -e '.[test]' && pytest",
        "pip install '.[export]'",
    }
    runner = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "pip install -e '.[test]' && pytest" in runner
    assert "pip install '.[export]'" in runner


def test_the_line_for_a_real_server(tmp_path: Path) -> None:
    """In a copy of the checkout, with the model's folder in its place; on a server with a limit."""
    text = (ROOT / "tests" / "README.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^pytest --serving-url .*$", text, re.M)
    ignored = shutil.ignore_patterns("__pycache__", ".*cache", ".hypothesis")
    shutil.copytree(ROOT / "tests", tmp_path / "tests", ignore=ignored)
    shutil.copytree(ROOT / "vocab" / DEFAULT_BUNDLE, tmp_path / "models" / "distilbert")
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    models = {"distilbert": load_demo_model()}
    with StandIn(models, batching=Batching(max_batch_size=32)) as url:
        line = line.replace("http://localhost:8501", url.split("/v1/")[0])
        done = subprocess.run(
            line,
            shell=True,
            cwd=tmp_path,
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\b7[0-9] passed, .* deselected", done.stdout), done.stdout


@needs_source
def test_links_lead_somewhere() -> None:
    pages = [
        ROOT / "README.md",
        *ROOT.glob("tests/**/README.md"),
        *ROOT.glob("lightclient/**/*.md"),
    ]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!http)([^)]+)\)", text):
            assert (page.parent / target).exists(), target


def test_the_promises_name_tests_that_are_there() -> None:
    text = (ROOT / "tests" / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/.*]+)`", text)
    assert len(named) > 20
    for name in named:
        assert list(ROOT.glob(name)), name


@needs_source
def test_the_sources_of_the_data_are_there() -> None:
    for target in ("tests/data/exchanges", "tests/data/golden", "vocab/README.md"):
        assert (ROOT / target).exists()


def test_every_setting_and_error_is_told() -> None:
    import inspect

    import lightclient
    from lightclient import errors
    from lightclient.settings import FROM_ENVIRONMENT

    for name in inspect.signature(lightclient.AsyncClassifier).parameters:
        assert f"| `{name}`" in README, name
    for name in FROM_ENVIRONMENT:
        assert f"`LIGHTCLIENT_{name.upper()}`" in README
    for name in set(re.findall(r"^class (\w+)", Path(errors.__file__).read_text("utf-8"), re.M)):
        if name not in ("TransportError", "ServerError"):
            assert f"`{name}`" in README, name
