"""The README's service, image and compose file, run step by step without a container engine."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import numpy as np
import pytest

from lightclient import Classifier
from lightclient.standin import StandIn
from lightclient.standin.demo import load_demo_model
from tests.pages import PAGES, ROOT
from tests.test_package import needs_source

PAGE = PAGES["lightclient/SERVICES.md"]
SERVICE = PAGE.block("python", "# service.py\n")
COMPOSE = PAGE.block("yaml", "# compose.yaml\n")
DOCKERFILE = PAGE.block("dockerfile", " AS build\n")
TEXT = "I like you. I love you"


class Instruction(NamedTuple):
    name: str
    rest: str


def stages() -> list[list[Instruction]]:
    """The Dockerfile's stages, each with its instructions."""
    found: list[list[Instruction]] = []
    for line in DOCKERFILE.splitlines():
        if line:
            name, _, rest = line.partition(" ")
            if name == "FROM":
                found.append([])
            found[-1].append(Instruction(name, rest))
    return found


def command_of(name: str) -> list[str]:
    """The exec form of the last stage's CMD or HEALTHCHECK."""
    rest = next(found.rest for found in stages()[-1] if found.name == name)
    command = json.loads(rest.removeprefix("CMD "))
    assert all(isinstance(word, str) for word in command)
    return command  # type: ignore[no-any-return]


def test_the_shape_of_the_image() -> None:
    build, final = stages()
    bases = [stage[0].rest for stage in (build, final)]
    assert bases == ["python:3.13-slim AS build", "python:3.13-slim"]
    assert "RUN" not in {found.name for found in final}  # what builds stays in the first stage
    assert ("ENV", "PIP_ONLY_BINARY=:all: PIP_NO_CACHE_DIR=1") in build  # no compiler is needed
    names = [found.name for found in final]
    assert names.index("USER") < names.index("HEALTHCHECK") < names.index("CMD") == len(names) - 1
    assert ("USER", "nobody") in final
    assert command_of("HEALTHCHECK")[:3] == ["lightclient", "check", "--quiet"]
    assert len(DOCKERFILE) + len(COMPOSE) < 2000


class Image(NamedTuple):
    """What the Dockerfile makes, in folders instead of layers."""

    python: Path
    added: Path
    workdir: Path

    def environment(self, **more: str) -> dict[str, str]:
        return {"PATH": f"{self.python}/bin{os.pathsep}{os.environ['PATH']}", **more}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Runs each step of both stages, with one bare virtual environment for their common base."""
    root = tmp_path_factory.mktemp("image")
    image = Image(python=root / "python", added=root / "install", workdir=root / "app")
    venv.create(image.python, with_pip=True)
    image.workdir.mkdir()
    context = root / "context"
    context.mkdir()
    (context / "service.py").write_text(SERVICE, encoding="utf-8")
    places = {"/usr/local": image.python, "/install": image.added, "/app": image.workdir,
              "/src": root / "src"}  # fmt: skip

    def placed(text: str) -> str:
        for inside, outside in places.items():
            text = re.sub(rf"{inside}\b", str(outside), text)
        return text

    environment: dict[str, str] = {}
    for found in (instruction for stage in stages() for instruction in stage):
        if found.name == "ENV":
            environment |= dict(word.split("=", 1) for word in found.rest.split())
        elif found.name == "RUN":
            run(placed(found.rest), root, image.environment(**environment))
        elif found.name == "COPY":
            copy(placed(found.rest).split(), context, image.workdir)
        else:
            assert found.name in ("FROM", "WORKDIR", "USER", "HEALTHCHECK", "CMD")
    return image


def run(command: str, folder: Path, environment: dict[str, str]) -> None:
    kept = {name: os.environ[name] for name in os.environ if name.startswith(("PIP_", "HOME"))}
    done = subprocess.run(
        command, shell=True, cwd=folder, env=kept | environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def copy(words: list[str], context: Path, workdir: Path) -> None:
    """COPY, from the checkout and the user's folder, or from the first stage."""
    *sources, target = [word for word in words if word != "--from=build"]
    for source in sources:
        found = next(
            (place / source for place in (context, ROOT) if (place / source).exists()), None
        )
        assert found is not None, f"COPY {source}: there is no such file"
        if found.is_dir():
            shutil.copytree(found, target, dirs_exist_ok=True, symlinks=True)
        else:
            folder = workdir if target == "." else Path(target)
            folder.mkdir(exist_ok=True)
            shutil.copy(found, folder)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def ask(url: str, body: object) -> tuple[int, object]:
    request = Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urlopen(request, timeout=30) as reply:
            return reply.status, json.load(reply)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


