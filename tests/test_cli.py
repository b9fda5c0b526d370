"""The command, as a user types it."""

import csv
import gzip
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lightclient.cli.output import shorten
from lightclient.standin import StandIn
from tests.command import run_command
from tests.scripted import answering, outputs, response, serving

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with StandIn() as url:
        yield url


@pytest.fixture
def run(url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command with the stand-in as its server; gives status, stdout and stderr."""
    monkeypatch.setenv("LIGHTCLIENT_URL", url)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        return run_command(capsys, *arguments)

    return run


def test_demo(run: Run) -> None:
    status, out, err = run("demo", "I like you. I love you", "bad")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[1] == "tokens    [CLS] i like you . i love you [SEP]"
    assert lines[2].startswith("request   POST http://127.0.0.1:")
    assert '"input_ids":[[101,1045,2066' in lines[3]
    assert lines[4].startswith("reply     200 { ")
    assert lines[5] == "POSITIVE  0.99431 " + "█" * 40
    assert lines[6] == "NEGATIVE  0.00569 "
    assert all(len(line) <= 80 for line in lines)


def test_a_table(run: Run) -> None:
    status, out, err = run("classify", "good", "bad\n" + "long " * 100)
    assert (status, err) == (0, "")
    first, second = out.splitlines()
    assert first == "POSITIVE 0.97073  good"
    assert second.startswith("NEGATIVE 0.9")
    assert second.endswith("…")
    assert len(second) == 80


def test_the_name_of_a_file_is_taken_for_a_text_with_a_word_about_it(
    run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "reviews.csv"
    file.write_text("text\ngood\n")
    status, out, err = run("classify", str(file))
    assert (status, out.count("\n")) == (0, 1)
    assert err == f"lightclient: {str(file)!r} is taken for a text: --file reads a file\n"


def test_who_types_a_text_is_told_soon_that_nobody_is_there(run: Run) -> None:
    status, _, err = run("classify", "--url", "http://127.0.0.1:1/v1/models/m", "good")
    assert status == 1
    assert err.startswith("lightclient: cannot connect to http://127.0.0.1:1/")
    assert "(tried 4 times)" in err


def test_top_k_in_a_table(run: Run) -> None:
    assert run("classify", "--top-k", "5", "good")[1] == (
        "POSITIVE 0.97073  NEGATIVE 0.02927  good\n"
    )


def test_json_lines(run: Run) -> None:
    status, out, _ = run("classify", "--format", "jsonl", "good", "中文\n\x00", stdin=b"ignored")
    records = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [record["text"] for record in records] == ["good", "中文\n\x00"]
    assert records[0]["label"] == "POSITIVE"
    assert records[0]["score"] == pytest.approx(0.97073, abs=1e-5)
    assert records[0]["truncated"] is False
    assert "scores" not in records[0]


def test_json(run: Run) -> None:
    records = json.loads(run("classify", "--format", "json", "--top-k", "2", "good", "bad")[1])
    assert [record["label"] for record in records] == ["POSITIVE", "NEGATIVE"]
    assert [score["label"] for score in records[1]["scores"]] == ["NEGATIVE", "POSITIVE"]
    assert run("classify", "--format", "json", stdin=b"")[1] == "[]\n"


def test_csv(run: Run) -> None:
    text = 'a "quoted", one\nwith a line\rand another'
    out = run("classify", "--format", "csv", "--top-k", "2", text)[1]
    header, row = csv.reader(io.StringIO(out, newline=""))
    assert header == ["text", "label", "score", "label_2", "score_2", "truncated"]
    assert (row[0], row[5]) == (text, "false")
    assert float(row[2]) + float(row[4]) == pytest.approx(1)
    out = run("classify", "--format", "csv", "one\rtwo")[1]
    assert [row[0] for row in csv.reader(io.StringIO(out, newline=""))] == ["text", "one\rtwo"]


def test_lines_of_stdin(run: Run) -> None:
    lines = "\ufeffgood\r\nbad\n\n中文".encode()
    _, out, err = run("classify", "--format", "jsonl", stdin=lines)
    records = [json.loads(line) for line in out.splitlines()]
    assert [record["text"] for record in records] == ["good", "bad", "", "中文"]
    assert [record["label"] for record in records][1:3] == ["NEGATIVE", None]
    assert err == "lightclient: 1 row has no text and got no answer; line 3 is empty\n"


FILES = {
    "a.txt": ("good\nbad\n", ()),
    "a.csv": ('id,text\n1,good\n2,"bad"\n', ("--column", "text")),
    "b.csv": ("1,good\n2,bad\n", ("--column", "2", "--no-header")),
    "a.tsv": ("text\tid\ngood\t1\nbad\t2\n", ("--column", "text")),
    "b.tsv": ("good\t1\nbad\t2\n", ("--column", "1", "--no-header")),
    "a.jsonl": ('{"t": "good"}\n{"t": "bad"}\n', ("--column", "t")),
    "c.csv": ("\ntext,id\n\ngood,1\n\nbad,2\n\n", ("--column", "text")),
    "b.jsonl": ('\n{"t": "good"}\n\n{"t": "bad"}\n\n', ("--column", "t")),
    "c.tsv": ("text\tid\n\ngood\n\r\nbad\n", ("--column", "text")),
    "A.CSV": ("text\r\ngood\r\nbad\r\n", ("--column", "text")),
}


@pytest.mark.parametrize("name", FILES)
def test_files(run: Run, tmp_path: Path, name: str) -> None:
    content, options = FILES[name]
    (tmp_path / name).write_bytes(content.encode())
    status, out, err = run("classify", "--file", str(tmp_path / name), *options)
    assert (status, err) == (0, "")
    assert [line.split()[0::2] for line in out.splitlines()] == [
        ["POSITIVE", "good"],
        ["NEGATIVE", "bad"],
    ]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_a_blank_line_below_a_single_column_is_an_empty_cell(
    run: Run, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    for content, options, texts, first in (
        (b"\ntext\n\ngood\r\n\r\nbad\n\n", (), ["", "good", "", "bad", ""], "row 3 has an empty"),
        (b"\n\ngood\n\nbad", ("--no-header",), ["", "", "good", "", "bad"], "row 1 has an empty"),
        (b"\n", ("--no-header",), [], ""),
    ):
        path.write_bytes(content)
        options = ("--column", "1", *options, "--format", "csv")
        status, out, err = run("classify", "--file", str(path), *options)
        rows = list(csv.reader(io.StringIO(out)))[1:]
        assert (status, [row[0] for row in rows]) == (0, texts)
        assert [row[1] != "" for row in rows] == [text != "" for text in texts]
        assert first in err


def test_a_byte_order_mark_alone_is_no_row(run: Run) -> None:
    assert run("classify", "--format", "jsonl", stdin=b"\xef\xbb\xbf") == (0, "", "")
    assert run("classify", "--format", "jsonl", stdin=b"\xef\xbb\xbf\n")[1].startswith(
        '{"text": ""'
    )


def test_odd_but_right_files(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_bytes(b'n,text\r\n1,"two\r\nlines ""quoted"""\r\n2,' + b"x" * 200_000 + b"\r\n")
    out = run("classify", "--file", str(path), "--column", "text", "--format", "jsonl")[1]
    texts = [json.loads(line)["text"] for line in out.splitlines()]
    assert texts == ['two\r\nlines "quoted"', "x" * 200_000]
    path = tmp_path / "quote.tsv"
    path.write_text('text\tn\n" an unpaired quote\t1\n')
    out = run("classify", "--file", str(path), "--column", "text", "--format", "jsonl")[1]
    assert json.loads(out)["text"] == '" an unpaired quote'


@pytest.mark.parametrize(
    ("name", "content", "options", "words"),
    [
        ("a.doc", b"", (), "must end in .txt, .csv, .tsv, .jsonl"),
        ("a.csv", b"text\ngood\n", (), "say which column holds the text: --column NAME; "
         "the first row has 'text'"),
        ("a.tsv", b"id\ttext\n1\tgood\n", (), "the first row has 'id', 'text'\n"),
        ("a.csv", b"id\ttext\n1\tgood\n", (), "separated by tabs: --format-in tsv"),
        ("a.csv", b"id\ttext\n1\tgood\n", ("--column", "text"), "by tabs: --format-in tsv"),
        ("a.jsonl", b'{"t": "good"}\n', (), "say which key"),
        ("a.txt", b"good\n", ("--column", "text"), "have no columns"),
        ("a.csv", b"id,text\n", ("--column", "txt"), "no column 'txt'; the first row has 'id', 't"),
        ("a.csv", b"", ("--column", "text"), "the first row has nothing"),
        ("a.csv", b"", ("--no-header",), "say which column"),
        ("a.csv", b"text,n\ngood,1\n\ngood,2,3\n", ("--column", "n"), "row 4 has 3 cells, but"),
        ("a.csv", b"1\n", ("--column", "9" * 5000), "no column"),
        ("a.csv", b"a,b,a,b,c\n", ("--column", "c"), "more than one column 'a', 'b': rename"),
        ("a.csv", b'text\n"open\n', ("--column", "text"), "is broken CSV"),
        ("a.jsonl", b'{"t": "good"\n', ("--column", "t"), "line 1 cannot be read as JSON"),
        ("a.jsonl", b"[]\n", ("--column", "t"), "line 1 is no JSON object"),
        ("a.jsonl", b'{"t": 1, "t": 2}', ("--column", "t"), "an object has the key 't' twice"),
        ("a.jsonl", b"[" * 99_999, ("--column", "t"), "line 1 cannot be read as JSON: it is nest"),
        ("a.jsonl", b'{"t": "", "label": 1}\n', ("--column", "t", "--format", "jsonl"),
         "give --prefix lc_"),
        ("a.jsonl", b'{"t": "good"}\n', ("--column", "1"), "has the key '1' that --column names"),
        ("a.txt", b"good\n\xff\xfe\n", (), "line 2 is not UTF-8; convert the file first, as "
         "with `iconv -f latin1 "),
        ("a.txt", "good".encode("utf-16"), (), "line 1 is not UTF-8; convert the file first, as "
         "with `iconv -f utf-16 "),
        ("a.csv", gzip.compress(b"text\n"), ("--column", "text"), "a.csv is compressed; unpack"),
    ],
)  # fmt: skip
def test_files_that_are_wrong(
    run: Run, tmp_path: Path, name: str, content: bytes, options: tuple[str, ...], words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    status, _, err = run("classify", "--file", str(tmp_path / name), *options)
    assert status == 1
    assert words in err


def test_a_file_that_is_not_there(run: Run, tmp_path: Path) -> None:
    status, _, err = run("classify", "--file", str(tmp_path / "a.txt"))
    assert (status, "cannot be read: No such file" in err) == (1, True)
    (tmp_path / "dir.txt").mkdir()
    assert run("classify", "--file", str(tmp_path / "dir.txt"))[0] == 1


def test_a_text_that_is_no_unicode(run: Run) -> None:
    status, _, err = run("classify", "a\udcff")
    assert (status, "lone surrogate" in err) == (1, True)


def test_texts_that_were_cut_are_told(run: Run) -> None:
    status, out, err = run("classify", "word " * 600, "short")
    assert status == 0
    assert len(out.splitlines()) == 2
    assert err == ("lightclient: 1 text was longer than the model takes; the rest was not read\n")


ONCE = [
    ("--url", "http://h/v1/models/m"), ("--output", "o.csv"), ("--column", "c"), ("--timeout", "1"),
]  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [(), ("nope",), ("demo",), ("classify", "--top-k", "0", "a"), ("classify", "--top-k", "x"),
     *(("classify", "a", *(f"--threshold={least}" for least in given)) for given in (
         ["x"], [""], ["nan"], ["-inf"], ["toxic="], ["a=0.5,b=x"], ["0.5", "0.5"], ["a=1", "a=1"],
         ["0.5", "a=1"])),
     ("classify", "--threshold", "0.5", "--top-k", "1", "a"),
     ("classify", "--format", "xml", "a"), ("classify", "--file", "a.txt", "text"),
     ("classify", "--column", "c", "text"), ("classify", "--column", "c"),
     ("classify", "--format-in", "csv", "text"), ("classify", "--no-header", "--file", "a.txt"),
     ("classify", "--no-header"), ("classify", "--missing", "keep", "a"),
     ("classify", "--long-texts", "half", "a"),
     ("classify", "--resume", "--output", "o", "a"),
     ("classify", "--resume", "--file", "a.txt", "--format", "csv"),
     ("classify", "--resume", "--file", "a.txt", "--output", "o"),
     ("classify", "--resume", "--file", "a.txt", "--output", "o", "--format", "json"),
     *(("classify", "--timeout", seconds, "a") for seconds in ("soon", "0", "-1", "nan", "inf")),
     *(("classify", "--pad-to", length, "a") for length in ("0", "-1", "1.5", "many")),
     *(("classify", "--url", url, "a") for url in ("localhost:8501", "http://h/v1/models", "")),
     ("classify", "--url", "http://user:secret@h:8501/v1/models/m", "a"),
     *(("classify", *option, *option, "--file", "a.txt") for option in ONCE),
     ("classify", "--file", "a.txt", "--file", "b.txt"), ("check", *ONCE[0], *ONCE[0]),
     ("classify", "--file", "-"), ("classify", "--output", "-", "--format", "csv", "a"),
     *(("classify", "--output", out, "a") for out in ("x.tsv", "x.txt", "x.xlsx", "x", "csv", "")),
     ("serve", "--port", "http")],
)  # fmt: skip
def test_a_wrong_command_line(run: Run, arguments: tuple[str, ...]) -> None:
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("usage: lightclient")
    assert "secret" not in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--url", "http://127.0.0.1:1/v1/models/m", "--timeout", "0.5"), "cannot connect"),
        (("--bundle", "nope"), "no bundle 'nope'"),
    ],
)
def test_what_fails_says_why(run: Run, arguments: tuple[str, ...], words: str) -> None:
    status, out, err = run("classify", *arguments, "text")
    assert (status, out) == (1, "")
    assert err.startswith("lightclient: ")
    assert words in err


