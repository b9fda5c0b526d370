"""KServe's own model server, as a real process."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

pytest.importorskip("kserve", reason="KServe is not installed: pip install kserve")

from lightclient import Classifier, LightClientError, ModelNotFound, Signature
from lightclient.standin import StandIn
from tests.test_containers import free_port

pytestmark = pytest.mark.heavy
TEXTS = ["I like you. I love you", "a bore", "", "what a wonderful film " * 20]
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The model's URL, once `lightclient check --wait` finds all well there."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/v1/models/distilbert"
    command = [sys.executable, "-m", "tests.heavy.kserve_demo", str(port)]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as server:  # fmt: skip
        try:
            check = [sys.executable, "-m", "lightclient", "check", "--wait", "120", "--url", url]
            done = subprocess.run(check, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + str(server.poll())
            assert "model 'distilbert' is ready, in KServe's words" in done.stdout
            yield url
        finally:
            server.terminate()
            server.communicate()


def test_it_gives_the_scores_of_tensorflow_serving(url: str) -> None:
    with (
        StandIn() as other,
        Classifier(other) as expected,
        Classifier(url, signature=Signature(), form="row") as classifier,
    ):
        for found, wanted in zip(
            classifier.classify_many(TEXTS), expected.classify_many(TEXTS), strict=True
        ):
            assert found.label == wanted.label
            assert found.score == pytest.approx(wanted.score, abs=1e-6)
        assert classifier.classify(TEXTS[0]).label == "POSITIVE"


def test_its_status_and_metadata_are_as_the_tests_without_it_have_them(url: str) -> None:
    with urlopen(url) as reply:
        assert json.load(reply) == {"name": "distilbert", "ready": True}
    with Classifier(url) as classifier, pytest.raises(LightClientError, match="by hand"):
        classifier.classify("a")


def test_an_unknown_model(url: str) -> None:
    nope = url.replace("distilbert", "nope")
    with (
        Classifier(nope, signature=Signature(), form="row") as classifier,
        pytest.raises(ModelNotFound, match="nope does not exist"),
    ):
        classifier.classify("a")
