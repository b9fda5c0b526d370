"""What the README says of a function is done: its package is built, weighed and run."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lightclient.standin import StandIn
from tests.aws_lambda.runtime import HANDLER, Function
from tests.pages import PAGES, ROOT
from tests.test_package import needs_source

for module in ("awslambdaric", "cfnlint"):
    pytest.importorskip(module, reason="needs the extra: pip install '.[lambda]'")

pytestmark = pytest.mark.aws_lambda

MOST_BYTES, MOST_ZIPPED = 95e6, 35e6  # Lambda itself allows 250 MB, and 50 MB zipped
MACHINES = {"x86_64": b"\x3e\x00", "aarch64": b"\xb7\x00"}  # as ELF files name them
HERE = f"3.{sys.version_info.minor}", os.uname().machine
ZIP = "(cd package && python -m zipfile -c ../function.zip *)"


PAGE = PAGES["lightclient/aws_lambda/README.md"]
BUILD = PAGE.block("sh", "--target package")
IMAGE = PAGE.block("dockerfile", "FROM public.ecr.aws/lambda/python:")
TEMPLATE = PAGE.block("yaml", "AWS::Serverless::Function")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with StandIn() as url:
        yield url


def interpreter(version: str) -> str | None:
    """A Python of that version, if there is one."""
    pyenv = Path.home() / ".pyenv" / "versions"
    kept = sorted(str(path) for path in pyenv.glob(f"{version}.*/bin/python"))
    for found in filter(None, (shutil.which(f"python{version}"), *kept)):
        if subprocess.run([found, "-c", ""], check=False, capture_output=True).returncode == 0:
            return found
    return None


def build(work: Path, version: str, machine: str, commands: str = BUILD) -> Path:
    """Run the README's lines for this Python and machine; what comes out, as Lambda unpacks it."""
    commands = commands.replace("3.13", version).replace("x86_64", machine)
    commands = commands.replace(" . ", f" {ROOT} ")
    if python := interpreter(version):
        commands = commands.replace(f"python{version} -m", f"{python} -m")
    else:  # the README says that it can be left out
        commands = re.sub(r"^python.*compileall.*\n", "", commands, flags=re.MULTILINE)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    shell = ["bash", "-e", "-c", commands]
    environment = os.environ | {"PATH": path}
    done = subprocess.run(
        shell, cwd=work, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    archive = work / "function.zip"
    assert archive.stat().st_size <= MOST_ZIPPED
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(work / "unpacked")
    return work / "unpacked"


def check(package: Path, machine: str) -> None:
    """It is small enough, complete, without anything else, new, and made for this machine."""
    sizes = [path.stat().st_size for path in package.rglob("*") if path.is_file()]
    assert sum(sizes) <= MOST_BYTES
    names = {path.name for path in package.iterdir() if not path.name.endswith(".dist-info")}
    assert names - {"bin", "numpy.libs"} == {"lightclient", "numpy", "tokenizers", "urllib3"}
    [numpy] = package.glob("numpy-*.dist-info")
    assert tuple(map(int, numpy.name.split("-")[1].split(".")[:2])) >= (2, 3)
    kinds = {path.read_bytes()[18:20] for path in package.rglob("*.so")}
    assert kinds == {MACHINES[machine]}


@needs_source
@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("version", ["3.13", "3.14"])
def test_the_zip(version: str, machine: str, url: str, tmp_path: Path) -> None:
    package = build(tmp_path, version, machine)
    check(package, machine)
    python = interpreter(version)
    if python and machine == HERE[1]:
        assert list(package.glob("lightclient/__pycache__/client.*.pyc"))
        code = "from lightclient.aws_lambda import handler; print(handler({'text': 'x'}, None))"
        environment = {"PYTHONPATH": str(package), "LIGHTCLIENT_URL": url}
        done = subprocess.run(
            [python, "-S", "-s", "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "'label': 'NEGATIVE'" in done.stdout, done.stderr


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runtime client and what it needs, which Lambda's own images have."""
    folder = tmp_path_factory.mktemp("client")
    installed = Path(sysconfig.get_path("platlib"))
    names = ("awslambdaric", "simplejson", "runtime_client*.so", "snapshot_restore_py.py")
    for found in (path for name in names for path in installed.glob(name)):
        (folder / found.name).symlink_to(found)
    assert len(list(folder.iterdir())) == len(names)
    return folder


def run(package: Path, client: Path, handler: str, url: str) -> None:
    """Answer an event where nothing is installed but the package and the runtime client."""
    settings = {"LIGHTCLIENT_URL": url, "PYTHONPATH": f"{package}{os.pathsep}{client}"}
    python = (sys.executable, "-S", "-s")
    with Function(settings, handler, python=python, folder=package) as function:
        function.wait_until_ready()
        assert function.result({"text": "a gem"})["label"] == "POSITIVE"


@needs_source
def test_the_image(url: str, client: Path, tmp_path: Path) -> None:
    """Its steps: what is copied where Lambda looks for modules, and the command."""
    lines = IMAGE.splitlines()
    assert lines[1] == "COPY package ${LAMBDA_TASK_ROOT}"
    [handler] = re.fullmatch(r'CMD \["(.*)"\]', lines[2]).groups()  # type: ignore[union-attr]
    run(build(tmp_path, *HERE), client, handler, url)


@needs_source
def test_the_layer(url: str, client: Path, tmp_path: Path) -> None:
    assert "build into `layer/python` and zip the folder `python`" in PAGE.text.replace("\n", " ")
    assert ZIP in BUILD
    commands = BUILD.replace(ZIP, "(cd layer && python -m zipfile -c ../function.zip python)")
    layer = build(tmp_path, *HERE, commands.replace("package", "layer/python"))
    assert [path.name for path in layer.iterdir()] == ["python"]
    run(layer / "python", client, HANDLER, url)  # Lambda has /opt/python among its paths


def lint(template: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    path = folder / "template.yaml"
    path.write_text(template, encoding="utf-8")
    command = [sys.executable, "-c", "from cfnlint.runner import main; main()", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_template(tmp_path: Path) -> None:
    done = lint(TEMPLATE, tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert lint(TEMPLATE.replace("MemorySize", "Memory"), tmp_path).returncode != 0
    # What the linter does not look at.
    assert len(TEMPLATE.splitlines()) <= 20
    assert f"Handler: {HANDLER}\n" in TEMPLATE
    assert "FunctionResponseTypes: [ReportBatchItemFailures]" in TEMPLATE
    [runtime] = re.findall(r"Runtime: python(.*)", TEMPLATE)
    assert f"--python-version {runtime} " in BUILD
    assert f"FROM public.ecr.aws/lambda/python:{runtime}\n" in IMAGE
