"""The benchmark suite: that it runs and counts rightly. Nothing is timed here."""

import http.client
import http.server
import json
import random
import re
import shutil
import sys
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from lightclient import Classifier
from lightclient.standin import ServedModel, SignatureDef, StandIn, TensorSpec
from lightclient.streams import load
from tests.benchmarks import servers, table, texts
from tests.benchmarks.__main__ import main
from tests.benchmarks.cold import PHASES, phases_of
from tests.benchmarks.environments import Environments
from tests.benchmarks.figures import (
    ARTICLE,
    OURS,
    PLAIN,
    Comparison,
    Row,
    decimals,
    interleave,
    reached,
    rounded,
    single,
)
from tests.benchmarks.growth import climbs, page, workers
from tests.benchmarks.growth import memory as growth_memory
from tests.benchmarks.growth.__main__ import main as growth
from tests.benchmarks.growth.manners import Manner
from tests.benchmarks.processes import HERE, Server, Start, script, start
from tests.benchmarks.rows import ROWS
from tests.benchmarks.session import BUNDLE, TOKENIZER, Session
from tests.benchmarks.sides import loads
from tests.benchmarks.table import README as TOP_README
from tests.benchmarks.table import TABLE, in_short, render

RESULTS = json.loads((HERE / "results.json").read_text(encoding="utf-8"))
GROWTH = json.loads((HERE / "growth.json").read_text(encoding="utf-8"))
README = (HERE / "README.md").read_text(encoding="utf-8")
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
    for model, length in (("fixed", "100"), ("free", "-1"), ("large", "-1")):
        metadata = json.loads(ask(server, f"{model}/metadata"))["metadata"]
        inputs = metadata["signature_def"]["signature_def"]["serving_default"]["inputs"]
        for name in ("input_ids", "attention_mask"):
            assert inputs[name]["tensor_shape"]["dim"][1]["size"] == length
        with Classifier(f"http://127.0.0.1:{server.port}/v1/models/{model}") as classifier:
            assert classifier.classify("a text").label == "POSITIVE"


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


def test_the_texts_have_the_tokens_they_are_said_to_have() -> None:
    tokenizer = Tokenizer.from_file(str(TOKENIZER))
    assert len(tokenizer.encode(texts.SHORT).ids) == 9
    assert len(tokenizer.encode(texts.long()).ids) == 400
    assert len(texts.sentences()) > 800
    assert not any("\t" in sentence for sentence in texts.sentences())


