"""`lightclient classify --labels`, as a user types it."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightclient import Classifier
from lightclient.questions.zero_shot import TEMPLATE
from lightclient.standin import StandIn
from tests.command import run_command
from tests.test_carried import model_folder, served
from tests.test_zero_shot import NLI, Model

Run = Callable[..., tuple[int, str, str]]
LABELS = ["sports", "politics", "food, drink", "science"]
GIVEN = ("--labels", 'sports, politics,"food, drink",science')


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = model_folder(tmp_path_factory.mktemp("models") / "nli", NLI, "distilbert")
    with StandIn(served(folder, Model())) as url:
        yield url


@pytest.fixture
def run(url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `classify`; gives status, stdout and stderr."""
    monkeypatch.setenv("LIGHTCLIENT_URL", url)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: str) -> tuple[int, str, str]:
        return run_command(capsys, "classify", *arguments)

    return run


def records(out: str) -> list[Any]:
    return [json.loads(line) for line in out.splitlines()]


def test_the_labels_are_scored_as_the_classifier_does_it(run: Run, url: str) -> None:
    status, out, err = run("a text", "another", *GIVEN, "--top-k", "9", "--format", "jsonl")
    assert (status, err) == (0, "")
    expected = Classifier(url).zero_shot(["a text", "another"], LABELS)
    for record, answer in zip(records(out), expected, strict=True):
        assert (record["label"], record["score"]) == answer.scores[0]
        assert record["scores"] == [score._asdict() for score in answer.scores]
    status, out, _ = run("a text", *GIVEN, "--top-k", "2", "--format", "csv")
    [row] = csv.DictReader(io.StringIO(out))
    best, second = expected[0].scores[:2]
    assert (row["label"], float(row["score"])) == best
    assert (row["label_2"], float(row["score_2"])) == second
    status, out, _ = run("a text", *GIVEN)
    assert out.split() == [*best.label.split(), f"{best.score:.5f}", "a", "text"]


def test_the_options_reach_the_classifier(run: Run, url: str) -> None:
    options = ("--template", "It is {}!", "--multi-label", "--format", "jsonl")
    _, out, _ = run("a text", *GIVEN, *options)
    answer = Classifier(url).zero_shot("a text", LABELS, template="It is {}!", multi_label=True)
    assert (records(out)[0]["label"], records(out)[0]["score"]) == answer.scores[0]


def test_a_threshold_is_one_of_these_labels(run: Run, url: str) -> None:
    shown = ("--format", "jsonl", "--multi-label", "--threshold")
    answer = Classifier(url).zero_shot("a text", LABELS, multi_label=True)
    _, out, _ = run("a text", *GIVEN, *shown, "0.3")
    assert [found["label"] for found in records(out)[0]["labels"]] == [
        label for label, _ in answer.above(0.3)
    ]
    status, out, err = run("a text", *GIVEN, *shown, "sports=0.3", "--threshold", "entailment=0.3")
    assert (status, out) == (1, "")
    assert "it lacks 'politics', 'food, drink', 'science', and no label is called" in err


def test_labels_may_be_given_several_times(run: Run) -> None:
    several = ("--labels", " sports ,politics ", "--labels", '"food, drink"', "--labels", "science")
    shown = ("--top-k", "4", "--format", "jsonl")
    assert run("a text", *several, *shown) == run("a text", *GIVEN, *shown)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--labels", ""), "labels must have one or more labels"),
        (("--labels", "a,"), "labels[1] must not be empty"),
        (("--labels", "a,b,a"), "labels[2] is equal to labels[0]"),
        (("--labels", '"a'), "must be labels separated by commas"),
        (("--labels", "a", "--template", "no place"), "template must be a str with {}"),
        (("--labels", "a", "--template", ""), "template must be a str with {}"),
        (("--labels", "a", "--missing", "empty"), "--missing empty does not go with --labels"),
        (("--template", "It is {}"), "--template goes with --labels"),
        (("--template", ""), "--template goes with --labels"),
        (("--multi-label",), "--multi-label goes with --labels"),
    ],
)
def test_a_wrong_command_line(arguments: tuple[str, ...], words: str, run: Run) -> None:
    status, out, err = run("a text", *arguments)
    assert (status, out) == (2, "")
    assert words in err


