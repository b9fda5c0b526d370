"""`lightclient classify --threshold`, with a model of several labels whose names are odd."""

import csv
import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightclient.model.bundle import Bundle
from lightclient.model.files import find_folder
from lightclient.standin import StandIn
from lightclient.standin.models import classifier as behind_usual_signature
from tests.command import run_command

Run = Callable[..., tuple[int, str, str]]

LABELS = ["toxic", "a=b", 'x;y, "z"\n中']
# The sigmoid of each label's logit, by the text, whose first token is one of these.
SCORES = {"one": (0.9, 0.6, 0.2), "two": (0.1, 0.7, 0.65), "six": (0.3, 0.2, 0.1)}
TOKENS = {2028: "one", 2048: "two", 2416: "six"}
NOBODY = ("--url", "http://127.0.0.1:1/v1/models/m", "--timeout", "0.5")


def model(inputs: dict[str, Any]) -> dict[str, Any]:
    scores = np.array([SCORES[TOKENS[ids[1]]] for ids in inputs["input_ids"].tolist()])
    return {"logits": np.log(scores / (1 - scores)).astype(np.float32)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = shutil.copytree(find_folder(None), tmp_path_factory.mktemp("bundle") / "several")
    config = json.loads((copy / "config.json").read_text())
    config["problem_type"] = "multi_label_classification"
    config["id2label"] = {str(at): label for at, label in enumerate(LABELS)}
    (copy / "config.json").write_text(json.dumps(config))
    return copy


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with StandIn(behind_usual_signature(model).with_bundle(folder)) as url:
        yield url


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Bundle:
    return Bundle.load(folder)


@pytest.fixture
def run(
    url: str, bundle: Bundle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs `classify` in this process; gives status, stdout and stderr."""
    monkeypatch.setenv("LIGHTCLIENT_URL", url)
    monkeypatch.setenv("COLUMNS", "100")

    def run(*arguments: object) -> tuple[int, str, str]:
        return run_command(capsys, "classify", *arguments)

    return run


def by_label(*least: float) -> tuple[str, ...]:
    pairs = zip(LABELS, least, strict=True)
    return tuple(word for label, at in pairs for word in ("--threshold", f"{label}={at}"))


EACH = by_label(0.95, 0.59, 0.09)
CASES = [
    (("--threshold", "0.5"), [[0, 1], [1, 2], []]),
    (("--threshold", "0.69"), [[0], [1], []]),
    (("--threshold", "0"), [[0, 1, 2], [1, 2, 0], [0, 1, 2]]),
    (("--threshold", "7"), [[], [], []]),
    (EACH, [[1, 2], [1, 2], [2]]),
]


@pytest.mark.parametrize(("options", "expected"), CASES)
def test_the_labels_in_each_format(run: Run, options: tuple[str, ...], expected: Any) -> None:
    names = [[LABELS[at] for at in reached] for reached in expected]
    status, out, _ = run("one", "two", "six", " ", *options, "--format", "csv", "--prefix", "p_")
    header, *rows = csv.reader(io.StringIO(out, newline=""))
    assert (status, header) == (0, ["text", "p_label", "p_score", "p_labels", "p_truncated"])
    assert [json.loads(row[3]) for row in rows[:3]] == names
    assert rows[3] == [" ", "", "", "", ""]
    for form in ("jsonl", "json"):
        out = run("one", "two", "six", " ", *options, "--format", form, "--top-k", "3")[1]
        found = json.loads(out if form == "json" else f"[{','.join(out.splitlines())}]")
        assert list(found[0]) == ["text", "label", "score", "scores", "labels", "truncated"]
        assert [[item["label"] for item in row["labels"]] for row in found[:3]] == names
        assert all(item in row["scores"] for row in found[:3] for item in row["labels"])
        assert found[3]["labels"] is None


def test_a_table_shows_the_labels_and_what_has_none(run: Run) -> None:
    assert run("two", "six", "", "--threshold", "0.64")[1].splitlines() == [
        'a=b        0.70000  x;y, "z" 中 0.65000  two', "(no label)  six", "(no text)",
    ]  # fmt: skip
    assert run("one", "--threshold", "0.64")[1] == "toxic      0.90000  one\n"


@pytest.mark.parametrize("form", ["table", "csv", "json"])
@pytest.mark.parametrize(
    ("given", "words"),
    [
        (EACH[2:], "it lacks 'toxic'\n"),
        ((*EACH, "--threshold", "none=1"), "no label is called 'none'\n"),
        (("--threshold", "toxic=0.5,a=b=0.5"), "and no label is called 'toxic=0.5,a=b'\n"),
    ],
)
def test_thresholds_for_other_labels_are_told_before_the_first_row(
    run: Run, tmp_path: Path, given: tuple[str, ...], words: str, form: str
) -> None:
    out = tmp_path / "out"
    for more in ((), ("--output", out)):
        status, printed, err = run(" ", "one", *given, "--format", form, *more)
        assert (status, printed, out.exists()) == (1, "", False)
        assert err.startswith("lightclient: threshold must have a number for each label")
        assert err.endswith(words)


def test_what_is_wrong_says_how_it_must_be(run: Run) -> None:
    assert "give the option once for each label" in run("one", "--threshold", "a=0.5,b=x")[2]
    assert "once as T, or once for each label as LABEL=T" in run("one", *EACH, *EACH[:2])[2]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_run_with_thresholds_is_continued(run: Run, tmp_path: Path, form: str) -> None:
    texts, out = tmp_path / "texts.txt", tmp_path / f"out.{form}"
    texts.write_text("one\n\ntwo\nsix\nsix\n")
    for options, _ in CASES:
        line = ("--file", texts, "--output", out, *options)
        assert run(*line)[0] == 0
        whole = out.read_bytes()
        for end in (len(whole) // 2, len(whole) - 1):
            out.write_bytes(whole[:end])
            assert run(*line, "--resume")[0] == 0
            assert out.read_bytes() == whole
        out.unlink()


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_another_threshold_shows_in_any_row(run: Run, tmp_path: Path, form: str) -> None:
    """The best label says so without a server."""
    texts, out = tmp_path / "texts.txt", tmp_path / f"out.{form}"
    texts.write_text("one\ntwo\n")
    line = ("--file", texts, "--output", out)
    assert run(*line, "--threshold", "0.8")[0] == 0
    whole = out.read_bytes()
    for other, number in (("0.95", 1), ("0.5", 2)):
        status, _, err = run(*line, "--threshold", other, "--resume", *NOBODY)
        assert (status, out.read_bytes()) == (1, whole)
        assert f"its record {number} is not what this command writes" in err
        assert "--threshold" in err
    assert run(*line, *by_label(0.8, 0.6, 0.8), "--resume")[0] == 1
    for same in (("--threshold", "0.85"), by_label(0.8, 0.8, 0.8)):
        assert run(*line, *same, "--resume")[0] == 0


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_another_threshold_shows_in_the_last_answer(run: Run, tmp_path: Path, form: str) -> None:
    texts, out = tmp_path / "texts.txt", tmp_path / f"out.{form}"
    texts.write_text("two\n")
    line = ("--file", texts, "--output", out)
    assert run(*line, *by_label(0.5, 0.5, 0.5))[0] == 0
    whole = out.read_bytes()
    texts.write_text("two\nsix\n")
    for other in (by_label(0.5, 0.5, 0.66), by_label(0.05, 0.5, 0.5)):
        status, _, err = run(*line, *other, "--resume")
        assert (status, out.read_bytes()) == (1, whole)
        assert "the answer to line 1 in it is not what this command gets now" in err
        assert "--threshold" in err
    # The server's noise may lift a score over a threshold that is next to it.
    assert run(*line, *by_label(0.1005, 0.5, 0.6505), "--resume")[0] == 0


@pytest.mark.parametrize(
    ("before", "threshold", "words"),
    [
        ("5001.0", "5001", ""),
        ("5001.0", "5010", "its record 1 is not what"),
        ("5010.0", "5010", "the answer to line 1 in it is not what"),
    ],
)
def test_the_noise_of_large_scores_is_larger(
    run: Run, folder: Path, tmp_path: Path, before: str, threshold: str, words: str
) -> None:
    """As of a regression, whose scores are no probabilities."""
    texts, out = tmp_path / "texts.txt", tmp_path / "out.csv"
    texts.write_text("one\ntwo\n")
    out.write_text(f'text,label,score,labels,truncated\none,toxic,{before},"[""toxic""]",false\n')

    def large(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"logits": np.float32([[5000, 1, 0]] * len(inputs["input_ids"]))}

    line = ("--file", texts, "--output", out, "--function", "none", "--threshold", threshold)
    with StandIn(behind_usual_signature(large).with_bundle(folder)) as url:
        status, _, err = run(*line, "--resume", "--url", url)
    assert (status, words in err) == (int(bool(words)), True)


@pytest.mark.parametrize(
    ("form", "content"),
    [
        ("csv", "text,label,score,labels,truncated\none,toxic,0.9,,false\n"),
        ("csv", "text,label,score,labels,truncated\none,toxic,0.9,toxic,false\n"),
        ("csv", "text,label,score,labels,truncated\none,toxic,0.9,{},false\n"),
        ("csv", "text,label,score,labels,truncated\none,toxic,0.4,5,false\n"),
        ("csv", 'text,label,score,labels,truncated\none,toxic,0.4,[],false\n ,,,[],\n'),
        ("csv", "text,label,score,labels,truncated\none,toxic,0.9,[],false\n"),
        ("csv", "text,label,score,truncated\n"),
        ("jsonl", '{"text": "one", "label": "toxic", "score": 0.9, "truncated": false}\n'),
        ("jsonl", '{"text": "one", "label": "toxic", "score": 0.9, "labels": null, '
         '"truncated": false}\n'),
        ("jsonl", '{"text": "one", "label": "toxic", "score": 0.9, "labels": [1, {"label": 2}], '
         '"truncated": false}\n'),
    ],
)  # fmt: skip
def test_a_file_of_something_else_is_left_alone(
    run: Run, tmp_path: Path, form: str, content: str
) -> None:
    out = tmp_path / "out"
    out.write_text(content)
    line = ("one", " ", "--threshold", "0.5", "--format", form, "--output", out, "--resume")
    status, _, err = run(*line)
    assert (status, out.read_text()) == (1, content)
    assert "is not what this command writes for this input" in err
