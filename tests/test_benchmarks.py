"""The benchmark suite: that it runs and counts rightly. Nothing is timed here."""

import http.client
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from lightclient.serving.signature import read_signature
from tests.benchmarks import servers, texts
from tests.benchmarks.__main__ import main
from tests.benchmarks.environments import Environments
from tests.benchmarks.figures import Row, Target, difference, interleave, ratio, spread, value
from tests.benchmarks.processes import HERE, Server
from tests.benchmarks.table import render

LOGITS = [-4.2159214, 4.58923769]
COMPACT, SPACED = (",", ":"), (", ", ": ")


@pytest.fixture(scope="module", params=[[], ["--delay", "0.001"], ["--piece", "16384"]])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with Server(*request.param) as server:
        yield server


def ask(server: Server, path: str, body: Any = None, separators: Any = None) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    data = None if body is None else json.dumps(body, separators=separators)
    connection.request("GET" if body is None else "POST", f"/v1/models/{path}", data)
    answer = connection.getresponse()
    found = answer.read()
    connection.close()
    assert answer.status == 200
    return found


@pytest.mark.parametrize("separators", [COMPACT, SPACED])
@pytest.mark.parametrize("count", [1, 2, 33])
@pytest.mark.parametrize("model", ["free", "fixed", "large"])
def test_the_server_answers_each_row(
    server: Server, model: str, count: int, separators: tuple[str, str]
) -> None:
    rows = [[101, 7, 102]] * count
    columnar = {"inputs": {"input_ids": rows, "attention_mask": rows}}
    one_input = {"signature_name": "a", "inputs": {"input_ids": rows}}
    row = {"instances": [{"input_ids": ids, "attention_mask": ids} for ids in rows]}
    for body, key in ((columnar, "outputs"), (one_input, "outputs"), (row, "predictions")):
        answer = ask(server, f"{model}:predict", body, separators)
        assert json.loads(answer) == {key: [LOGITS] * count}
        assert (len(answer) == 20_000) == (model == "large")


def test_the_server_describes_its_models(server: Server) -> None:
    for model, length in (("fixed", 100), ("free", None), ("large", None)):
        signature = read_signature(ask(server, f"{model}/metadata"))
        assert (signature.length, signature.classes, signature.name) == (
            length, 2, "serving_default",
        )  # fmt: skip


