"""`lightclient classify --output`, broken off in every way and gone on with."""

import fcntl
import io
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightclient.classification import Classification, Score
from lightclient.cli import main
from lightclient.cli.outfile import pass_over
from lightclient.cli.output import Added, Csv, JsonLines, csv_line
from lightclient.cli.rows import read_rows
from lightclient.cli.tally import Tally
from lightclient.client import Classifier
from lightclient.errors import InputError, LightClientError
from lightclient.model.bundle import Bundle
from lightclient.model.files import find_folder
from lightclient.standin import ServedModel, StandIn
from lightclient.standin.models import classifier as behind_usual_signature
from tests.command import run_command

Run = Callable[..., tuple[int, str]]

HARD_TEXTS = [
    "plain", "", "two\nlines", "a\rb", "a\r\nb\r", '"', '""', 'say "no", or', ",", "\n\n",
    "中文 🙂", "end\x00", '"\r"\n"', " \t", 'a""\n', "last",
]  # fmt: skip
NO_TEXT = "lightclient: 3 rows have no text and got no answer; the first: line 2 has an empty 't'\n"
NOBODY = "http://127.0.0.1:1/v1/models/m"
WAIT = 60.0


def model(inputs: dict[str, Any]) -> dict[str, Any]:
    """An answer that depends on the text and on nothing else."""
    totals = (inputs["input_ids"] * inputs["attention_mask"]).sum(axis=1) % 13 - 6
    return {"logits": np.stack([-totals, totals], axis=1).astype(np.float32)}


def carrying(run: Any) -> ServedModel:
    """The model with the default bundle, so that no warning is in the way."""
    return behind_usual_signature(run).with_bundle()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with StandIn(carrying(model)) as url:
        yield url