def test_a_token_of_the_environment_is_not_shown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIGHTCLIENT_TOKEN", "hidden\nvalue")
    status, out, err = run("classify", "a")
    assert status == 1
    assert "hidden" not in out + err


def test_a_defect_is_told_in_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import lightclient.client

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(lightclient.client.Classifier, "classify_many", broken)
    status, _, err = run("classify", "a")
    assert status == 1
    assert err.startswith("lightclient: this is a defect of lightclient, please report it: ")
    assert err.endswith("RuntimeError('a defect')\n")


def test_check(run: Run) -> None:
    status, out, err = run("check")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert all(line.startswith("ok    ") for line in lines)
    assert lines[2] == "ok    model 'demo' is AVAILABLE: version 1"
    assert "input_ids, attention_mask (free length) -> logits" in lines[3]
    assert lines[4] == (
        "ok    the model carries its bundle: labels NEGATIVE, POSITIVE; 512 tokens at most"
    )
    assert lines[5] == (
        "ok    function 'softmax' makes scores of 'logits', as transformers' pipeline does for "
        "2 labels"
    )
    assert lines[6].endswith("Classification(label='POSITIVE', score=0.99431)")
    assert lines[7].startswith("ok    texts of 4, 9 and 66 tokens get the same answers")


def loading(state: str) -> bytes:
    status = {"error_code": "OK", "error_message": "its own words"}
    entry = {"version": "1", "state": state, "status": status}
    return response(200, json.dumps({"model_version_status": [entry]}))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (loading("LOADING"), "the model is not loaded: version 1 is LOADING. its own words"),
        (loading("END"), "version 1 is END"),
        (response(200, '{"model_version_status": []}'), "no version at all"),
        (response(200, "<html>"), "bytes that are no JSON object"),
        (response(200, "[]"), "bytes that are no JSON object"),
        (outputs(), "does not tell a model's status"),
        (response(404, '{"error": "Could not find any versions of model m"}'), "Check the model's"),
        (response(401, "no"), "LIGHTCLIENT_TOKEN"),
    ],
)
def test_check_says_what_is_wrong(run: Run, answer: bytes, words: str) -> None:
    with serving(answering(answer)) as server:
        status, out, _ = run("check", "--url", server.url)
    assert status == 1
    assert words in out
    assert "lightclient check" not in out
    assert [line[:6] for line in out.splitlines() if line[:6] != " " * 6][-1] == "wrong "