def test_the_help_tells_the_template(run: Run) -> None:
    _, out, _ = run("--help")
    assert TEMPLATE in " ".join(out.split())


def write_rows(folder: Path, texts: list[str]) -> tuple[str, ...]:
    path = folder / "in.csv"
    path.write_text("".join(csv_line(row) for row in (["id", "text"], *enumerate(texts))))
    return "--file", str(path), "--column", "text", "--quiet"


def csv_line(cells: Any) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_file_that_broke_off_goes_on(kind: str, run: Run, url: str, tmp_path: Path) -> None:
    texts = [f"text number {at}" for at in range(100)]
    texts[3] = texts[70] = ""
    out = tmp_path / f"out.{kind}"
    command = (*write_rows(tmp_path, texts), "--output", str(out), "--top-k", "3")
    status, _, err = run(*command, *GIVEN)
    assert status == 0
    assert "2 rows have no text and got no answer; the first: row 5" in err
    whole = out.read_bytes()
    answer = Classifier(url).zero_shot(texts[99], LABELS)
    assert repr(answer.score).encode() in whole.splitlines()[-1]
    out.write_bytes(whole[: len(whole) // 2])
    assert run(*command, *GIVEN, "--resume")[0] == 0
    assert out.read_bytes() == whole
    out.write_bytes(whole[: len(whole) // 2])
    status, _, err = run(*command, "--labels", "a,few,other,words", "--resume")
    assert status == 1
    assert "--labels" in err


def test_a_text_that_the_server_refuses_is_skipped(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing(Model):
        def __call__(self, inputs: dict[str, Any]) -> dict[str, Any]:
            if (np.array(inputs["input_ids"]).shape[1]) > 60:
                raise ValueError("too long for this model")
            return super().__call__(inputs)

    folder = model_folder(tmp_path / "m", NLI, "distilbert")
    rows = write_rows(tmp_path, ["a", "word " * 200, "b"])
    with StandIn(served(folder, Refusing())) as url:
        monkeypatch.setenv("LIGHTCLIENT_URL", url)
        status, out, err = run(*rows, *GIVEN, "--format", "csv", "--on-error", "skip")
        assert status == 0
        found = list(csv.DictReader(io.StringIO(out)))
        assert [row["error"] for row in found] == ["", "BadRequest", ""]
        assert found[0]["label"] in LABELS
        assert "1 row got an error and no answer; row 3" in err
        status, out, err = run(*rows, *GIVEN, "--format", "jsonl")
        assert (status, len(records(out))) == (1, 1)
        assert "row 3: " in err


@pytest.mark.parametrize(
    ("names", "labels", "words"),
    [
        (["no", "yes"], "a,b", "needs a model for natural language inference"),
        (NLI, f"a,{'long ' * 600}", "labels[1] makes too long a hypothesis"),
    ],
)
def test_a_model_that_cannot_answer_is_told_before_a_row_is_written(
    names: list[str],
    labels: str,
    words: str,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = model_folder(tmp_path / "m", names, "distilbert")
    model = Model()
    out, rows = tmp_path / "out.csv", write_rows(tmp_path, ["a", "b"])
    with StandIn(served(folder, model)) as url:
        monkeypatch.setenv("LIGHTCLIENT_URL", url)
        for command in (
            ("a text", "--format", "csv"), ("a text", "--top-k", "3"), (*rows, "--format", "jsonl"),
            (*rows, "--output", str(out)), (*rows, "--output", str(out), "--on-error", "skip"),
        ):  # fmt: skip
            status, written, err = run(*command, "--labels", labels)
            assert (status, written) == (1, "")
            assert words in err
            assert not out.exists()
    assert model.requests == []
