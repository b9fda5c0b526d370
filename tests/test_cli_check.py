"""`lightclient check --wait`, `--quiet` and `--json`, as scripts and probes run them."""

import json
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from lightclient.cli import main
from lightclient.model.files import DEFAULT_BUNDLE
from lightclient.standin import ServedModel, StandIn
from lightclient.standin.demo import load_demo_model
from tests.scripted import Script, answering, outputs, read_request, response, serving
from tests.test_cli import loading

ROOT = Path(__file__).parent.parent
STEPS = ["setup", "server", "model", "signature", "bundle", "function", "answer", "batching"]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with StandIn() as url:
        yield url


def closed_port() -> int:
    """A port where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@contextmanager
def checking(*arguments: str) -> "Iterator[subprocess.Popen[str]]":
    command = [sys.executable, "-m", "lightclient", "check", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()  # only a test that has failed leaves it running


def metadata_and(answer: bytes) -> Script:
    """A model that carries no bundle, and answers each prediction so."""
    free = {"dim": [{"size": "-1"}, {"size": "-1"}]}
    ids, logits = ({"dtype": dtype, "tensor_shape": free} for dtype in ("DT_INT32", "DT_FLOAT"))
    signature = {"inputs": {"input_ids": ids}, "outputs": {"logits": logits}}
    found = {"signature_def": {"signature_def": {"serving_default": signature}}}
    status = {"model_version_status": [{"version": "1", "state": "AVAILABLE", "status": {}}]}

    def script(connection: Any) -> None:
        while request := read_request(connection):
            is_metadata = request.partition(b"\r\n")[0].rpartition(b" ")[0].endswith(b"/metadata")
            told = {"metadata": found} if is_metadata else status
            is_get = request.startswith(b"GET")
            connection.sendall(response(200, json.dumps(told)) if is_get else answer)

    return script


def wait_until_it_waits(process: "subprocess.Popen[str]") -> str:
    """Read what it prints, up to the line that says why it waits."""
    assert process.stdout is not None
    return next(line for line in process.stdout if line.startswith("wait  "))


def test_it_waits_for_a_server_that_comes_later() -> None:
    port = closed_port()
    url = f"http://127.0.0.1:{port}/v1/models/demo"
    with checking("--url", url, "--wait", "60") as process:
        assert "cannot connect" in wait_until_it_waits(process)
        with StandIn(port=port):
            out, err = process.communicate(timeout=50)
    assert (process.returncode, err) == (0, "")
    lines = out.splitlines()
    assert [line[:6] for line in lines] == ["ok    "] * 7  # the bundle's came before the wait
    assert lines[-2].endswith("Classification(label='POSITIVE', score=0.99431)")


def test_it_waits_for_a_model_that_is_still_loading() -> None:
    """The status first says so, then the real stand-in answers at the same port."""
    with (
        serving(answering(loading("LOADING"))) as server,
        checking("--url", f"{server.origin}/v1/models/demo", "--wait", "60") as process,
    ):
        assert "version 1 is LOADING" in wait_until_it_waits(process)
        server.close()
        with StandIn(port=server.port):
            assert process.wait(timeout=50) == 0


def test_it_waits_for_a_bundle_that_is_mounted_later(url: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    arguments = ("--url", url, "--bundle", str(folder), "--wait", "60")
    folder.mkdir()
    with checking(*arguments) as process:
        assert "config.json" in wait_until_it_waits(process)
        shutil.copytree(ROOT / "vocab" / DEFAULT_BUNDLE, folder, dirs_exist_ok=True)
        assert process.wait(timeout=50) == 0


def test_a_server_that_never_comes() -> None:
    url = f"http://127.0.0.1:{closed_port()}/v1/models/m"
    with checking("--url", url, "--wait", "1.5") as process:
        out, err = process.communicate(timeout=50)
    assert (process.returncode, err) == (1, "")
    first, waited, last = out.splitlines()
    assert first.startswith("ok    bundle")
    assert waited.startswith("wait  cannot connect")  # told once, though it tried again and again
    assert last.startswith("wrong cannot connect")


def test_a_server_that_is_silent_is_given_up_when_the_time_is_over() -> None:
    """The wait bounds a step as well, whose own timeout is 10 seconds."""

    def silent(connection: socket.socket) -> None:
        read_request(connection)
        read_request(connection)

    with serving(silent) as server, checking("--url", server.url, "--wait", "1") as process:
        out, _ = process.communicate(timeout=50)
    assert process.returncode == 1
    assert "gave no whole answer within 1 s" in out


def test_what_no_waiting_mends_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--url", "localhost:8501", "--wait", "5", "--json"]) == 1
    found = document(capsys)
    assert found["attempts"] == 1
    (step,) = found["steps"]  # type: ignore[misc]
    assert step["message"].startswith("url 'localhost:8501' must start with http")


def test_ctrl_c_ends_the_wait() -> None:
    url = f"http://127.0.0.1:{closed_port()}/v1/models/m"
    with checking("--url", url, "--wait", "3600") as process:
        wait_until_it_waits(process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=50)
    assert (process.returncode, out, err) == (130, "", "lightclient: interrupted\n")


def two_versions(**labels: int) -> ServedModel:
    (signatures,) = load_demo_model().versions.values()
    return ServedModel({1: signatures, 2: signatures}, labels=labels)


@pytest.mark.parametrize(
    ("tail", "told"),
    [
        ("", "version 2, 1"),
        ("/versions/1", "version 1"),
        ("/labels/stable", "version 1, by its label 'stable'"),
        ("/labels/canary:predict", "version 2, by its label 'canary'"),
    ],
)
def test_it_names_the_version_that_answers(
    tail: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with StandIn({"two": two_versions(stable=1, canary=2)}) as url:
        assert main(["check", "--url", url + tail]) == 0
    assert capsys.readouterr().out.splitlines()[2] == f"ok    model 'two' is AVAILABLE: {told}"


def test_a_label_that_stands_for_nothing_is_wrong_although_the_status_is_fine(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--url", url + "/labels/nope", "--json"]) == 1
    last = document(capsys)["steps"][-1]  # type: ignore[index]
    assert (last["step"], last["error"]) == ("model", "ModelNotFound")
    assert "Check the URL's label" in last["message"]


def test_metadata_without_a_version(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(answering(loading("AVAILABLE"))) as server:
        assert main(["check", "--url", f"{server.url}/labels/stable"]) == 1
    assert "/labels/stable/metadata does not tell a model's version" in capsys.readouterr().out


def test_quiet_prints_nothing_when_all_is_well(url: str) -> None:
    with checking("--url", url, "--quiet") as process:
        assert process.communicate(timeout=50) == ("", "")
    assert process.returncode == 0


def test_quiet_prints_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    url = f"http://127.0.0.1:{closed_port()}/v1/models/m"
    assert main(["check", "--url", url, "--quiet", "--wait", "1"]) == 1
    out, err = capsys.readouterr()
    assert (out.count("\n"), err) == (1, "")
    assert out.startswith("wrong cannot connect")


def document(capsys: pytest.CaptureFixture[str]) -> "dict[str, object]":
    out, err = capsys.readouterr()
    assert (out.count("\n"), err) == (1, "")
    found: dict[str, object] = json.loads(out)
    assert list(found) == ["ok", "attempts", "seconds", "steps"]
    return found


def test_json_when_all_is_well(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--url", url, "--json"]) == 0
    found = document(capsys)
    assert (found["ok"], found["attempts"]) == (True, 1)
    steps: list[dict[str, object]] = found["steps"]  # type: ignore[assignment]
    assert [step["step"] for step in steps] == STEPS
    assert all(set(step) == {"step", "ok", "message"} and step["ok"] is True for step in steps)


@pytest.mark.parametrize(
    ("answer", "step", "error"),
    [
        (response(403, "no"), "model", "AccessDenied"),
        (loading("END"), "model", "ModelNotFound"),
        (response(200, "no"), "model", "NotTensorFlowServing"),
    ],
)
def test_json_when_something_is_wrong(
    answer: bytes, step: str, error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(answering(answer)) as server:
        assert main(["check", "--url", server.url, "--json"]) == 1
    found = document(capsys)
    assert found["ok"] is False
    *others, last = found["steps"]  # type: ignore[misc]
    assert [other["step"] for other in others] == STEPS[: STEPS.index(step)]
    assert all(other["ok"] is True for other in others)
    assert (last["step"], last["ok"], last["error"]) == (step, False, error)
    assert last["message"]


def test_json_counts_the_attempts(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with urlopen(f"{url}/metadata") as reply:
        metadata = response(200, reply.read())
    first, second = (
        answering(loading("LOADING")),
        answering(loading("AVAILABLE"), metadata, outputs()),
    )
    with serving(first, second) as server:
        # With one length for all, there is nothing to try at the same moment.
        options = ("--json", "--wait", "60", "--pad-to", "16")
        assert main(["check", "--url", server.url, *options]) == 0
    found = document(capsys)
    assert (found["ok"], found["attempts"]) == (True, 2)
    assert [step["step"] for step in found["steps"]] == STEPS  # type: ignore[attr-defined]


def test_a_server_that_cannot_be_asked_for_its_bundle(capsys: pytest.CaptureFixture[str]) -> None:
    url = f"http://127.0.0.1:{closed_port()}/invocations"
    assert main(["check", "--url", url, "--bundle", "served"]) == 1
    assert "cannot be asked for its bundle: pass the model's Hugging" in capsys.readouterr().out


def test_a_model_without_a_bundle_is_told_once(tmp_path: Path) -> None:
    """Not as a warning too, which each attempt would repeat."""
    answers_with_nothing = serving(metadata_and(response(200, '{"outputs": []}')))
    with answers_with_nothing as server, checking("--url", server.url, "--wait", "2") as process:
        told, warned = process.communicate(timeout=30)
    assert told.count("bundle that ships with lightclient") == 1
    assert "wait  " in told
    assert warned == ""


def test_json_without_a_url(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("LIGHTCLIENT_URL", raising=False)
    assert main(["check", "--json"]) == 1
    (step,) = document(capsys)["steps"]  # type: ignore[misc]
    assert (step["step"], step["error"]) == ("setup", "SettingError")


@pytest.mark.parametrize(
    "arguments",
    [("--wait", "soon"), ("--wait", "-1"), ("--wait", "nan"), ("--wait", "inf"),
     ("--quiet", "--json")],
)  # fmt: skip
def test_a_wrong_command_line(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["check", *arguments])
    assert "usage: lightclient check" in capsys.readouterr().err


def test_a_default_bundle_is_a_warning_and_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    with StandIn(lambda inputs: {"logits": [[-1.0, 1.0]] * len(inputs["input_ids"])}) as url:
        assert main(["check", "--url", url]) == 0
        captured = capsys.readouterr()
    assert (
        "warn  labels NEGATIVE, POSITIVE, from the bundle that ships with lightclient: pass "
        "bundle= if this is another model\n"
    ) in captured.out
    assert captured.err == ""
