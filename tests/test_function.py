"""Which function makes scores of an output: nothing is scored twice, and nothing is guessed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lightclient import Bundle, Classifier, SettingError, Signature, SignatureError
from lightclient.cli import main
from lightclient.serving.function import choose_function
from lightclient.standin import ServedModel, SignatureDef, StandIn, TensorSpec

FREE = TensorSpec("int32", (None, None))
SHARES, LOGITS = [0.2, 0.8], [-1.5, 2.0]


@contextmanager
def answering(output: str, *rows: list[float]) -> Iterator[str]:
    """A served model with one output of this name, whose rows are these in turn."""

    def run(inputs: dict[str, Any]) -> dict[str, Any]:
        count = len(inputs["input_ids"])
        return {output: np.array([rows[at % len(rows)] for at in range(count)], np.float32)}

    inputs = {"input_ids": FREE, "attention_mask": FREE}
    signature = SignatureDef(run, inputs, {output: TensorSpec("float32", (None, None))})
    model = ServedModel({1: {"serving_default": signature}}).with_bundle()
    with StandIn(model) as url:
        yield url


def softmax(row: list[float]) -> list[float]:
    powers = np.exp(row)
    return list(powers / powers.sum())


@pytest.mark.parametrize(
    "name",
    ["probabilities", "probs", "scores", "softmax", "sigmoid", "prediction", "predictions",
     "softmax_1", "Class_Probabilities", "probability"],
)  # fmt: skip
def test_an_output_that_is_called_probabilities_is_left_alone(name: str) -> None:
    with answering(name, SHARES) as url:
        answer = Classifier(url).classify("a")
        assert answer.label == "POSITIVE"
        assert answer.score == pytest.approx(0.8)
    words = f"^the output '{name}' holds values outside 0"
    with answering(name, LOGITS) as url, pytest.raises(SignatureError, match=words):
        Classifier(url).classify("a")


@pytest.mark.parametrize("name", ["logits", "output_0", "dense", "dense_1", "classifier"])
def test_logits_get_the_pipeline_s_function(name: str) -> None:
    with answering(name, LOGITS) as url:
        assert Classifier(url).classify("a").score == pytest.approx(softmax(LOGITS)[1])


@pytest.mark.parametrize("name", ["output_0", "dense", "classifier", "logits"])
def test_probabilities_that_nobody_told_are_an_error(name: str) -> None:
    with answering(name, SHARES) as url:
        classifier = Classifier(url)
        with pytest.raises(SignatureError, match=f"each row of the output '{name}'.*function='no"):
            classifier.classify("a")
        with pytest.raises(SignatureError, match="function='none'"):
            list(classifier.classify_many([*map(str, range(100))]))
        assert Classifier(url, function="none").classify("a").score == pytest.approx(0.8)
        twice = Classifier(url, function="softmax").classify("a")  # who says so gets it
        assert twice.score == pytest.approx(0.646, abs=1e-3)


def test_one_row_of_a_reply_may_look_so() -> None:
    with answering("output_0", SHARES, LOGITS) as url:
        found = Classifier(url).classify(["a", "b"])
    assert [answer.score for answer in found] == pytest.approx(
        [softmax(SHARES)[1], softmax(LOGITS)[1]]
    )


def test_what_is_stated_by_hand() -> None:
    with answering("probs", SHARES) as url:
        told = Classifier(url, signature=Signature(output="probs"))
        assert told.classify("a").score == pytest.approx(0.8)
        with pytest.raises(SignatureError, match="each row of the model's output"):
            Classifier(url, signature=Signature()).classify("a")


@pytest.mark.parametrize(
    ("function", "expected"),
    [("none", 2.0), ("sigmoid", 1 / (1 + np.exp(-2.0))), ("softmax", softmax(LOGITS)[1])],
)
def test_who_says_it_decides(
    function: Any,
    expected: float,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with answering("logits", LOGITS) as url:
        assert Classifier(url, function=function).classify("a").score == pytest.approx(expected)
        monkeypatch.setenv("LIGHTCLIENT_FUNCTION", function)
        assert Classifier(url).classify("a").score == pytest.approx(expected)
        monkeypatch.delenv("LIGHTCLIENT_FUNCTION")
        assert main(["classify", "--url", url, "--function", function, "a"]) == 0
        assert f"{expected:.4f}"[:5] in capsys.readouterr().out


def test_a_broken_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIGHTCLIENT_FUNCTION", "tanh")
    with pytest.raises(SettingError, match=r"^LIGHTCLIENT_FUNCTION: .* must be one of"):
        Classifier("http://127.0.0.1:1/v1/models/m")


BUNDLE = Bundle.load()


@pytest.mark.parametrize(
    ("problem", "labels", "output", "expected", "believed"),
    [
        (None, 2, "logits", "softmax", "logits"),
        (None, 2, "output_0", "softmax", "logits"),
        (None, 2, None, "softmax", "logits"),
        (None, 1, "output_0", "sigmoid", "logits"),
        (None, 1, "scores", "none", "probabilities"),
        ("multi_label_classification", 3, "output_0", "sigmoid", "logits"),
        ("multi_label_classification", 3, "probabilities", "none", "probabilities"),
        ("regression", 1, "predictions", "none", None),
    ],
)
def test_the_choice(
    problem: str | None, labels: int, output: str | None, expected: str, believed: str | None
) -> None:
    bundle = replace(BUNDLE, problem_type=problem, labels=tuple("abc"[:labels]))
    found = choose_function(None, output, bundle)
    assert (found.name, found.believed) == (expected, believed)
    for stated in ("softmax", "sigmoid", "none"):
        assert choose_function(stated, output, bundle)[::2] == (stated, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("logits", "function 'softmax' makes scores of 'logits', as transformers' pipeline does"),
        ("probs", "function 'none' makes scores of 'probs', as the name 'probs' says"),
    ],
)
def test_check_names_function_and_output(
    output: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(output, LOGITS if output == "logits" else SHARES) as url:
        assert main(["check", "--url", url]) == 0
        out = capsys.readouterr().out
        assert words in out
        assert f"-> {output}" in out
        assert main(["check", "--url", url, "--function", "none"]) == 0
        assert "as function= says" in capsys.readouterr().out
