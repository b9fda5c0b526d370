"""Every row of a file, its own columns and its answer, through `lightclient classify`."""

import csv
import io
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightclient import Classifier
from lightclient.cli import main
from lightclient.cli.answers import answer_rows
from lightclient.cli.rows import read_rows
from lightclient.model.bundle import Bundle
from lightclient.model.files import DEFAULT_BUNDLE
from lightclient.standin import ServedModel, StandIn
from lightclient.standin.models import classifier as behind_usual_signature
from tests.scripted import answering, outputs, read_request, response, serving

Run = Callable[..., tuple[int, str, str]]
REFUSED = 2053  # the token of "no"


def model(inputs: dict[str, Any]) -> dict[str, Any]:
    """An answer that depends on the text and on nothing else; it refuses the word "no"."""
    if (inputs["input_ids"] == REFUSED).any():
        raise ValueError("no")
    totals = (inputs["input_ids"] * inputs["attention_mask"]).sum(axis=1) % 13 - 6
    return {"logits": np.stack([-totals, totals], axis=1).astype(np.float32)}


def carrying(run: Any) -> ServedModel:
    return behind_usual_signature(run).with_bundle()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with StandIn(carrying(model)) as url:
        yield url


def classified(url: str, stdin: bytes, *arguments: object) -> tuple[int, bytes, str]:
    """Status, stdout and stderr of the command."""
    former = sys.stdin, sys.stdout, sys.stderr
    out = io.BytesIO()
    sys.stdin = io.TextIOWrapper(io.BytesIO(stdin))
    sys.stdout = io.TextIOWrapper(out, newline="")
    sys.stderr = err = io.StringIO()
    try:
        given = () if "--url" in arguments else ("--url", url)
        status = main(["classify", *given, *map(str, arguments)])
        sys.stdout.flush()
        return status, out.getvalue(), err.getvalue()
    except SystemExit as left:
        return int(left.code or 0), out.getvalue(), err.getvalue()
    finally:
        sys.stdin, sys.stdout, sys.stderr = former


