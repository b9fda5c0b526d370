"""What is shipped, what is imported, and what is exported."""

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import requires
from importlib.util import find_spec
from pathlib import Path

import pytest

import lightclient
from lightclient.standin import StandIn

ROOT = Path(__file__).parent.parent
DEPENDENCIES = ("numpy", "tokenizers", "urllib3")
EXPORTED = """
AccessDenied AsyncClassifier BadRequest Bundle BundleError CannotConnect Classification Classifier
ConnectionLost CredentialsError ExportError InputError LightClientError ModelNotFound
NotTensorFlowServing Overloaded Ranked RedirectRefused ReplyError ReplyTooLarge Score ServerError
ServerFailed SettingError Signature SignatureError SignatureNotFound TimedOut TransportError
Unavailable __version__ classify
""".split()


def test_exported_members() -> None:
    assert lightclient.__all__ == EXPORTED
    assert dir(lightclient) == EXPORTED
    for name in EXPORTED:
        assert getattr(lightclient, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'absent'"):
        lightclient.absent  # type: ignore[attr-defined]  # noqa: B018


def test_exactly_three_requirements() -> None:
    runtime = [line for line in requires("lightclient") or [] if "extra ==" not in line]
    assert sorted(re.split(r"[<>=]", line)[0] for line in runtime) == list(DEPENDENCIES)
    assert all(">=" in line for line in runtime)


needs_source = pytest.mark.skipif(
    not (ROOT / "lightclient").is_dir(), reason="no source here: the installed wheel is tested"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@needs_source
def test_what_the_wheel_holds(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(next(name for name in names if name.endswith("METADATA"))).decode()
    for name in (
        "py.typed",
        "vocab/distilbert-base-uncased-finetuned-sst-2-english/tokenizer.json",
        "vocab/distilbert-base-uncased-finetuned-sst-2-english/config.json",
        "standin/demo_model/model.safetensors",
        "standin/demo_model/MODEL_CARD.md",
    ):
        assert f"lightclient/{name}" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"lightclient"}
    assert "License-Expression: Apache-2.0" in metadata
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "Requires-Python: >=3.10" in metadata
    assert wheel.stat().st_size < 2.5e6


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like `pip install --no-deps` of lightclient, tokenizers and urllib3, no more."""
    folder = tmp_path_factory.mktemp("bare")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    link(folder, "tokenizers", "urllib3")
    return folder


@pytest.fixture(scope="module")
def numpy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with numpy alone."""
    folder = tmp_path_factory.mktemp("numpy")
    link(folder, "numpy")
    return folder


def link(folder: Path, *packages: str) -> None:
    for name in packages:
        spec = find_spec(name)
        package = Path(spec.origin or "").parent  # type: ignore[union-attr]
        for found in (package, package.parent / f"{name}.libs"):
            if found.is_dir():
                (folder / found.name).symlink_to(found)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with StandIn() as url:
        yield url


def in_bare(bare: Path, code: str, *arguments: str) -> str:
    """Run code that sees the standard library and the packages in the folder only."""
    done = run_bare([bare], code, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_bare(folders: list[Path], code: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    seen = list(map(str, folders))
    program = f"import sys; sys.path[:] = [p for p in sys.path if p] + {seen!r}\n{code}"
    run = [sys.executable, "-S", "-E", "-c", program, *arguments]
    return subprocess.run(run, cwd=folders[0], capture_output=True, text=True, check=False)


LOADED = """
import json, lightclient
from lightclient import classify, Classifier
assert lightclient.__file__.startswith(sys.argv[2]), lightclient.__file__
answer = Classifier(sys.argv[1]).classify(["I like you. I love you", "no"])[0]
assert answer.label == "POSITIVE"
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""


@needs_source
def test_only_the_three_packages_are_loaded(bare: Path, numpy: Path, url: str) -> None:
    done = run_bare([bare, numpy], LOADED, url, str(bare))
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout)) - set(sys.stdlib_module_names) - {"__main__"}
    loaded = {name for name in loaded if "cython" not in name}  # of an older numpy
    assert loaded == {"lightclient", *DEPENDENCIES}


@needs_source
@pytest.mark.parametrize("missing", DEPENDENCIES)
def test_a_call_uses_each_of_the_three(missing: str, wheel: Path, url: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    link(tmp_path, *(name for name in DEPENDENCIES if name != missing))
    done = run_bare([tmp_path], LOADED, url, str(tmp_path))
    assert done.returncode == 1
    assert f"No module named '{missing}'" in done.stderr


@needs_source
def test_importing_loads_nothing_heavy(bare: Path) -> None:
    code = "import lightclient, json; print(json.dumps(sorted(sys.modules)))"
    loaded = set(json.loads(in_bare(bare, code)))
    for name in (*DEPENDENCIES, "asyncio", "ssl", "http.client", "argparse", "lightclient.client"):
        assert name not in loaded


DEMO = "from lightclient.cli import main; sys.exit(main(['demo', 'I like you. I love you']))"


@needs_source
def test_the_demo_runs_from_the_wheel(bare: Path, numpy: Path) -> None:
    done = run_bare([bare, numpy], DEMO)
    assert "POSITIVE  0.99431" in done.stdout, done.stderr


@needs_source
def test_the_demo_without_numpy_says_what_is_missing(bare: Path) -> None:
    done = run_bare([bare], DEMO)
    assert done.returncode == 1
    assert done.stderr == "lightclient: numpy is not installed: pip install numpy\n"


def test_nothing_reads_the_environment_but_settings() -> None:
    package = Path(lightclient.__file__).parent
    readers = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if re.search(r"os\.environ|getenv", path.read_text(encoding="utf-8"))
    }
    # The other two set what TensorFlow reads when it is imported.
    assert readers <= {"settings.py", "export/libraries.py", "standin/savedmodel.py"}


def test_only_the_transport_knows_urllib3() -> None:
    package = Path(lightclient.__file__).parent
    users = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if "urllib3" in path.read_text("utf-8")
    }
    assert {Path(user).parts[0] for user in users} == {"http"}


def test_only_one_module_knows_the_tokenizers_library() -> None:
    package = Path(lightclient.__file__).parent
    users = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r"^\s*(import|from) tokenizers\b", path.read_text("utf-8"), re.MULTILINE)
    }
    assert users == {"model/library.py"}