@pytest.fixture
def run(url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `classify` in this process; gives status and stderr."""
    monkeypatch.setenv("LIGHTCLIENT_URL", url)
    bundle = Bundle.load()
    load = Bundle.load
    monkeypatch.setattr(Bundle, "load", lambda *name: load(*name) if any(name) else bundle)

    def run(*arguments: object) -> tuple[int, str]:
        status, out, err = run_command(capsys, "classify", *arguments)
        assert out == ""
        return status, err

    return run


def texts_file(folder: Path, texts: list[str], name: str = "texts.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps({"t": text}) + "\n" for text in texts))
    return path


def arguments(
    folder: Path, texts: list[str], form: str = "csv", top_k: int = 1
) -> tuple[tuple[object, ...], Path]:
    """The command line for these texts, and its output file."""
    out = folder / f"out.{form}"
    path = texts_file(folder, texts)
    return (
        "--file", path, "--column", "t", "--format", form, "--top-k", top_k, "--output", out
    ), out  # fmt: skip


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv"])
def test_the_file_holds_what_stdout_would(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    line, out = arguments(tmp_path, HARD_TEXTS, form)
    assert run(*line) == (0, NO_TEXT)
    assert main(["classify", *map(str, line[:-2])]) == 0
    assert out.read_bytes() == capsys.readouterr().out.encode()


def answers_without_a_server(*, refuses: bool) -> Callable[..., Iterator[Any]]:
    """Stands for `classify_many`; it may refuse texts with a "no"."""

    def answers(
        _: Classifier, texts: Iterator[str | None], on_error: str, missing: str
    ) -> Iterator[Classification | InputError | None]:
        for at, text in enumerate(texts):
            if text is None:
                yield None
                continue
            if refuses and "no" in text:
                yield InputError(f"texts[{at}]: refused", index=at)
                continue
            scores = (Score("POSITIVE", 1 / (len(text) + 1)), Score('NEG,\n"', 0.25))
            yield Classification(*scores[0], scores, (0.0, 0.0), truncated=len(text) % 2 == 0)

    return answers


def continued_from_any_byte(run: Run, out: Path, line: tuple[object, ...]) -> bytes:
    """The whole output, once each beginning of it was continued to the same end."""
    first = run(*line)
    assert first[0] == 0
    whole = out.read_bytes()
    for end in range(len(whole) + 1):
        out.write_bytes(whole[:end])
        status, err = run(*line, "--resume")
        # What was wrong with a text is not in the file, only the class of its error.
        assert (status, err) in (first, (0, first[1].replace(": refused", ""))), end
        assert out.read_bytes() == whole, end
    return whole


@pytest.mark.parametrize(
    ("form", "top_k", "step"), [("csv", 1, 1), ("csv", 2, 2), ("jsonl", 1, 2), ("jsonl", 5, 4)]
)
def test_a_file_cut_at_any_byte_is_continued(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, top_k: int, step: int
) -> None:
    answers = answers_without_a_server(refuses=False)
    monkeypatch.setattr(Classifier, "classify_many", answers)
    line, out = arguments(tmp_path, HARD_TEXTS[::step], form, top_k)
    continued_from_any_byte(run, out, line)


TABLE = 'id,text\n"a\n",good\n2,\n3,"no, ""no"""\n4\n5,last\n'
RAW = (
    '{"id": 1.0, "text":"g\\u006fod"}\n{"text": null}\n\n {"text": "no", "n": {"m": 1e400}} \n'
    '{}\n{"a b": [12345678901234567890, "\\n"], "text": "last" }'
)
LINES = "good\n\nno\n \r\nlast"
COLUMN = "text\n\ngood\n\n\nlast\n"


@pytest.mark.parametrize(
    ("content", "options", "last"),
    [
        (TABLE, "--format-in csv --column text --format csv", "5,last,POSITIVE,0.2,true"),
        (TABLE, "--format-in csv --column text --format jsonl --prefix p_ "
         "--on-error skip", '"p_truncated": true, "p_error": null}'),
        (TABLE, "--format-in csv --column 2 --no-header --format csv --missing empty --prefix p_ "
         "--on-error skip", "5,last,POSITIVE,0.2,true,"),
        (RAW, "--format-in jsonl --column text --format jsonl --on-error skip",
         '{"a b": [12345678901234567890, "\\n"], "text": "last", "label": "POSITIVE", '
         '"score": 0.2, "truncated": true, "error": null}'),
        (LINES, "--format csv --on-error skip --top-k 2",
         'last,POSITIVE,0.2,"NEG,\n""",0.25,true,'),
        ("good\n\nno\nlast", "--format csv --on-error skip --threshold 0.2 --top-k 2",
         'last,POSITIVE,0.2,"NEG,\n""",0.25,"[""POSITIVE"", ""NEG,\\n\\""""]",true,'),
        ("good\nlast", "--format jsonl --threshold 0.25",
         '"labels": [{"label": "NEG,\\n\\"", "score": 0.25}], "truncated": true}'),
        (COLUMN, "--format-in tsv --column text --format csv", "last,POSITIVE,0.2,true"),
        (LINES, "--format jsonl --missing empty", '"score": 0.2, "truncated": true}'),
    ],
)  # fmt: skip
def test_every_kind_of_row_is_continued_from_any_byte(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, options: str, last: str
) -> None:
    """The same bytes come from a pipe each time."""
    answers = answers_without_a_server(refuses="--on-error skip" in options)
    monkeypatch.setattr(Classifier, "classify_many", answers)
    out = tmp_path / "out"
    line = (*options.split(), "--output", out)

    def run_with_stdin(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
        return run(*arguments)

    whole = continued_from_any_byte(run_with_stdin, out, line).decode()
    assert whole.endswith(last + "\n")


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_zeros_after_a_power_loss_are_cut_off(run: Run, tmp_path: Path, form: str) -> None:
    line, out = arguments(tmp_path, HARD_TEXTS, form)
    run(*line)
    whole = out.read_bytes()
    for end in (0, 5, len(whole) // 2, len(whole) - 3):
        out.write_bytes(whole[:end] + bytes(20))
        assert run(*line, "--resume") == (0, NO_TEXT)
        assert out.read_bytes() == whole


def test_a_missing_file_is_begun_and_a_finished_one_asks_nobody(run: Run, tmp_path: Path) -> None:
    line, out = arguments(tmp_path, HARD_TEXTS)
    assert run(*line, "--resume") == (0, NO_TEXT)
    whole = out.read_bytes()
    assert len(whole) > 200
    nobody = ("--url", NOBODY, "--timeout", "0.5")
    assert run(*line, "--resume", *nobody) == (0, NO_TEXT)
    assert out.read_bytes() == whole


def test_an_existing_file_is_refused(run: Run, tmp_path: Path) -> None:
    line, out = arguments(tmp_path, ["good"])
    out.write_text("precious")
    status, err = run(*line)
    assert status == 1
    assert err == (
        f"lightclient: {out} exists already: give another --output, or go on with what "
        "is in it by --resume\n"
    )
    assert out.read_text() == "precious"
    line, out = arguments(tmp_path, ["good"], "json")
    out.write_text("precious")
    assert run(*line) == (1, f"lightclient: {out} exists already: give another --output\n")


def test_a_file_that_cannot_be_one(run: Run, tmp_path: Path) -> None:
    line, out = arguments(tmp_path, ["good"])
    out.mkdir()
    told = f"lightclient: {out} is no regular file: give another --output\n"
    assert run(*line) == run(*line, "--resume") == (1, told)
    assert "cannot be written: No such file" in run(*line[:-1], tmp_path / "no" / "o")[1]
    status, err = run(*line[:-1], line[1], "--resume")
    assert (status, "--output must be another file than the input" in err) == (2, True)


CSV_HEADER = "t,label,score,truncated\n"
CSV_RECORD = CSV_HEADER + "good,POSITIVE,0.5,false\n"
JSON_RECORD = '{"t": "good", "label": "POSITIVE", "score": 0.5, "truncated": false}\n'
JSON_WITHOUT = '{"t": "good", "label": null, "score": null, "truncated": null}\n'


@pytest.mark.parametrize(
    ("form", "content", "words"),
    [
        ("csv", CSV_HEADER + "bad,POSITIVE,0.5,false\n", "its record 1 is not"),
        ("csv", CSV_HEADER + '"goo\nd",POSITIVE,0.5,false\n', "its record 1 is not"),
        ("csv", CSV_RECORD + "goof", "its record 2 is not"),
        ("csv", CSV_RECORD + "bad,NEGATIVE,0.5,false\n" * 2, "its record 3 is not"),
        ("csv", CSV_RECORD + "bad,NEGATIVE,0.5,false\nx", "its record 3 is not"),
        ("csv", CSV_RECORD + "bad,NEGATIVE,0.5\n", "its record 2 is not"),
        ("csv", CSV_RECORD + "bad,NEGATIVE,0.5,no\n", "its record 2 is not"),
        ("csv", CSV_RECORD + "bad,,,\n", "its record 2 is not"),
        ("csv", "t,label,score,label_2,score_2,truncated\n", "its first row is not"),
        ("csv", "t,p_label,p_score,p_truncated\n", "its first row is not"),
        ("csv", "t,label,score,truncated,error\n", "its first row is not"),
        ("csv", JSON_RECORD, "its first row is not"),
        ("csv", "a precious text", "its first row is not"),
        ("jsonl", CSV_RECORD, "its record 1 is not"),
        ("jsonl", JSON_RECORD.replace("good", "bad"), "its record 1 is not"),
        ("jsonl", JSON_RECORD * 3, "its record 2 is not"),
        ("jsonl", JSON_RECORD + JSON_RECORD.replace("good", "bad") * 2, "its record 3 is not"),
        ("jsonl", JSON_RECORD.replace("}", ', "scores": [1, 2]}'), "its record 1 is not"),
        ("jsonl", JSON_RECORD.replace("}", ', "error": null}'), "its record 1 is not"),
        ("jsonl", JSON_RECORD.replace("label", "p_label"), "its record 1 is not"),
        ("jsonl", JSON_WITHOUT, "its record 1 is not"),
        ("jsonl", JSON_RECORD + '{"t": "bad", "label": "POSI\n', "its record 2 is not"),
        ("jsonl", '{"t": "good"}\n', "its record 1 is not"),
        ("jsonl", "[" * 100_000 + "\n", "its record 1 is not"),
        ("jsonl", '{"precious": 1}', "its record 1 is not"),
    ],
)
def test_a_file_of_something_else_is_left_alone(
    run: Run, tmp_path: Path, form: str, content: str, words: str
) -> None:
    line, out = arguments(tmp_path, ["good", "bad"], form)
    out.write_text(content)
    status, err = run(*line, "--resume")
    assert status == 1
    assert f"{words} what this command writes for this input; give the input" in err
    assert "or another --output" in err
    assert out.read_text() == content


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_other_options_are_recognised(run: Run, tmp_path: Path, form: str) -> None:
    out = tmp_path / "out"
    texts = texts_file(tmp_path, ["good", ""])
    base = ("--file", texts, "--column", "t", "--format", form, "--output", out)
    sets: list[tuple[str, ...]] = [
        (), ("--missing", "empty"), ("--on-error", "skip"), ("--prefix", "p_"), ("--top-k", "2"),
        ("--threshold", "0.5"), ("--long-texts", "mean"),
    ]  # fmt: skip
    for begun in sets:
        assert run(*base, *begun)[0] == 0
        whole = out.read_bytes()
        for other in sets:
            status, err = run(*base, *other, "--resume")
            assert status == (begun != other)
            assert begun == other or "--top-k, --threshold, --prefix, --missing" in err
            assert out.read_bytes() == whole
        out.unlink()
    assert run(*base)[0] == 0
    assert (
        "line 2 has an empty 't': give --missing skip"
        in run(*base, "--missing", "error", "--resume")[1]
    )


def reversed_model(inputs: dict[str, Any]) -> dict[str, Any]:
    return {"logits": model(inputs)["logits"][:, ::-1]}


def noisy_model(inputs: dict[str, Any]) -> dict[str, Any]:
    return {"logits": model(inputs)["logits"] + np.float32([0, 1e-4])}


def with_other_labels(folder: Path) -> Path:
    copy = shutil.copytree(find_folder(None), folder / "other")
    text = (copy / "config.json").read_text()
    (copy / "config.json").write_text(text.replace("POSITIVE", "GOOD").replace("NEGATIVE", "BAD"))
    return copy


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_another_question_is_recognised(run: Run, tmp_path: Path, form: str) -> None:
    """The last row that has an answer is asked again before others are put behind it."""
    table, out = tmp_path / "table.csv", tmp_path / f"out.{form}"
    table.write_text("a,b\none,bad\nfive,worse\n,\n")
    base = ("--file", table, "--output", out)
    begun = (*base, "--column", "a")
    assert run(*begun)[0] == 0
    whole = out.read_bytes()
    assert run(*begun, "--resume", "--url", NOBODY)[0] == 0  # nothing is left to do
    table.write_text(table.read_text() + "three,bad\n")
    labels = with_other_labels(tmp_path)
    with (
        StandIn(carrying(reversed_model)) as other,
        StandIn(carrying(noisy_model)) as noisy,
        StandIn(behind_usual_signature(model)) as without_labels,
    ):
        for line in (
            (*base, "--column", "b"),
            (*begun, "--function", "sigmoid"),
            (*begun, "--url", other),
            (*begun, "--bundle", labels, "--url", without_labels),
        ):
            status, err = run(*line, "--resume")
            assert status == 1
            assert "the answer to row 3 in it is not what this command gets now" in err
            for name in ("--column", "--function", "--url", "--bundle", "new version"):
                assert name in err
            assert out.read_bytes() == whole
        assert run(*begun, "--resume", "--url", noisy)[0] == 0
    assert out.read_bytes().startswith(whole)
    assert lines_in(out) == 4 + (form == "csv")


def test_the_noise_may_make_another_label_the_best_one(run: Run, tmp_path: Path) -> None:
    line, out = arguments(tmp_path, ["six"])
    assert run(*line)[0] == 0
    assert "six,NEGATIVE,0.5," in out.read_text()
    texts_file(tmp_path, ["six", "six"])
    with StandIn(carrying(noisy_model)) as noisy:
        assert run(*line, "--resume", "--url", noisy)[0] == 0
    assert "six,POSITIVE,0.5000" in out.read_text()


def test_no_row_is_asked_again_if_none_has_an_answer(run: Run, tmp_path: Path) -> None:
    line, out = arguments(tmp_path, ["", " "])
    assert run(*line)[0] == 0
    texts_file(tmp_path, ["", " ", ""])
    assert run(*line, "--resume", "--url", NOBODY, "--timeout", "0.5")[0] == 0
    assert lines_in(out) == 4


BROKEN = [
    ("jsonl", '{"text": 1', "csv", "", "line 2 cannot be read as JSON"),
    ("jsonl", '{"text": "b", "new": 1}', "csv", ", or begin anew with --format jsonl", "'new'"),
    ("jsonl", '{"label": 1}', "jsonl", ", or begin anew with --prefix lc_", "has 'label' already"),
    ("jsonl", "\udcff", "jsonl", "", "is not UTF-8"),
    ("tsv", "b\tc", "csv", "", "row 3 has 2 cells, but there are 1 columns"),
    ("csv", '"b', "csv", "", "line 3 is broken CSV"),
]


@pytest.mark.parametrize(("kind", "broken", "form", "anew", "words"), BROKEN)
def test_a_broken_row_says_how_to_go_on(
    run: Run, tmp_path: Path, kind: str, broken: str, form: str, anew: str, words: str
) -> None:
    path, out = tmp_path / f"in.{kind}", tmp_path / f"out.{form}"
    first, good = '{"text": "a"}\n', '{"text": "b"}\n'
    if kind != "jsonl":
        first, good = "text\na\n", "b\n"
    line = ("--file", path, "--column", "text", "--output", out)
    path.write_bytes(f"{first}{broken}\n".encode(errors="surrogateescape"))
    mend = "convert the file first, as with `iconv -f latin1 -t utf-8`"
    mend = mend if "UTF-8" in words else "mend the row"
    for resume in ((), ("--resume",)):
        status, err = run(*line, *resume)
        assert status == 1
        assert words in err
        assert err.endswith(
            f"; 1 row is in {out}: {mend} and run the same command with --resume{anew}\n"
        )
        assert err.count("give ") == 0
    path.write_text(first + good)
    assert run(*line, "--resume") == (0, "")
    assert lines_in(out) == 2 + (form == "csv")


@pytest.mark.parametrize("resume", [(), ("--resume",)])
@pytest.mark.parametrize("form", ["csv", "jsonl", "json"])
def test_no_file_is_left_behind_in_vain(
    run: Run, tmp_path: Path, form: str, resume: tuple[str, ...]
) -> None:
    if resume and form == "json":
        return
    line, out = arguments(tmp_path, ["good"], form)
    status, err = run(*line, *resume, "--url", NOBODY, "--timeout", "0.3")
    assert (status, out.exists()) == (1, False)
    assert "cannot connect" in err
    assert "--resume" not in err
    out.write_text("")  # an earlier run's is left alone
    assert run(*line, "--resume", "--url", NOBODY, "--timeout", "0.3")[0] in (1, 2)
    assert out.exists()


def test_a_key_that_no_row_has_leaves_no_file_behind(run: Run, tmp_path: Path) -> None:
    texts, out = texts_file(tmp_path, ["good"] * 100), tmp_path / "out.jsonl"
    for form in ("jsonl", "csv", "json"):
        out = tmp_path / f"out.{form}"
        status, err = run("--file", texts, "--column", "tt", "--output", out)
        assert (status, out.exists()) == (1, False)
        assert err == (
            f"lightclient: {texts}: none of the first 64 rows has the key 'tt' that --column "
            "names; line 1 has 't'\n"
        )


def test_a_key_may_come_late(run: Run, tmp_path: Path) -> None:
    texts, out = texts_file(tmp_path, ["good"] * 3), tmp_path / "out.jsonl"
    texts.write_text("{}\n" * 63 + texts.read_text() + "{}\n" * 70)
    assert run("--file", texts, "--column", "t", "--output", out)[0] == 0
    assert lines_in(out) == 136
    texts.write_text("{}\n" + texts.read_text())
    status, err = run("--file", texts, "--column", "t", "--output", tmp_path / "other.jsonl")
    assert (status, "line 1 has nothing" in err) == (1, True)


def test_two_runs_do_not_mix(run: Run, tmp_path: Path) -> None:
    line, out = arguments(tmp_path, ["good"])
    with out.open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        status, err = run(*line, "--resume")
    assert (status, out.read_bytes()) == (1, b"")
    assert f"{out} is being written by another run: wait for its end" in err
    assert run(*line, "--resume") == (0, "")
    with out.open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_error_in_the_middle_says_how_to_go_on(run: Run, tmp_path: Path, form: str) -> None:
    texts = [f"text {at}" for at in range(70)]
    line, out = arguments(tmp_path, [*texts, "lone \udcff", "more"], form)
    for resume in ((), ("--resume",)):
        status, err = run(*line, *resume)
        assert status == 1
        assert err.startswith("lightclient: line 71 ")
        assert err.endswith(
            f"; 70 rows are in {out}: mend or remove the text and run the same command with "
            "--resume, or begin anew with --on-error skip\n"
        )
        assert len(out.read_text().splitlines()) == 70 + (form == "csv")
    texts_file(tmp_path, [*texts, "mended", "more"])
    assert run(*line, "--resume") == (0, "")
    assert len(out.read_text().splitlines()) == 72 + (form == "csv")


def test_an_error_in_the_middle_of_what_cannot_be_continued(run: Run, tmp_path: Path) -> None:
    line, out = arguments(tmp_path, ["one", "lone \udcff"], "json")
    status, err = run(*line)
    assert status == 1
    assert err.endswith(
        f"; 1 row is in {out}: mend or remove the text, or give --on-error skip; then delete the "
        "file and begin anew\n"
    )


def records_of(form: str, count: int) -> Iterator[str]:
    if form == "csv":
        yield CSV_HEADER
        yield from (csv_line([f"{at}\n", "NEGATIVE", "0.5", "false"]) for at in range(count))
    else:
        yield from (JSON_RECORD.replace("good", f"{at}\\n") for at in range(count))


@pytest.mark.parametrize(("form", "kind"), [("csv", Csv), ("jsonl", JsonLines)])
def test_passing_over_holds_no_more_than_a_record(
    tmp_path: Path, form: str, kind: type[Csv] | type[JsonLines]
) -> None:
    out, texts = tmp_path / "out", texts_file(tmp_path, [f"{at}\n" for at in range(20_000)])
    with out.open("w", newline="") as stream:
        stream.writelines(records_of(form, 20_000))
    tally, written = Tally(), kind(Added(), ("t",))
    tracemalloc.start()
    with texts.open("rb") as stream:
        source = read_rows(stream, "texts", "jsonl", "t")
        begun = pass_over(out, source, written, tally)
        assert source.peek() is None
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tally.rows, tally.begun, begun.end) == (20_000, 20_000, out.stat().st_size)
    assert peak < 400_000 < out.stat().st_size


# What follows breaks off a process of its own.


HELD_UP = 3524  # the token of "wait"


class Gate:
    """A model that lets the texts with "wait" do so until it is opened."""

    def __init__(self) -> None:
        self.opened = threading.Event()

    def __call__(self, inputs: dict[str, Any]) -> dict[str, Any]:
        if (inputs["input_ids"] == HELD_UP).any():
            self.opened.wait(WAIT)
        return model(inputs)


def process(url: str, line: tuple[object, ...]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "lightclient", "classify", *map(str, line), "--url", url],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def wait_for(event: Callable[[], bool], client: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + WAIT
    while not event():
        assert client.poll() is None, client.communicate()
        assert time.monotonic() < end
        time.sleep(0.005)


def lines_in(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def uninterrupted(run: Run, line: tuple[object, ...], out: Path) -> bytes:
    assert run(*line) == (0, "")
    whole = out.read_bytes()
    out.unlink()
    return whole


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_run_that_is_ended_goes_on(
    run: Run, tmp_path: Path, form: str, sent: signal.Signals
) -> None:
    first_window = [f"text {at}" for at in range(64)]
    line, out = arguments(tmp_path, [*first_window, *["wait"] * 400], form)
    whole = uninterrupted(run, line, out)
    gate = Gate()
    with StandIn(carrying(gate)) as gated:
        with process(gated, (*line, "--timeout", WAIT)) as client:
            wait_for(lambda: lines_in(out) == 64 + (form == "csv"), client)
            client.send_signal(sent)
            err = client.communicate(timeout=WAIT)[1].decode()
        gate.opened.set()
    if sent == signal.SIGINT:
        assert client.returncode == 130
        # A row is counted just after it is written, so the last one may not be.
        assert err in [
            f"lightclient: interrupted; at least {count} rows are in {out}: "
            "run the same command with --resume to go on\n"
            for count in (63, 64)
        ]
    assert whole.startswith(out.read_bytes())
    assert lines_in(out) == 64 + (form == "csv")
    assert run(*line, "--resume") == (0, "")
    assert out.read_bytes() == whole


def test_an_interrupt_before_the_first_row_leaves_no_file_behind(tmp_path: Path) -> None:
    line, out = arguments(tmp_path, ["wait"])
    asked, gate = threading.Event(), Gate()

    def run(inputs: dict[str, Any]) -> dict[str, Any]:
        asked.set()
        return gate(inputs)

    with StandIn(carrying(run)) as url:
        with process(url, line) as client:
            wait_for(asked.is_set, client)
            assert out.exists()
            client.send_signal(signal.SIGINT)
            err = client.communicate(timeout=WAIT)[1].decode()
        gate.opened.set()
    assert (client.returncode, out.exists()) == (130, False)
    assert err == "lightclient: interrupted; no row was written\n"


def test_a_full_disk(run: Run, url: str, tmp_path: Path) -> None:
    # Larger than the file in memory that tokenizers 1.x loads a tokenizer from.
    room = 1_000_000
    line, out = arguments(tmp_path, [f"text {at}{' ' * 3000}" for at in range(500)])
    whole = uninterrupted(run, line, out)
    limited = (
        "import resource, sys; from lightclient.cli import main;"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room}));"
        "sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", limited, "classify", *map(str, line), "--url", url],
        capture_output=True,
        timeout=WAIT,
    )
    assert done.returncode == 1
    held = whole[:room].count(b"\n") - 1
    assert done.stderr.decode() == (
        f"lightclient: {out} cannot be written: File too large; {held} rows are in {out}: "
        "run the same command with --resume to go on\n"
    )
    assert out.read_bytes() == whole[:room]
    assert run(*line, "--resume") == (0, "")
    assert out.read_bytes() == whole