class Service(NamedTuple):
    address: str
    port: int
    process: "subprocess.Popen[bytes]"

    def stop(self) -> bytes:
        """Stop it, as a container is stopped, and return what it wrote to stderr."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.communicate(timeout=30)[1]

    def count(self, what: str) -> int:
        """Its threads, or its sockets."""
        folder = Path(f"/proc/{self.process.pid}/{'task' if what == 'threads' else 'fd'}")
        names = list(folder.iterdir())
        return len(names) if what == "threads" else sum(map(is_socket, names))


def is_socket(path: Path) -> bool:
    try:
        return "socket:" in os.readlink(path)
    except FileNotFoundError:  # it has just been closed
        return False


@contextmanager
def service(command: list[str], folder: Path, environment: dict[str, str]) -> Iterator["Service"]:
    """The service, while it runs; it must end cleanly when a container is stopped."""
    port = free_port()
    with subprocess.Popen(
        command, cwd=folder, env=environment | {"UVICORN_PORT": str(port)}, stderr=subprocess.PIPE
    ) as process:
        try:
            wait_for(port, process)
            yield (found := Service(f"http://127.0.0.1:{port}/classify", port, process))
            found.stop()
            assert process.returncode in (0, -signal.SIGTERM)
        finally:
            process.kill()


def wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    while True:
        try:
            urlopen(f"http://127.0.0.1:{port}/docs", timeout=10).close()
        except URLError:
            assert process.poll() is None, process.stderr and process.stderr.read().decode()
            time.sleep(0.05)
        else:
            return


@needs_source
def test_the_image_serves_and_tells_its_health(image: Image) -> None:
    health = command_of("HEALTHCHECK")
    with StandIn({"distilbert": load_demo_model()}) as url:
        environment = image.environment(LIGHTCLIENT_URL=url)
        with service(command_of("CMD"), image.workdir, environment) as found:
            status, answer = ask(found.address, {"text": TEXT})
            assert status == 200
            assert answer["label"] == "POSITIVE"  # type: ignore[index]
        well = subprocess.run(health, env=environment, capture_output=True, check=False)
        assert (well.returncode, well.stdout, well.stderr) == (0, b"", b"")
    ill = subprocess.run(health, env=environment, capture_output=True, check=False)
    assert ill.returncode == 1
    assert ill.stdout.startswith(b"wrong cannot connect")


@needs_source
def test_the_size_that_the_readme_states(image: Image) -> None:
    found = re.search(r"takes (\d+) MB, (\d+) of them without FastAPI", PAGE.text)
    assert found
    packages = next(image.added.glob("lib/python*/site-packages"))
    files = [path for path in packages.rglob("*") if path.is_file()]
    sizes = dict.fromkeys(("lightclient", "numpy", "tokenizers", "urllib3"), 0)
    for path in files:
        name = re.split(r"[-.]", path.relative_to(packages).parts[0])[0]
        if name in sizes:
            sizes[name] += path.stat().st_size
    total = sum(path.stat().st_size for path in files)
    print(f"{total / 1e6:.1f} MB, of them {sizes}")
    assert total / 1e6 == pytest.approx(float(found[1]), rel=0.1)
    assert sum(sizes.values()) / 1e6 == pytest.approx(float(found[2]), rel=0.1)
    assert not (packages / "huggingface_hub").exists()


@contextmanager
def plain_service(folder: Path, url: str, *options: str) -> Iterator["Service"]:
    """The service on this Python, without its image, and with a timeout that ends nothing."""
    pytest.importorskip("fastapi", reason="FastAPI is not installed: pip install '.[test]'")
    pytest.importorskip("uvicorn", reason="uvicorn is not installed: pip install '.[test]'")
    (folder / "service.py").write_text(SERVICE, encoding="utf-8")
    command = [sys.executable, "-m", *command_of("CMD"), *options]
    settings = {"LIGHTCLIENT_URL": url, "LIGHTCLIENT_TIMEOUT": "600"}
    with service(command, folder, dict(os.environ) | settings) as found:
        yield found


def test_the_service_says_what_fails(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/v1/models/distilbert"
    with plain_service(tmp_path, url) as found:
        address = found.address
        status, answer = ask(address, {"text": TEXT})
        assert status == 503
        assert answer == {"error": "CannotConnect"}
        status, answer = ask(address, {"text": "\ud800"})
        assert status == 400
        assert "surrogate" in answer["error"]  # type: ignore[index]
        assert ask(address, {})[0] == 422


class Held:
    """A model that answers when `go_on` is set. It tells "good" from "bad".

    `asked`: how many requests came.
    """

    def __init__(self) -> None:
        self.asked, self.go_on = list[int](), threading.Event()

    def __call__(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append(1)
        assert self.go_on.wait(60)
        logits = [[-1, 1] if 2204 in row else [1, -1] for row in inputs["input_ids"].tolist()]
        return {"logits": np.array(logits, dtype=np.float32)}


def ask_many(pool: ThreadPoolExecutor, address: str, count: int) -> "list[Future[Any]]":
    texts = [("good", "bad")[number % 2] for number in range(count)]
    return [pool.submit(ask, address, {"text": text}) for text in texts]


def labels(answers: "list[Future[Any]]") -> list[str]:
    found = [answer.result(60) for answer in answers]
    assert {status for status, _ in found} == {200}
    return [answer["label"] for _, answer in found]


def until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("it never came")


def leave(port: int) -> socket.socket:
    """Send a request, without waiting for its answer."""
    client = socket.create_connection(("127.0.0.1", port))
    body = b'{"text": "good"}'
    head = f"POST /classify HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n"
    client.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + body)
    return client


def refuses(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) != 0


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")


@needs_proc
def test_two_hundred_requests_at_once(tmp_path: Path) -> None:
    """None is lost and none leaks, although some clients go away, and so does the service."""
    model = Held()
    with (
        StandIn(model) as url,
        plain_service(tmp_path, url) as found,
        ThreadPoolExecutor(200) as pool,
    ):
        threads, sockets = found.count("threads"), found.count("sockets")
        for _ in range(2):
            model.asked.clear()
            model.go_on.clear()
            gone = [leave(found.port) for _ in range(3)]
            answers = ask_many(pool, found.address, 197)
            until(lambda: len(model.asked) == 16 and found.count("sockets") >= sockets + 200)
            for client in gone:
                client.close()
            model.go_on.set()
            assert labels(answers) == (["POSITIVE", "NEGATIVE"] * 99)[:197]
            until(lambda: len(model.asked) == 200)
            until(lambda: found.count("sockets") <= sockets + 16)  # the idle connections
            assert found.count("threads") <= threads + 16
        assert b"Traceback" not in found.stop()


@needs_proc
def test_it_is_stopped_while_requests_are_under_way(tmp_path: Path) -> None:
    model = Held()
    with (
        StandIn(model) as url,
        plain_service(tmp_path, url) as found,
        ThreadPoolExecutor(40) as pool,
    ):
        answers = ask_many(pool, found.address, 40)
        until(lambda: len(model.asked) >= 16 and found.count("sockets") >= 40)
        found.process.send_signal(signal.SIGTERM)
        until(lambda: refuses(found.port))
        model.go_on.set()
        assert labels(answers) == ["POSITIVE", "NEGATIVE"] * 20
        assert b"Traceback" not in found.stop()


def test_it_is_stopped_while_the_model_hangs(tmp_path: Path) -> None:
    model = Held()
    with StandIn(model) as url, ThreadPoolExecutor(20) as pool:
        options = "--timeout-graceful-shutdown", "1"
        with plain_service(tmp_path, url, *options) as found:
            answers = ask_many(pool, found.address, 20)
            until(lambda: len(model.asked) == 16)
            found.stop()  # uvicorn cancels the tasks
        model.go_on.set()
        assert all(answer.exception() or answer.result()[0] != 200 for answer in answers)


def test_a_classification_in_json_and_in_the_schema(tmp_path: Path) -> None:
    with StandIn({"distilbert": load_demo_model()}) as url, plain_service(tmp_path, url) as found:
        status, answer = ask(found.address, {"text": TEXT})
        with urlopen(found.address.replace("/classify", "/openapi.json"), timeout=30) as reply:
            schema = json.load(reply)
        assert status == 200
        assert answer == json.loads(json.dumps(Classifier(url).classify(TEXT).as_dict()))
    properties = schema["components"]["schemas"]["Classification"]["properties"]
    assert set(properties) == set(answer)
    score = properties["scores"]["items"]
    assert (score["type"], set(score["properties"])) == ("object", {"label", "score"})


def test_the_compose_file_keeps_the_schema(tmp_path: Path) -> None:
    """The schema is that of the compose specification, as the package check-jsonschema has it."""
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed")
    (tmp_path / "compose.yaml").write_text(COMPOSE, encoding="utf-8")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run(
        [*command, "compose.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_compose_file_starts_the_service_last() -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    services = yaml.safe_load(COMPOSE)["services"]
    assert services["service"]["depends_on"] == {"tfs": {"condition": "service_healthy"}}
    assert services["service"]["build"] == "."
    name = services["tfs"]["environment"]["MODEL_NAME"]
    assert services["tfs"]["volumes"] == [f"./models/{name}:/models/{name}:ro"]
    url = services["service"]["environment"]["LIGHTCLIENT_URL"]
    assert url == f"http://tfs:8501/v1/models/{name}"


def test_the_health_of_the_server() -> None:
    """TensorFlow Serving's image has bash, and neither curl nor wget."""
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    kind, *command = yaml.safe_load(COMPOSE)["services"]["tfs"]["healthcheck"]["test"]
    assert kind == "CMD"
    with StandIn() as url:
        port = url.split(":")[2].split("/")[0]
        probe = [word.replace("8501", port) for word in command]
        assert subprocess.run(probe, capture_output=True, check=False).returncode == 0
    assert subprocess.run(probe, capture_output=True, check=False).returncode != 0