def test_requests_on_one_connection(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    for count in (3, 1, 2000):
        rows = [[101, 102]] * count
        connection.request("POST", "/v1/models/free:predict", json.dumps({"inputs": rows}))
        assert json.loads(connection.getresponse().read()) == {"outputs": [LOGITS] * count}
    connection.close()


def test_pieces() -> None:
    class Connection:
        def __init__(self) -> None:
            self.written: list[bytes] = []

        def sendall(self, data: bytes) -> None:
            self.written.append(data)

    data = bytes(20_100)
    for piece, sizes in ((16_384, [16_384, 3_716]), (None, [20_100])):
        connection = Connection()
        servers.write(connection, data, piece)  # type: ignore[arg-type]
        assert [len(written) for written in connection.written] == sizes


def test_the_texts_have_the_tokens_they_are_said_to_have(tmp_path: Path) -> None:
    vocabulary = Environments(tmp_path, sys.executable).vocabulary()
    tokenizer = Tokenizer.from_file(str(vocabulary / "tokenizer.json"))
    assert len(tokenizer.encode(texts.SHORT).ids) == 9
    assert len(tokenizer.encode(texts.long()).ids) == 400
    assert len(texts.sentences()) > 800
    assert not any("\t" in sentence for sentence in texts.sentences())


def test_figures() -> None:
    samples = {"us": [1.0, 2.0, 3.0], "floor": [2.0, 2.0, 2.0]}
    found = ratio(samples, "us", "floor", Target("≤", 0.9, 0.5)).as_json()
    assert (found["what"], found["median"], found["low"], found["high"]) == (
        "us / floor", 1.0, 0.75, 1.25,
    )  # fmt: skip
    assert found["reached"] is False
    assert difference(samples, "us", "floor", "ms", Target("≥", 0)).as_json()["reached"] is True
    assert ratio(samples, "us", "floor", Target("≥", None, 1)).as_json()["reached"] is None
    assert value("size", "MB", [7.0]).as_json()["reached"] is None
    assert spread([5.0]).high == 5.0


def test_sides_take_turns() -> None:
    order: list[str] = []
    sides = {name: lambda name=name: order.append(name) or 1.0 for name in "abc"}
    assert interleave(sides, 2) == {"a": [1, 1], "b": [1, 1], "c": [1, 1]}
    assert "".join(order) == "abcbca"


def test_the_table() -> None:
    samples = {"us": [10.0, 10.0], "floor": [2000.0, 2000.0]}
    figures = [
        ratio(samples, "floor", "us", Target("≥", 4.5)),
        value("size", "MB", [7.0], Target("≤", 6)),
    ]
    machine = {"cores": 2, "system": "x", "python": "3", "packages": {"client": {"a": "1"}}}
    row = Row("cold", "a title", "ms", samples, figures).as_json()
    table = render({"rows": {"cold": row}, "machine": machine, "command": "the command"})
    assert table.splitlines()[2:] == [
        "| a title | 10.0 ms | floor / us (floor: 2,000 ms) | 200 × |  | ≥ 4.5 | yes |",
        "|  |  | size | 7.00 MB |  | ≤ 6 | no |",
        "",
        "Medians; measured on 2 cores, x, Python 3; client: a 1. Made by `the command`.",
    ]


def test_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The cheap rows, with this Python for the client; a second run keeps the rows of the first."""
    path = tmp_path / "results.json"
    common = ["--quick", "--client", sys.executable, "--json", str(path)]
    main([*common, "--rows", "import", "memory", "metadata"])
    first = json.loads(path.read_text(encoding="utf-8"))
    assert list(first["rows"]) == ["metadata", "import", "memory"]
    capsys.readouterr()
    main([*common, "--rows", "threads", "stall"])
    results = json.loads(path.read_text(encoding="utf-8"))
    assert list(results["rows"]) == ["metadata", "import", "threads", "stall", "memory"]
    assert results["rows"]["import"] == first["rows"]["import"]
    for row in results["rows"].values():
        assert row["rounds"] == 2
        assert all(side["median"] > 0 for side in row["sides"].values())
        assert all(figure["low"] <= figure["high"] for figure in row["figures"])
    assert set(results["machine"]["packages"]["client"]) >= {"lightclient", "tokenizers", "urllib3"}
    assert capsys.readouterr().out.strip() == render(results)


def test_the_readme_s_table_is_that_of_the_results() -> None:
    results = json.loads((HERE / "results.json").read_text(encoding="utf-8"))
    readme = (HERE.parent.parent / "README.md").read_text(encoding="utf-8")
    assert render(results) in readme


def test_an_unknown_row_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--rows", "absent"])
    assert "absent" in capsys.readouterr().err


def test_a_side_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match="unrecognized arguments: --absent"):
        Server("--absent")


def test_the_article_and_the_model_compile_and_have_their_operations() -> None:
    """They run where transformers and TensorFlow are."""
    for path in sorted((HERE / "sides").glob("*.py")):
        compile(path.read_text(encoding="utf-8"), str(path), "exec")
    asked = set(re.findall(r'(?:\.ask|_median)\(\w*,? ?"(\w+)"', _suite()))
    defined = set(re.findall(r"^def (\w+)", _sides(), re.M))
    assert {"classify", "bulk", "loop", "compute"} <= asked <= defined


def _suite() -> str:
    return "".join(path.read_text(encoding="utf-8") for path in HERE.glob("*.py"))


def _sides() -> str:
    return "".join(path.read_text(encoding="utf-8") for path in (HERE / "sides").glob("*.py"))