class Recorder(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bodies: list[bytes]

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        answer = json.dumps({"outputs": [LOGITS]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(("text", "length"), [(texts.SHORT, 100), (texts.long(), None)])
def test_bare_urlopen_sends_the_bytes_that_lightclient_sends(
    tmp_path: Path, text: str, length: int | None
) -> None:
    bodies: list[bytes] = []
    handler = type("", (Recorder,), {"bodies": bodies})
    session = Session(Environments(tmp_path, {"client": sys.executable}), tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            for side, operation in (("ours", "classify"), ("plain", "urlopen")):
                with session.side("client", side, port=server.server_port) as program:
                    program.ask(operation, text=text, calls=1, model="any", length=length)
        finally:
            server.shutdown()
    ours, theirs = bodies
    assert ours == theirs
    assert len(json.loads(ours)["inputs"]["input_ids"][0]) == (length or 400)


def test_a_comparison_is_that_of_the_two_medians() -> None:
    samples = {OURS: [9.0, 2.0, 3.0], PLAIN: [4.0, 4.0, 7.0], ARTICLE: [12.0] * 3}
    figures = [
        Comparison(PLAIN, "×", "≤ 0.75").as_json(samples),
        Comparison(ARTICLE, "÷", "≥ 4.1").as_json(samples),
        Comparison(PLAIN, "+").as_json(samples),
    ]
    assert [figure["figure"] for figure in figures] == [0.75, 4, -1]
    assert [figure["reached"] for figure in figures] == [True, False, None]


def test_the_margin_is_that_of_the_noise_which_both_sides_do_not_share() -> None:
    dice = random.Random(7)
    noise = [dice.uniform(1, 2) for _ in range(50)]
    shared = {OURS: noise, "other": [2 * value for value in noise]}
    assert Comparison("other", "×").as_json(shared)["margin"] == 0
    apart = {OURS: noise, "other": [2 * value for value in reversed(noise)]}
    assert 0.02 < Comparison("other", "×").as_json(apart)["margin"] < 0.2


def test_what_must_be_reached() -> None:
    assert reached("≤ 1.5", 1.5)
    assert not reached("≤ 1.5", 1.51)
    assert reached("≥ 4", 4.0)
    assert not reached("≥ 4", 3.99)
    assert reached(None, 1.0) is None


def test_values_have_three_digits() -> None:
    values = [0.0, 0.012345, 0.95049, 9.6249, 10.849, 99.96, 1328.6, -11.24]
    assert [rounded(value) for value in values] == [
        0.0, 0.0123, 0.95, 9.62, 10.8, 100.0, 1329.0, -11.2,
    ]  # fmt: skip


def test_sides_take_turns() -> None:
    order: list[str] = []
    sides = {name: lambda name=name: order.append(name) or float(len(order)) for name in "abc"}
    samples = interleave(sides, 6)
    warmed, *rounds = ("".join(order[at : at + 3]) for at in range(0, 21, 3))
    assert warmed == "abc"
    assert rounds == ["abc", "cba", "bca", "acb", "cab", "bac"]
    assert samples["a"] == [4, 9, 12, 13, 17, 20]  # each of its rounds but the first, which warms


def test_the_table() -> None:
    samples = {OURS: [10.0, 10.0], PLAIN: [2000.0, 2000.0], "a part": [12.5, 12.5]}
    comparisons = [
        Comparison(PLAIN, "÷", "≥ 4.5"),
        Comparison("a part", "+"),
        Comparison("a part", "×", "≤ 0.7"),
    ]
    rows = [Row("a title", "ms", samples, comparisons), single("a size", "MB", 7.0, "≤ 6")]
    machine = {"cores": 2, "system": "x", "python": "3", "packages": {"client": {"a": "1"}}}
    results = {"rows": {"name": [row.as_json() for row in rows]}, "machine": machine}
    results["command"] = "the command"
    head = ["|  | lightclient | plain script | the article's client | other |",
            "| --- | --- | --- | --- | --- |"]  # fmt: skip
    assert render(results).splitlines() == [
        *head,
        "| a title | 10.0 ms | 2,000 ms ÷ 200 ± 0 (≥ 4.5 ✓) |  | "
        "a part: 12.5 ms − 2.5 ± 0.0<br>a part: 0.800 ± 0.000 × 12.5 ms (≤ 0.7 ✗) |",
        "| a size | 7.00 MB (≤ 6 ✗) |  |  |  |",
        "",
        "Measured on 2 cores, x, Python 3; client: a 1. Made by `the command`.",
    ]


@pytest.mark.parametrize("side", ["cold_ours", "cold_plain"])
def test_a_cold_start_tells_its_phases(server: Server, side: str) -> None:
    command = script(sys.executable, f"sides/{side}.py", str(server.port), TOKENIZER, texts.SHORT)
    found = start(command)
    assert found.line == "POSITIVE"
    assert [0, *found.marks, found.seconds] == sorted({0, *found.marks, found.seconds})
    assert list(phases_of([found])) == list(PHASES)


def test_the_phases_of_a_start_add_up_to_the_whole() -> None:
    starts = [Start("", 0.9, 1, (0.1, 0.3, 0.6)), Start("", 1.0, 1, (0.2, 0.3, 0.9))]
    found = phases_of(starts)
    assert list(map(list, found.values())) == [
        pytest.approx([100, 200]), pytest.approx([200, 100]),
        pytest.approx([300, 600]), pytest.approx([300, 100]),
    ]  # fmt: skip
    row = Row("a title", "ms", {OURS: [900.0, 1000.0]}, phases={OURS: found}).as_json()
    assert row["phases"] == {OURS: dict(zip(PHASES, [150, 150, 450, 200], strict=True))}
    assert "phases" not in single("a size", "MB", 7.0).as_json()


ZERO_SHOT_TEXTS, ZERO_SHOT_LABELS = 3, ["sports", "a long label of some words"]


@pytest.mark.parametrize(
    ("side", "more"), [("ours", {}), ("plain", {"entailment": 2, "at_once": 5})]
)
def test_zero_shot_sends_a_pair_for_each_label(
    tmp_path: Path, side: str, more: dict[str, int]
) -> None:
    rows: list[list[int]] = []
    requests: list[int] = []

    def model(inputs: dict[str, Any]) -> dict[str, Any]:
        ids, masks = np.array(inputs["input_ids"]), np.array(inputs["attention_mask"])
        requests.append(len(ids))
        rows.extend(row[mask == 1].tolist() for row, mask in zip(ids, masks, strict=True))
        return {"logits": np.zeros((len(ids), 3), np.float32)}

    session = Session(Environments(tmp_path, {"client": sys.executable}), tmp_path)
    served = nli_model(tmp_path, model)
    with StandIn({"nli": served}) as url:
        port = int(url.split(":")[2].partition("/")[0])
        with session.side("client", side, port=port) as program:
            asked = {"count": ZERO_SHOT_TEXTS, "labels": ZERO_SHOT_LABELS}
            assert program.ask("zero_shot", **asked, **more)["wall"] > 0
    tokenizer = Tokenizer.from_file(str(TOKENIZER))
    expected = [
        tokenizer.encode_batch([(text, f"This example is {label}.")])[0].ids
        for text in texts.different(ZERO_SHOT_TEXTS)
        for label in ZERO_SHOT_LABELS
    ]
    if side == "plain":
        assert requests == [len(ZERO_SHOT_LABELS)] * ZERO_SHOT_TEXTS
        assert rows == expected
    else:
        assert {*map(tuple, expected)} <= {*map(tuple, rows)}


def nli_model(folder: Path, run: Any) -> ServedModel:
    """A model of three NLI labels that carries its bundle, as the one that is measured does."""
    shutil.copytree(BUNDLE, folder / "nli")
    config = json.loads((BUNDLE / "config.json").read_text(encoding="utf-8"))
    config["id2label"] = {0: "contradiction", 1: "neutral", 2: "entailment"}
    del config["label2id"]
    (folder / "nli" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    tensor = TensorSpec("int32", (None, None))
    inputs = {"input_ids": tensor, "attention_mask": tensor}
    signature = SignatureDef(run, inputs, {"logits": TensorSpec("float32", (None, 3))})
    return ServedModel({1: {"serving_default": signature}}).with_bundle(folder / "nli")


def test_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The cheap rows, with this Python for the client."""
    path = tmp_path / "results.json"
    names = "cold-metadata import threads async async-call stall memory".split()
    cheap = {name: ROWS[name] for name in names}
    quick = ["--quick", "--python", f"client={sys.executable}"]
    main(quick, cheap, path, tmp_path / "plots")
    results = json.loads(path.read_text(encoding="utf-8"))
    assert capsys.readouterr().out.strip() == render(results)
    assert list(results["rows"]) == list(cheap)
    for (row,) in results["rows"].values():
        assert row["rounds"] == 2
        assert all(value > 0 for value in row["values"].values())
    assert set(results["machine"]["packages"]["client"]) >= {"lightclient", "tokenizers", "urllib3"}


def test_a_run_of_some_rows_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "results.json"
    main(["import", "--quick", "--python", f"client={sys.executable}"], results=path)
    assert not path.exists()
    assert "imports `lightclient`" in capsys.readouterr().out


def test_an_unknown_row_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["absent"])
    assert "absent" in capsys.readouterr().err


def test_the_readmes_have_the_results() -> None:
    assert list(RESULTS["rows"]) == list(ROWS)
    assert render(RESULTS) in TABLE.read_text(encoding="utf-8")
    assert in_short(RESULTS) in TOP_README.read_text(encoding="utf-8")


def test_new_results_take_the_place_of_the_old(tmp_path: Path) -> None:
    page, readme = tmp_path / "page.md", tmp_path / "README.md"
    old = "<!-- figures -->\n%s<!-- end of figures -->\n"
    page.write_text(f"before\n\n{render(RESULTS)}\n\nafter\n", encoding="utf-8")
    readme.write_text(f"before\n{old % 'old'}after\n", encoding="utf-8")
    rows = {name: RESULTS["rows"][name] for name in ("cold", "model")}
    table.publish(RESULTS | {"rows": rows}, page, readme)
    text = page.read_text(encoding="utf-8")
    assert text == f"before\n\n{render(RESULTS | {'rows': rows})}\n\nafter\n"
    assert readme.read_text("utf-8") == f"before\n{old % in_short(RESULTS)}after\n"
    for path in (page, readme):
        path.write_text("nothing", encoding="utf-8")
        with pytest.raises(ValueError, match="no results"):
            table.publish(RESULTS, page, readme)
        table_of = f"{render(RESULTS)}\n"
        path.write_text(table_of, encoding="utf-8")


def test_the_readme_s_figures_are_those_of_the_table() -> None:
    text = " ".join(in_short(RESULTS).split())
    for name, side in (("cold", "lightclient"), ("cold", "plain script")):
        row = RESULTS["rows"][name][0]
        value = row["values"][side]
        assert f"{value:,.{decimals(value)}f} {row['unit']}" in text


NUMBER = r"(-?[0-9,.]+)"
TIMES = re.compile(rf"{NUMBER} ± {NUMBER} × {NUMBER} \S+")
OTHERWISE = re.compile(rf"{NUMBER} \S+ ([÷+−]) {NUMBER} ± {NUMBER}")
MUST = re.compile(r"\(([≤≥]) (\S+) ([✓✗])\)")


def number(text: str) -> float:
    return float(text.replace(",", ""))


def printed_figure(ours: float, comparison: str) -> float:
    """The figure of a cell, which must be what the two values beside it give."""
    if found := TIMES.search(comparison):
        figure, other = number(found[1]), number(found[3])
        assert figure == pytest.approx(ours / other, rel=0.005)
        return figure
    found = OTHERWISE.search(comparison)
    assert found, comparison
    other, how, figure = number(found[1]), found[2], number(found[3])
    if how == "÷":
        assert figure == pytest.approx(other / ours, rel=0.005)
        return figure
    figure = -figure if how == "−" else figure
    assert other + figure == pytest.approx(ours, rel=1e-9)
    return figure


def check_mark(figure: float, cell: str) -> None:
    for sign, bound, mark in MUST.findall(cell):
        fits = figure <= float(bound) if sign == "≤" else figure >= float(bound)
        assert mark == ("✓" if fits else "✗"), cell


def test_the_readme_s_table_agrees_with_itself() -> None:
    table = README[README.index("|  | lightclient |") :].partition("\n\n")[0]
    checked = 0
    for line in table.splitlines()[2:]:
        _, ours, *others = (cell.strip() for cell in line.strip("|").split("|"))
        value = number(ours.split()[0])
        check_mark(value, ours)
        for comparison in filter(None, "<br>".join(others).split("<br>")):
            check_mark(printed_figure(value, comparison), comparison)
            checked += 1
    rows = [row for rows in RESULTS["rows"].values() for row in rows]
    assert checked == sum(len(row["comparisons"]) for row in rows) > 20


def test_a_side_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match="unrecognized arguments: --absent"):
        Server("--absent")


def test_the_article_and_the_model_compile_and_have_their_operations() -> None:
    """They run where transformers and TensorFlow are."""
    for path in sorted((HERE / "sides").glob("*.py")):
        compile(path.read_text(encoding="utf-8"), str(path), "exec")
    asked = set(re.findall(r'(?:\.ask\(|\btime\(\w+, )"(\w+)"', _suite()))
    defined = set(re.findall(r"^def (\w+)", _sides(), re.M))
    assert {"classify", "bulk", "one_by_one", "zero_shot", "loop", "compute"} <= asked <= defined


def _suite() -> str:
    paths = (*HERE.glob("*.py"), *HERE.glob("growth/*.py"))
    return "".join(path.read_text(encoding="utf-8") for path in paths)


def _sides() -> str:
    return "".join(path.read_text(encoding="utf-8") for path in (HERE / "sides").glob("*.py"))


def test_a_stream_keeps_its_fixed_load() -> None:
    before = load.FIRST, load.LEAST, load.MOST
    seen: list[int] = []

    def model(inputs: dict[str, Any]) -> dict[str, Any]:
        rows = np.array(inputs["input_ids"])
        seen.append(rows.size)
        return {"logits": np.zeros((len(rows), 2), np.float32)}

    with StandIn(model) as url, Classifier(url) as classifier:
        with loads.fixed(2048, 2):
            climb = load.Climb(timeout=10)
            for seconds in (8, 4, 2, 1):  # ever faster, so that others would be tried
                assert climb.next_load() == load.MOST == (2048, 2)
                for _ in range(8):
                    climb.ended(2048, 2, seconds / 8)
            assert list(classifier.classify_many(texts.different(3_000)))
        assert 1024 < max(seen) <= 2048
    assert before == (load.FIRST, load.LEAST, load.MOST)


def test_what_a_simulated_server_can_do_at_most() -> None:
    manner = Manner(0.01, 0.000_1, 1_000, at_once=4)
    assert manner.rate(load.Load(1_000, 4)) == pytest.approx(4 * 1_000 / (0.01 + 0.2))
    assert manner.rate(load.Load(1_000, 16)) == manner.rate(load.Load(1_000, 4))
    assert manner.most == pytest.approx(manner.rate(load.Load(384, 4)))
    assert manner.options == [
        "--delay", "0.01", "--token-delay", "0.0001", "--strain", "1000", "--at-once", "4",
    ]  # fmt: skip


def test_the_rate_of_a_stream_is_that_of_its_whole_chunks() -> None:
    ends = climbs.chunk_ends(9)
    assert ends == [64, 192, 448, 960, *range(1_984, 10_177, 1_024)]
    curve = [end / 100 for end in ends[:8]] + [ends[7] / 100 + at for at in (3, 5, 6, 7, 8)]
    assert climbs.late_rate(ends, curve) == 5 * 1_024 / 8


def test_a_small_run_of_growth(tmp_path: Path) -> None:
    session = Session(Environments(tmp_path, {"client": sys.executable}), tmp_path, quick=True)
    quick = Manner(0.001)
    found = workers.workers(session, {"a server": quick}, (1, 2))["a server"]
    assert list(found["rates"]) == ["1", "2"]
    assert min(found["rates"].values()) > 0 < found["processor_seconds"]
    case = climbs.Case(quick, texts=500, times=1, rounds=1)
    found = climbs.climbs(session, {}, {"a server": case})["a server"]
    assert [load for *load, _ in found["grid"]] == [
        [tokens, requests] for tokens in climbs.TOKENS for requests in climbs.REQUESTS
    ]
    assert found["seconds"]["found"] == sorted(found["seconds"]["found"])
    assert len(found["seconds"]["best"]) == len(found["texts"])
    assert growth_memory.size(session) == {"sent": pytest.approx(190, abs=30), "received": 68}


def test_the_readme_has_what_growth_json_has() -> None:
    [model] = RESULTS["rows"]["model"]
    assert f"<!-- growth -->\n{page.render(GROWTH)}<!-- end of growth -->" in README
    billion = page.billion(GROWTH, model["values"][OURS])
    assert f"<!-- billion -->\n{billion}<!-- end of billion -->" in README


def test_a_part_of_the_page_is_replaced() -> None:
    part = "<!-- a -->\n{}<!-- end of a -->\n"
    assert page.replaced(f"x\n{part.format('old')}y\n", "a", "new\n") == (
        f"x\n{part.format(chr(10).join(['new', '']))}y\n"
    )
    with pytest.raises(ValueError, match="no part 'b'"):
        page.replaced(part, "b", "new")


def test_what_a_billion_rows_take() -> None:
    found = GROWTH | {
        "workers": {"a": {"processor_seconds": 0.000_09}, "b": {"processor_seconds": 0.000_05}},
        "size": {"sent": 200, "received": 50},
    }
    lines = page.billion(found, 50.0).splitlines()[2:]
    assert [line.strip("| ").rpartition("| ")[2] for line in lines if line] == [
        "5,556 h", "231", "29", "25 h", "250 GB", "$1,000", "$5.00",
    ]  # fmt: skip


def test_the_plots_are_drawn_from_growth_json(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra `bench`")
    growth(["--draw"], HERE / "growth.json", tmp_path)
    assert len(list(tmp_path.glob("*.svg"))) == 4


DRAWN = {
    "cold": [{
        "title": "a cold start", "unit": "ms", "values": {OURS: 230.0, ARTICLE: 1173.0},
        "phases": {OURS: dict(zip(PHASES, (11.0, 52.0, 44.0, 123.0), strict=True)),
                   ARTICLE: dict(zip(PHASES, (11.0, 900.0, 60.0, 202.0), strict=True))},
    }],
    "import": [{"title": "another row", "unit": "ms", "values": {OURS: 13.2}}],
    "model": [{
        "title": "behind `lightclient serve`", "unit": "texts/s",
        "values": {OURS: 1053.4, ARTICLE: 9.21, "`classify` in a loop": 26.1,
                   "batches of 32": 33.2, "the model alone": 65.7},
    }],
}  # fmt: skip


def test_the_pictures_are_drawn_from_the_results(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra `bench`")
    results, plots = tmp_path / "results.json", tmp_path / "plots"
    results.write_text(json.dumps({"rows": DRAWN}), encoding="utf-8")
    main(["--draw"], results=results, plots=plots)
    drawn = {path.stem: path.read_text(encoding="utf-8") for path in plots.glob("*.svg")}
    assert set(drawn) == {"cold", "model"}
    # matplotlib draws letters as curves, and puts the text in a comment before them.
    cold = [OURS, ARTICLE, "230 ms: 11 + 52 + 44 + 123", *PHASES]
    model = ["9.21", "26.1", "33.2", "1,053", "65.7", "behind lightclient serve"]
    for name, words in (("cold", cold), ("model", model)):
        assert {f"<!-- {word} -->" in drawn[name].replace("  ", "") for word in words} == {True}


def test_without_matplotlib_a_run_says_that_there_are_no_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if find_spec("matplotlib"):
        pytest.skip("matplotlib is there")
    results, plots = tmp_path / "results.json", tmp_path / "plots"
    results.write_text(json.dumps({"rows": DRAWN}), encoding="utf-8")
    main(["--draw"], results=results, plots=plots)
    assert "no pictures" in capsys.readouterr().err
    assert not plots.exists()
