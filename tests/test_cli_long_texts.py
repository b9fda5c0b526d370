"""`lightclient classify --long-texts`: what becomes of texts longer than the model reads."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lightclient import Classifier
from lightclient.standin import StandIn
from tests.command import run_command

Run = Callable[..., tuple[int, str, str]]

LONG = "The first hour is dull. " * 150 + "The end is a wonder. " * 150


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with StandIn() as url:
        yield url


@pytest.fixture
def run(url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `classify` in this process; gives status, stdout and stderr."""
    monkeypatch.setenv("LIGHTCLIENT_URL", url)

    def run(*arguments: object) -> tuple[int, str, str]:
        return run_command(capsys, "classify", *arguments)

    return run


@pytest.mark.parametrize("joining", ["mean", "max"])
def test_a_long_text_is_read_in_windows(run: Run, url: str, joining: Any) -> None:
    line = ("a gem", LONG, "", "--long-texts", joining, "--quiet", "--prefix", "p_", "--format")
    with Classifier(url, long_texts=joining) as classifier:
        short, long = classifier.classify(["a gem", LONG])
    status, out, err = run(*line, "csv")
    header, *rows = csv.reader(io.StringIO(out))
    assert (status, header[1:]) == (0, ["p_label", "p_score", "p_truncated", "p_windows"])
    assert [row[3:] for row in rows] == [["false", "1"], ["false", "4"], ["", ""]]
    assert [row[1] for row in rows] == [short.label, long.label, ""]
    assert float(rows[1][2]) == pytest.approx(long.score, abs=1e-5)
    assert "longer than" not in err  # all of it was read
    found = [json.loads(record) for record in run(*line, "jsonl")[1].splitlines()]
    assert [record["p_windows"] for record in found] == [1, 4, None]
    assert list(found[0]) == ["text", *header[1:]]
    assert found[1]["p_score"] == pytest.approx(long.score, abs=1e-5)


def test_a_long_text_is_cut_unless_somebody_chooses(run: Run) -> None:
    usual = run("a gem", LONG, "--format", "jsonl")
    assert usual == run("a gem", LONG, "--format", "jsonl", "--long-texts", "cut")
    assert "1 text was longer than the model takes" in usual[2]
    records = [json.loads(record) for record in usual[1].splitlines()]
    assert [record["truncated"] for record in records] == [False, True]
    assert "windows" not in records[1]


def test_a_long_text_is_refused(run: Run) -> None:
    line = ("a gem", LONG, "bad", "--long-texts", "refuse", "--format", "csv")
    status, out, err = run(*line)
    assert (status, len(out.splitlines())) == (1, 2)
    assert "text 2: the text has 1,802 tokens, and the model reads 512: shorten it, or" in err
    assert "--long-texts be 'cut', 'mean' or 'max'" in err
    status, out, err = run(*line, "--on-error", "skip")
    assert status == 0
    assert [row[-1] for row in csv.reader(io.StringIO(out))] == ["error", "", "InputError", ""]
    assert "1 row got an error and no answer; text 2: InputError: the text has 1,802 tokens" in err


def test_the_labels_of_zero_shot_have_no_windows(run: Run) -> None:
    status, out, err = run("a gem", "--labels", "a,b", "--long-texts", "mean")
    assert (status, out) == (2, "")
    assert "--long-texts does not go with --labels" in err


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_another_way_is_recognised(run: Run, tmp_path: Path, form: str) -> None:
    """The answers to short texts are the same in all ways, but a long one is asked again."""
    texts, out = tmp_path / "texts.txt", tmp_path / f"out.{form}"
    texts.write_text(f"bad\n{LONG}\na gem\nbad\n")
    line = ("--file", texts, "--output", out, "--long-texts")
    assert run(*line, "mean") == (0, "", "")
    whole = out.read_bytes()
    begun = whole[:-3]
    for other, words in (
        ("max", "the answer to line 2 in it"),
        ("cut", "what this command writes"),
    ):
        out.write_bytes(begun)
        status, _, err = run(*line, other, "--resume")
        assert (status, out.read_bytes()) == (1, begun)
        assert words in err
        assert "--long-texts" in err
    assert run(*line, "mean", "--resume") == (0, "", "")
    assert out.read_bytes() == whole