@pytest.fixture
def run(url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command with these bytes as its stdin."""
    bundle = Bundle.load()
    monkeypatch.setattr(Bundle, "load", lambda *_: bundle)

    def run(stdin: str, *arguments: object) -> tuple[int, str, str]:
        status, out, err = classified(url, stdin.encode(), *arguments)
        return status, out.decode(), err

    return run


CSV_IN = ("--format-in", "csv", "--column", "text")
JSON_IN = ("--format-in", "jsonl", "--column", "text")
TABLE = 'id,text,n\n1,good,a\n2,,b\n\n3,"  ",c\n4\n5,bad\n'


def test_a_row_without_a_text_stays_without_an_answer(run: Run) -> None:
    status, out, err = run(TABLE, *CSV_IN, "--format", "csv")
    assert (status, err) == (
        0,
        "lightclient: 3 rows have no text and got no answer; the first: row 3 has an empty "
        "'text'\n",
    )
    rows = list(csv.reader(io.StringIO(out)))
    assert rows[0] == ["id", "text", "n", "label", "score", "truncated"]
    assert [row[:3] for row in rows[1:]] == [
        ["1", "good", "a"], ["2", "", "b"], ["3", "  ", "c"], ["4", "", ""], ["5", "bad", ""],
    ]  # fmt: skip
    assert [row[3] != "" for row in rows[1:]] == [True, False, False, False, True]
    assert rows[2][3:] == ["", "", ""]


def test_one_rule_for_every_format(run: Run) -> None:
    lines = '{"text": "good"}\n{"text": null}\n{"text": ""}\n{"text": 5}\n{"id": 1}\n{}\n'
    for stdin, options in (
        (lines, JSON_IN),
        ("text\tn\ngood\t1\n\t1\n \t1\n\t\n\t2\n\t3\n", ("--format-in", "tsv", "--column", "text")),
        ("good\n\n \n\t\n\u3000\n\r\n", ()),
    ):
        status, out, err = run(stdin, *options, "--format", "jsonl", "--top-k", 2)
        records = [json.loads(line) for line in out.splitlines()]
        assert status == 0
        assert [record["label"] is None for record in records] == [False, *[True] * 5]
        assert {"label": None, "score": None, "scores": None, "truncated": None}.items() <= (
            records[3].items()
        )
        assert "5 rows have no text" in err


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ('{"text": null}', "has null under 'text'"),
        ('{"text": " "}', "has an empty 'text'"),
        ('{"text": 1.5}', "has no string under 'text'"),
        ('{"text": ["good"]}', "has no string under 'text'"),
        ('{"txt": "good", "id": 1}', "has no 'text', but 'txt', 'id'"),
        ("{}", "has no 'text', but nothing"),
    ],
)
def test_what_is_missing_is_said(run: Run, record: str, why: str) -> None:
    stdin = f'\n{record}\n{{"text": "good"}}\n'
    _, out, err = run(stdin, *JSON_IN)
    assert out.startswith("(no text)\n")
    assert err == f"lightclient: 1 row has no text and got no answer; line 2 {why}\n"
    status, out, err = run(stdin, *JSON_IN, "--missing", "error")
    assert (status, out) == (1, "")
    assert err.startswith(f"lightclient: stdin: line 2 {why}: give --missing skip to leave such")


def test_missing_texts_as_empty_ones(run: Run, url: str) -> None:
    status, out, err = run(TABLE, *CSV_IN, "--format", "jsonl", "--missing", "empty")
    records = [json.loads(line) for line in out.splitlines()]
    assert (status, err) == (0, "")
    with Classifier(url) as classifier:
        assert records[1]["label"] == classifier.classify("").label
    assert [record["text"] for record in records] == ["good", "", "  ", "", "bad"]


def test_an_empty_argument_is_no_text(run: Run) -> None:
    status, out, err = run("", "good", "", "--format", "csv")
    assert (status, out.splitlines()[2]) == (0, ",,,")
    assert err.endswith("; text 2 is empty\n")


REFUSING = "good\nno\n\nbad\nso no\n"


def test_refused_texts_are_skipped_if_asked_for(run: Run) -> None:
    status, out, err = run(REFUSING, "--on-error", "skip", "--format", "csv", "--top-k", "2")
    rows = list(csv.reader(io.StringIO(out)))
    assert status == 0
    assert rows[0][-2:] == ["truncated", "error"]
    assert [row[-1] for row in rows[1:]] == ["", "BadRequest", "", "", "BadRequest"]
    assert [row[1] != "" for row in rows[1:]] == [True, False, False, True, False]
    assert "1 row has no text and got no answer; line 3 is empty\n" in err
    assert "2 rows got an error and no answer; the first: line 2: BadRequest: " in err
    out = run(REFUSING, "--on-error", "skip", "--format", "jsonl", "--prefix", "p_")[1]
    assert [json.loads(line)["p_error"] for line in out.splitlines()] == [
        None, "BadRequest", None, None, "BadRequest",
    ]  # fmt: skip
    assert "BadRequest  so no\n" in run(REFUSING, "--on-error", "skip")[1]


def test_a_refused_text_ends_the_run(run: Run) -> None:
    status, out, err = run("good\n\nno\nbad\n", "--format", "csv")
    assert status == 1
    assert len(out.splitlines()) == 3  # what came before it
    assert "lightclient: line 3: " in err


def test_a_refused_text_says_how_to_go_on(run: Run, tmp_path: Path) -> None:
    line = ("--format", "csv", "--output", tmp_path / "out")
    status, _, err = run("good\n\nno\nbad\n", *line)
    assert status == 1
    assert "lightclient: line 3: " in err
    assert err.endswith(
        f"; 2 rows are in {tmp_path / 'out'}: mend or remove the text and run the same command "
        "with --resume, or begin anew with --on-error skip\n"
    )
    assert ".;" not in err
    assert run("good\n\nbad\n", *line, "--resume")[0] == 0
    # An answer that the server refuses to give again is another one.
    (tmp_path / "out").write_text("text,label,score,truncated\nno,POSITIVE,0.5,false\n")
    status, _, err = run("no\nbad\n", *line, "--resume")
    assert (status, "the answer to line 1 in it is not what" in err) == (1, True)


def test_a_setting_that_does_not_fit_is_no_matter_of_a_row(run: Run) -> None:
    status, out, err = run("good\nbad\n", "--pad-to", 4000)
    assert (status, out) == (1, "")
    assert err.startswith("lightclient: pad_to must be ")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (response(500, '{"error": "down"}'), "answered 500"),
        (response(401, "who?"), "answered 401"),
        (response(404, '{"error": "Servable not found for request: Latest(m)"}'), "answered 404"),
        (response(200, "<html>"), "is it TensorFlow Serving"),
        (outputs(), "metadata"),
    ],
)
def test_a_server_that_answers_no_text_ends_the_run(run: Run, answer: bytes, words: str) -> None:
    with serving(answering(answer)) as server:
        options = ("--url", server.url, "--on-error", "skip", "--timeout", "2")
        status, out, err = run("good\nbad\n", *options)
    assert (status, out) == (1, "")
    assert "got an error" not in err
    assert words in err


def test_a_server_that_is_gone_ends_the_run(run: Run) -> None:
    options = ("--url", "http://127.0.0.1:1/v1/models/m", "--timeout", "0.5", "--on-error", "skip")
    status, out, err = run("good\n", *options)
    assert (status, out) == (1, "")
    assert "cannot connect" in err


@pytest.mark.parametrize(
    ("status", "reply", "error"),
    [
        (400, '{"error": "no"}', "BadRequest"),
        (500, '{"error": "no"}', "ServerFailed"),
        (200, '{"outputs": []}', "ReplyError"),
        (401, "who?", None),
        (429, "later", None),
        (503, "later", None),
        (404, '{"error": "Servable not found for request: Latest(m)"}', None),
        (200, "<html>", None),
    ],
)
def test_only_errors_about_a_text_are_skipped(
    run: Run, url: str, status: int, reply: str, error: str | None
) -> None:
    """The server tells its signature, and then answers every text like this."""
    with urlopen(f"{url}/metadata") as told:
        metadata = response(200, told.read())

    def script(connection: socket.socket) -> None:
        while request := read_request(connection):
            is_told = b"/metadata" in request.partition(b"\r\n")[0]
            connection.sendall(metadata if is_told else response(status, reply))

    with serving(script) as server:
        status, out, err = run(
            "good\n\nbad\n", "--url", server.url, "--timeout", "0.5", "--on-error", "skip",
            "--format", "csv", "--bundle", DEFAULT_BUNDLE,
        )  # fmt: skip
    if error is None:
        assert (status, out) == (1, "")
        assert "got an error" not in err
    else:
        rows = out.splitlines()[1:]
        assert (status, rows) == (0, [f"good,,,,{error}", ",,,,", f"bad,,,,{error}"])
        assert f"2 rows got an error and no answer; the first: line 1: {error}: " in err


NAMES = [
    (("--format", "csv"), "label,score,truncated"),
    (("--format", "csv", "--top-k", "5"), "label,score,label_2,score_2,truncated"),
    (("--format", "csv", "--on-error", "skip"), "label,score,truncated,error"),
    (("--format", "jsonl", "--top-k", "5"), "label,score,scores,truncated"),
    (("--format", "csv", "--threshold", "0.5"), "label,score,labels,truncated"),
    (("--format", "jsonl", "--threshold", "0.5"), "label,score,labels,truncated"),
    (("--format", "json", "--on-error", "skip"), "label,score,truncated,error"),
    (("--format", "csv", "--long-texts", "mean"), "label,score,truncated,windows"),
    (("--format", "jsonl", "--long-texts", "max"), "label,score,truncated,windows"),
]


@pytest.mark.parametrize(("options", "names"), NAMES)
def test_no_column_is_overwritten(run: Run, options: tuple[str, ...], names: str) -> None:
    for name in names.split(","):
        for stdin, kind in (
            (f"text,{name}\na,b\n", CSV_IN),
            (f'{{"text": "a", "{name}": 1}}\n', JSON_IN),
        ):
            status, out, err = run(stdin, *kind, *options)
            assert (status, out.removeprefix("[\n")) == (1, "")
            assert f"has '{name}' already" in err
            assert "--prefix lc_" in err
            status, out, _ = run(stdin, *kind, *options, "--prefix", "lc_")
            assert status == 0
            for added in names.split(","):
                assert f"lc_{added}" in out


RAW = [
    '{"id": 1.0, "text": "good", "n": 1e400}',
    '{"text":"b\\u00e4d","id":12345678901234567890123 }',
    '{ "a": {"text": [1.10, -0, {}]},"text": "中文" , "\\u0061b": null}',
    "{ }",
    '{"text": "x", "n": ' + "9" * 5000 + "}",
]


def test_the_objects_stay_as_they_are_written(run: Run) -> None:
    status, out, _ = run("\ufeff" + "\n".join(f" {raw}\t" for raw in RAW), *JSON_IN,
                         "--format", "jsonl")  # fmt: skip
    assert status == 0
    for raw, line in zip(RAW, out.splitlines(), strict=True):
        assert line.startswith(raw[:-1].rstrip())
        assert list(json.loads(line, parse_int=str))[-3:] == ["label", "score", "truncated"]


def test_objects_as_a_table(run: Run) -> None:
    lines = '{"text": "a,b", "n": 1.0, "o": {"k": [1, "ä"]}}\n{"n": null}\n{"o": "", "text": "c"}'
    status, out, _ = run(lines, *JSON_IN, "--format", "csv")
    rows = list(csv.reader(io.StringIO(out)))
    assert status == 0
    assert rows[0][:3] == ["text", "n", "o"]
    assert [row[:3] for row in rows[1:]] == [
        ["a,b", "1.0", '{"k": [1, "ä"]}'], ["", "null", ""], ["c", "", ""],
    ]  # fmt: skip
    status, out, err = run('{"text": "a"}\n{"text": "b", "new": 1}\n', *JSON_IN, "--format", "csv")
    assert (status, len(out.splitlines())) == (1, 2)
    assert "line 2 has the key 'new', for which the first record made no column" in err
    assert "--format jsonl" in err


def test_a_header_without_rows(run: Run) -> None:
    assert run("id,text\n", *CSV_IN, "--format", "csv")[:2] == (
        0, "id,text,label,score,truncated\n"
    )  # fmt: skip
    assert run("", *JSON_IN, "--format", "jsonl") == (0, "", "")
    assert run("", *CSV_IN, "--no-header", "--format", "json") == (0, "[]\n", "")


def test_a_column_is_a_name_first(run: Run) -> None:
    years = "2,2021,text\na,good,bad\n"
    out = run(years, "--format-in", "csv", "--column", "2021")[1]
    assert out.endswith("  good\n")
    _, out, err = run(years, "--format-in", "csv", "--column", "2")
    assert (out.endswith("  a\n"), err) == (True, "")
    _, out, err = run(years, "--format-in", "csv", "--column", "3")
    assert out.endswith("  bad\n")
    assert err == (
        "lightclient: the first line was taken for a header: column 3 is 'text'; --no-header if it "
        "is a row\n"
    )
    assert (
        "no column '4'; the first row has" in run(years, "--format-in", "csv", "--column", "4")[2]
    )


@pytest.mark.parametrize("column", ["2", "column_2"])
def test_no_header(run: Run, column: str) -> None:
    options = ("--format-in", "csv", "--column", column, "--no-header")
    status, out, err = run("a,good\nb\nc,bad\n", *options, "--format", "csv")
    rows = list(csv.reader(io.StringIO(out)))
    assert status == 0
    assert rows[0][:3] == ["column_1", "column_2", "label"]
    assert [row[:2] for row in rows[1:]] == [["a", "good"], ["b", ""], ["c", "bad"]]
    assert err.endswith("row 2 has no cell for 'column_2'\n")


@pytest.mark.parametrize(
    ("name", "options", "begins"),
    [
        ("x.csv", (), "text,label"),
        ("x.JSONL", (), '{"text"'),
        ("x.csv", ("--format", "jsonl"), '{"text"'),
        ("x.json", (), "[\n{"),
        ("csv", ("--format", "table"), "NEGATIVE "),
    ],
)
def test_the_ending_of_the_output_says_its_format(
    run: Run, tmp_path: Path, name: str, options: tuple[str, ...], begins: str
) -> None:
    assert run("", "a gem", "--output", tmp_path / name, *options) == (0, "", "")
    assert (tmp_path / name).read_text().startswith(begins)


@pytest.mark.parametrize("stdin", ["id;text\n1;good\n", '"id";"text"\n1;"good"\n'])
def test_semicolons_are_recognised(run: Run, stdin: str) -> None:
    status, _, err = run(stdin, *CSV_IN)
    assert status == 1
    assert "it seems to be separated by semicolons" in err
    way_out = err.split("This makes commas of them: ")[1].split(" < IN")[0]
    way_out = way_out.replace("python3", sys.executable, 1)
    done = subprocess.run(
        way_out, shell=True, input=stdin.encode(), capture_output=True, check=True
    )
    assert run(done.stdout.decode(), *CSV_IN)[0] == 0


def test_rows_without_a_text_do_not_wait_for_what_follows(url: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "lightclient", "classify", "--url", url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
    ) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdin.write(b"\n\n")
        client.stdin.flush()
        too_late = threading.Timer(60, client.kill)
        too_late.start()
        assert [client.stdout.readline() for _ in range(2)] == [b"(no text)\n"] * 2
        too_late.cancel()
        client.stdin.close()
        client.stdin = None
        client.communicate(timeout=60)


def test_many_rows_without_a_text_are_not_kept(run: Run, classifier: Classifier) -> None:
    count = 10_000
    stdin = "good\n" + "\n" * count + "bad\ngood\n" + "\n" * 3
    _, out, err = run(stdin, "--format", "csv")
    rows = list(csv.reader(io.StringIO(out)))[1:]
    assert [row[0] for row in rows] == stdin.splitlines()
    assert all((row[0] == "") == (row[1] == "") for row in rows)
    assert f"{count + 3} rows have no text" in err
    source = read_rows(io.BytesIO(stdin.encode()), "stdin", "txt")
    for at, _ in enumerate(answer_rows(classifier, source, skips_errors=False)):
        assert source.read - at <= 2 * 1024  # the two chunks of a stream
    assert source.read == at + 1 == count + 6


CELLS = st.text(
    st.one_of(
        st.sampled_from('",;\n\r\t {}[]:ab'),
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    ),
    max_size=8,
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]], int]:
    """A header, rows of that width, and the place of the column that holds the texts."""
    taken = {"label", "score", "truncated"}
    names = st.lists(CELLS.filter(lambda name: name not in taken), min_size=1, max_size=4,
                     unique=True)  # fmt: skip
    header = draw(names)
    row = st.lists(CELLS, min_size=len(header), max_size=len(header))
    return header, draw(st.lists(row, max_size=6)), draw(st.integers(0, len(header) - 1))


def as_csv(rows: list[list[str]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows(rows)
    return out.getvalue().encode()


@pytest.fixture(scope="module")
def classifier(url: str) -> Iterator[Classifier]:
    with Classifier(url) as classifier:
        yield classifier


def labels_of(classifier: Classifier, texts: list[str]) -> list[str]:
    """Each text's own answer; none for one that is blank, an error's name for one refused."""
    found = []
    for text in texts:
        [outcome] = classifier.classify_many([text], on_error="return")
        found.append(getattr(outcome, "label", "") if text.strip() else "")
    return found


@settings(max_examples=80, deadline=None)
@given(table=tables())
def test_any_table_keeps_its_cells_and_gets_its_labels(
    url: str, classifier: Classifier, table: tuple[list[str], list[list[str]], int]
) -> None:
    header, rows, at = table
    expected = labels_of(classifier, [row[at] for row in rows])
    options = ("--format-in", "csv", f"--column={header[at]}", "--on-error", "skip")
    status, out, _ = classified(url, as_csv([header, *rows]), *options, "--format", "csv")
    found = list(csv.reader(io.StringIO(out.decode(), newline="")))
    assert status == 0
    assert [row[: len(header)] for row in found] == [header, *rows]
    assert [row[len(header)] for row in found] == ["label", *expected]
    status, out, _ = classified(url, as_csv([header, *rows]), *options, "--format", "jsonl")
    records = [json.loads(line) for line in out.decode().split("\n")[:-1]]
    assert [list(record.values())[: len(header)] for record in records] == rows
    assert [record["label"] or "" for record in records] == expected


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), CELLS),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(CELLS, inner, max_size=2)),
    max_leaves=4,
)
OBJECTS = st.dictionaries(st.sampled_from(["text", "id", "ä\n", ""]), VALUES)


@settings(max_examples=80, deadline=None)
@given(records=st.lists(OBJECTS, max_size=6), is_ascii=st.booleans(), space=st.booleans())
def test_any_objects_keep_their_bytes_and_get_their_labels(
    url: str, classifier: Classifier, records: list[dict[str, Any]], is_ascii: bool, space: bool
) -> None:
    lines = [
        json.dumps(record, ensure_ascii=is_ascii, separators=(", ", ": ") if space else (",", ":"))
        for record in records
    ]
    texts = [record.get("text") for record in records]
    expected = labels_of(classifier, [text if isinstance(text, str) else "" for text in texts])
    options = (*JSON_IN, "--on-error", "skip", "--format", "jsonl")
    status, out, err = classified(url, "".join(f"{line}\n" for line in lines).encode(), *options)
    if records and not any("text" in record for record in records):
        assert (status, out, "has the key 'text'" in err) == (1, b"", True)
        return
    found = out.decode().split("\n")[:-1]
    assert status == 0
    for line, got in zip(lines, found, strict=True):
        assert got.startswith(line[:-1])
    assert [json.loads(got)["label"] or "" for got in found] == expected
