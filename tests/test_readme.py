"""The documentation is run, with its output: every block but the docker lines.

Some blocks are run elsewhere: a Lambda function's package, image and template in `aws_lambda`, the
service and its image in `test_containers.py`, the metrics in `test_log.py`, the signer in
`test_other_servers.py`, tables and clusters in `engines`, and what needs TensorFlow in `heavy`.
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

import pytest

from lightclient.model.files import DEFAULT_BUNDLE
from lightclient.standin import Batching, StandIn
from lightclient.standin.demo import load_demo_model
from tests.golden import GOLDEN
from tests.pages import PAGES, README, ROOT, Block, Page
from tests.test_package import needs_source

MOST_CHARACTERS = 10_000
# What differs from run to run; the last digits of a float, from processor to processor.
LOCAL_SERVER = re.compile(r"http://(?:localhost|127\.0\.0\.1):\d+")
FLOAT = re.compile(r"\d+\.\d{5,}")
RUN_ELSEWHERE = {
    "python": (
        "# ",
        *map("import {}".format, ("botocore", "logging", "numpy", "pandas", "polars")),
    ),
    "console": (
        *("git clone", "python3 -m venv", "pip install"),
        *("lightclient export", "lightclient serve", "lightclient classify --url", "export "),
    ),
}
PAGES_WITH_PYTHON = [
    page
    for page in PAGES.values()
    if any(block.kind == "python" for block in page.blocks) and page.name != "lightclient/API.md"
]
PAGES_WITH_COMMANDS = [page for page in PAGES.values() if page.commands()]


def plain(text: str) -> str:
    text = LOCAL_SERVER.sub("SERVER", text)
    text = FLOAT.sub(lambda found: f"{float(found[0]):.4f}", text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """What `lightclient serve --name distilbert` serves."""
    assert "$ lightclient serve --name distilbert " in README.text
    with StandIn({"distilbert": load_demo_model()}) as url:
        yield url


def test_the_readme_is_short() -> None:
    assert len(README.text) <= MOST_CHARACTERS


def test_every_block_is_known() -> None:
    for page in PAGES.values():
        for kind, text in page.blocks:
            assert kind in ("python", "text", "console", "sh", "dockerfile", "yaml"), page.name
            if kind == "sh":
                known = ("docker run", "--target package", "pytest --serving-url", "python -m ")
                assert any(word in text for word in known), (page.name, text)


@pytest.mark.parametrize("page", PAGES_WITH_PYTHON, ids=lambda page: page.name)
def test_the_python_blocks(
    page: Page, server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    origin = server.split("/v1/")[0]
    monkeypatch.setenv("LIGHTCLIENT_URL", server)
    monkeypatch.chdir(tmp_path)
    shutil.copy(GOLDEN / "bert-slow" / "vocab.txt", tmp_path)
    names: dict[str, object] = {}
    for block, following in zip(page.blocks, [*page.blocks[1:], Block("", "")], strict=True):
        if block.kind != "python" or is_run_elsewhere(page, block):
            continue
        printed = io.StringIO()
        code = block.text.replace("http://localhost:8501", origin)
        with contextlib.redirect_stdout(printed):
            exec(compile(code, page.name, "exec"), names)
        if following.kind == "text":
            assert plain(printed.getvalue()) == plain(following.text)


def is_run_elsewhere(page: Page, block: Block) -> bool:
    return block.text.startswith(RUN_ELSEWHERE["python"]) and page.name not in (
        *("lightclient/standin/README.md", "lightclient/QUESTIONS.md"),
    )


@pytest.mark.parametrize("page", PAGES_WITH_COMMANDS, ids=lambda page: page.name)
def test_the_commands(page: Page, server: str, tmp_path: Path) -> None:
    origin = server.split("/v1/")[0]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"LIGHTCLIENT_URL": server, "PATH": path, "COLUMNS": "80"}
    for command, output in page.commands():
        if command.startswith(RUN_ELSEWHERE["console"]):
            continue
        command = command.replace("http://localhost:8501", origin)
        done = subprocess.run(
            command, shell=True, cwd=tmp_path, env=environment, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == 0, (command, done.stdout)
        assert plain(done.stdout.decode()) == plain(output) or not output, command


@needs_source
def test_the_command_for_a_fresh_machine(tmp_path: Path) -> None:
    """In a new virtual environment, from a copy of the checkout."""
    ignored = shutil.ignore_patterns(".git", ".*cache", ".hypothesis", "__pycache__", "tests")
    checkout = shutil.copytree(ROOT, tmp_path / "checkout", ignore=ignored)
    venv.create(tmp_path / "venv", with_pip=True)
    path = f"{tmp_path / 'venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    command, output = next(pair for pair in README.commands() if "lightclient demo" in pair[0])
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
    install = {command for command, _ in README.commands() if "pip install" in command}
    assert install == {
        'pip install . && lightclient demo "I like you. I love you"',
        "pip install -e '.[test]' && pytest",
        "pip install '.[export]'",
    }
    runner = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "pip install -e '.[test]' && pytest" in runner
    assert "pip install '.[export]'" in runner


def test_the_line_for_a_real_server(tmp_path: Path) -> None:
    """In a copy of the checkout, with the model's folder in its place; on a server with a limit."""
    text = PAGES["tests/README.md"].text
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
    for page in PAGES.values():
        for target in re.findall(r"\]\((?!http)([^)#]+)", page.text):
            assert ((ROOT / page.name).parent / target).exists(), (page.name, target)


def test_the_promises_name_tests_that_are_there() -> None:
    text = PAGES["tests/README.md"].text
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
        assert f"| `{name}`" in README.text, name
    for name in FROM_ENVIRONMENT:
        assert f"`LIGHTCLIENT_{name.upper()}`" in README.text
    for name in set(re.findall(r"^class (\w+)", Path(errors.__file__).read_text("utf-8"), re.M)):
        if name not in ("TransportError", "ServerError"):
            assert f"`{name}`" in README.text, name
