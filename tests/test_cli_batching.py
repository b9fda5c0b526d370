"""The step of `lightclient check` that sends texts at the same moment."""

import json
import signal
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest

from lightclient import Classifier
from lightclient.cli import main
from lightclient.standin import Batching, StandIn
from lightclient.standin.demo import load_demo_model
from lightclient.standin.status import StatusError

# Three texts fill a batch, and one alone waits half a second for others.
MEETING = {"max_batch_size": 3, "timeout": 0.5}
Capsys = pytest.CaptureFixture[str]


def check(url: str, *options: str) -> int:
    return main(["check", "--url", url, *options])


def last_line(capsys: Capsys) -> str:
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return out.splitlines()[-1]


class Model:
    """The logits -1 and 1 for each row; those of the calls after the first ones are `changed`."""

    def __init__(self, changed: Any, first: int = 1) -> None:
        self.calls, self._changed, self._first = 0, changed, first

    def __call__(self, inputs: Any) -> Any:
        self.calls += 1
        logits = np.array([[-1, 1]] * len(inputs["input_ids"]), np.float32)
        return {"logits": logits if self.calls <= self._first else self._changed(logits)}


class Block:
    """Makes a model wait until `with` is over."""

    def __init__(self) -> None:
        self.arrived = threading.Semaphore(0)
        self._goes_on = threading.Event()

    def __call__(self, logits: Any) -> Any:
        self.arrived.release()
        self._goes_on.wait(60)
        return logits

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        self._goes_on.set()


def test_padding_by_the_server_is_found(capsys: Capsys) -> None:
    with StandIn(batching=Batching(**MEETING, pad=True)) as url:
        assert check(url, "--json") == 1
    *others, last = json.loads(capsys.readouterr().out)["steps"]
    assert all(step["ok"] for step in others)
    assert (last["step"], last["error"]) == ("batching", "ReplyError")
    assert "alone, and" in last["message"]
    assert "Leave pad_variable_length_inputs out" in last["message"]
    assert "pass pad_to=N" in last["message"]


def test_its_advice_helps(capsys: Capsys) -> None:
    with StandIn(batching=Batching(**MEETING, pad=True)) as url:
        assert check(url, "--pad-to", "64") == 0
        assert last_line(capsys).startswith("ok    all requests have 64 tokens")
        with Classifier(url, pad_to=64) as classifier:
            texts = ["Good.", "I like you. I love you", "I like you. " * 9]
            together = list(classifier.classify_many(texts))
        with StandIn() as sound, Classifier(sound) as classifier:
            alone = [classifier.classify(text) for text in texts]
    for one, other in zip(together, alone, strict=True):
        assert one.logits == pytest.approx(other.logits, abs=1e-4)


def test_a_refusal_of_different_lengths_is_no_failure(capsys: Capsys) -> None:
    with StandIn(batching=Batching(**MEETING)) as url:
        assert check(url) == 0
    line = last_line(capsys)
    assert line.startswith("ok    the server batches requests and refuses different lengths")
    assert "classify_many adapts" in line
    assert "pad_to=N" in line


def test_a_server_without_batching_costs_little(capsys: Capsys) -> None:
    demo = load_demo_model().versions[1]["serving_default"]
    rows = []

    def count(inputs: Any) -> Any:
        rows.append(len(inputs["input_ids"]))
        return demo.run(inputs)

    with StandIn(count) as url:
        assert check(url) == 0
    assert last_line(capsys) == (
        "ok    texts of 4, 9 and 66 tokens get the same answers at the same moment as alone"
    )
    assert rows == [1] * 13  # the step before, each alone, and three rounds of three


def test_a_server_that_rounds_is_not_blamed(capsys: Capsys) -> None:
    """Its answers depend on how many rows a batch has, but not on their lengths."""
    model = Model(lambda logits: logits + np.float32(0.02) * len(logits))
    with StandIn(model, batching=Batching(**MEETING, pad=True)) as url:
        assert check(url) == 0
    assert last_line(capsys).startswith("ok    texts of 4, 9 and 66 tokens")
    assert model.calls > 5  # batches of one length were tried as well


def test_a_server_that_is_too_slow_is_not_blamed(capsys: Capsys) -> None:
    block = Block()
    with StandIn(Model(block)) as url, block:
        assert check(url, "--timeout", "1") == 0
    assert last_line(capsys).startswith("ok    the server is too busy to tell within 1 s")


@pytest.mark.parametrize("code", ["UNAVAILABLE", "RESOURCE_EXHAUSTED"])
def test_a_server_that_is_overloaded_is_not_blamed(code: str, capsys: Capsys) -> None:
    def refuse(logits: Any) -> Any:
        raise StatusError("the queue is full", code=code)

    with StandIn(Model(refuse)) as url:
        assert check(url, "--timeout", "1") == 0
    assert last_line(capsys).startswith("ok    the server is too busy to tell within 1 s")


def test_a_server_that_fails_is_blamed(capsys: Capsys) -> None:
    """It answers each text alone; what it says to three at once is told."""

    def fail(logits: Any) -> Any:
        raise StatusError("out of memory", code="INTERNAL")

    with StandIn(Model(fail, first=4)) as url:
        assert check(url, "--json") == 1
    *others, last = json.loads(capsys.readouterr().out)["steps"]
    assert others[-1]["step"] == "answer"
    assert (last["step"], last["error"]) == ("batching", "ServerFailed")
    assert "out of memory" in last["message"]


def test_ctrl_c_does_not_wait_for_the_answers() -> None:
    block = Block()
    with StandIn(Model(block, first=4)) as url, block:
        command = [sys.executable, "-m", "lightclient", "check", "--url", url, "--timeout", "300"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                assert all(block.arrived.acquire(timeout=30) for _ in range(3))
                process.send_signal(signal.SIGINT)
                _, err = process.communicate(timeout=30)
            finally:
                process.kill()  # only a test that has failed leaves it running
    assert process.returncode == 130
    assert err.splitlines()[-1] == b"lightclient: interrupted"