def test_check_finds_a_bundle_that_does_not_fit(run: Run, tmp_path: Path) -> None:
    import shutil

    from tests.golden import GOLDEN

    folder = shutil.copytree(GOLDEN / "gpt2", tmp_path / "three")
    status, out, _ = run("check", "--bundle", str(folder))
    assert status == 1
    assert "LABEL_0, LABEL_1, LABEL_2" in out
    assert "is not the bundle that" in out


def test_shorten() -> None:
    assert shorten("a\nb\tc\x1b[31m", 20) == "a b c [31m"
    assert shorten("x" * 30, 20) == "x" * 19 + "…"
    assert shorten("x" * 20, 20) == "x" * 20
    assert len(shorten("x" * 30, -5)) == 10


def command(*arguments: str, **options: object) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "lightclient", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,  # type: ignore[call-overload]
    )


def test_serve_in_one_process_and_classify_in_another() -> None:
    server = command("serve", "--port", "0")
    try:
        url = server.stderr.readline().decode().split()[-1]
        with command("classify", "--url", url, "good") as client:
            out, err = client.communicate(timeout=60)
        assert (client.returncode, out, err) == (0, b"POSITIVE 0.97073  good\n", b"")
    finally:
        server.send_signal(signal.SIGINT)
        out, err = server.communicate(timeout=60)
    assert (server.returncode, out) == (0, b"")
    assert err.endswith(b"ended\n")