def test_a_server_that_starts_anew_is_waited_for(run: Run, tmp_path: Path) -> None:
    line, out = arguments(tmp_path, [f"text {at}" for at in range(5000)])
    whole = uninterrupted(run, line, out)

    def until_it_ends(inputs: dict[str, Any]) -> dict[str, Any]:
        while lines_in(out) > 500 and is_running(server):
            time.sleep(0.005)
        return model(inputs)

    server = StandIn(carrying(until_it_ends))
    with process(server.start(), line) as client:
        wait_for(lambda: lines_in(out) > 500, client)
        port = server.address[1]
        server.close()
        assert lines_in(out) < 5000
        # 4 requests are under way, and each is tried more often than a classifier's default, 4.
        hang_up_on(20, port, client)
        with StandIn(carrying(model), port=port):
            assert client.communicate(timeout=WAIT) == (b"", b"")
    assert client.returncode == 0
    assert out.read_bytes() == whole


def is_running(server: StandIn) -> bool:
    try:
        return bool(server.address)
    except LightClientError:
        return False


def hang_up_on(count: int, port: int, client: "subprocess.Popen[bytes]") -> None:
    """Take so many connections, one after the other, and answer none."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        listener.settimeout(WAIT)
        for _ in range(count):
            assert client.poll() is None, client.communicate()
            listener.accept()[0].close()