def test_serve_the_demo_model_by_another_name() -> None:
    server = command("serve", "--port", "0", "--name", "distilbert", "--label", "stable=1")
    try:
        url = server.stderr.readline().decode().split()[-1]
        assert url.endswith("/v1/models/distilbert")
        with command("classify", "--url", url + "/labels/stable", "good") as client:
            assert client.communicate(timeout=60) == (b"POSITIVE 0.97073  good\n", b"")
    finally:
        server.terminate()
        server.communicate(timeout=60)


def test_serve_ends_cleanly_when_a_container_is_stopped() -> None:
    server = command("serve", "--port", "0")
    server.stderr.readline()
    server.send_signal(signal.SIGTERM)
    out, err = server.communicate(timeout=60)
    assert (server.returncode, out) == (0, b"")
    assert err.endswith(b"ended\n")


def test_serve_on_a_port_in_use(run: Run, url: str) -> None:
    status, _, err = run("serve", "--port", url.split(":")[2].split("/")[0])
    assert status == 1
    assert "in use" in err


def test_a_reader_that_has_had_enough(url: str) -> None:
    environment = os.environ | {"LIGHTCLIENT_URL": url}
    with command("classify", *["good"] * 3, env=environment) as client:
        client.stdout.close()  # type: ignore[union-attr]
        err = client.stderr.read()  # type: ignore[union-attr]
    assert (client.returncode, err) == (0, b"")


def test_a_locale_without_unicode(url: str) -> None:
    environment = os.environ | {"LIGHTCLIENT_URL": url, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    for name in ("classify", "demo"):
        with command(name, "中文", env=environment) as client:
            out, err = client.communicate(timeout=60)
        assert (client.returncode, err) == (0, b"")
        assert "中文" in out.decode()


def test_a_look_at_the_help_loads_no_dependency() -> None:
    code = "import sys, lightclient.cli; print([name for name in sys.argv if name in sys.modules])"
    line = [sys.executable, "-c", code, "tokenizers", "numpy", "urllib3"]
    assert subprocess.run(line, capture_output=True, text=True).stdout == "[]\n"


def test_help_names_every_command_and_variable(run: Run) -> None:
    status, out, _ = run("--help")
    assert status == 0
    for word in ("demo", "classify", "check", "serve", "LIGHTCLIENT_URL", "LIGHTCLIENT_TOKEN"):
        assert word in out
    for name in ("demo", "classify", "check", "serve"):
        status, out, _ = run(name, "--help")
        assert (status, out.startswith("usage: lightclient " + name)) == (0, True)
