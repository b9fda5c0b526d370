"""Real SavedModels behind the stand-in, run by TensorFlow, against the recordings."""

import gc
import http.client
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import numpy as np
import pytest

from lightclient.standin import Batching, SavedModels, StandIn
from tests.exchanges import EXCHANGES
from tests.test_standin_exchanges import comparable, send

pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install '.[export]'")

import tensorflow as tf

pytestmark = pytest.mark.heavy
SECONDS = 30.0  # the longest any wait here may take


def signature(function, **inputs):
    """`function` of tensors, as a signature; each input is given as (shape, dtype)."""
    specs = [tf.TensorSpec(shape, dtype, name=name) for name, (shape, dtype) in inputs.items()]
    return tf.function(function, input_signature=specs)


def save(folder, signatures, variable=None):
    """Written beside, then renamed, as it ought to be."""
    module = tf.Module()
    module.variable = variable
    module.functions = list(signatures.values())
    new = folder.with_name(f"{folder.name}-new")
    tf.saved_model.save(module, str(new), signatures=signatures)
    folder.parent.mkdir(exist_ok=True)
    new.rename(folder)


def scaled(folder, factor):
    """y = x times the version's own factor, which is a variable."""
    variable = tf.Variable(float(factor))
    run = signature(lambda x: {"y": x * variable}, x=([None], tf.float32))
    save(folder, {"serving_default": run}, variable)


def multi(x):
    best = tf.argmax(x, axis=-1)
    return {
        "class_id": best,
        "probabilities": tf.nn.softmax(x),
        "score": tf.reduce_max(x, axis=-1),
        "top_label": tf.gather(tf.constant(["neg", "pos", "neu"]), best),
    }


def misc_signatures():
    """The odd model of the recording, whose signatures stand in models.json."""
    vector = ([None], tf.float32)
    return {
        "serving_default": signature(lambda x: {"y": tf.identity(x)}, x=vector),
        "multi": signature(multi, x=([None, None], tf.float32)),
        "types": signature(
            lambda i, d, b: {"i": tf.identity(i), "d": tf.identity(d), "b": tf.identity(b)},
            i=([None], tf.int64),
            d=([None], tf.float64),
            b=([None], tf.bool),
        ),
        "half": signature(lambda x: {"y": tf.identity(x)}, x=([None], tf.float16)),
        "strs": signature(
            lambda s: {"out": tf.identity(s), "out_bytes": tf.identity(s)}, s=([None], tf.string)
        ),
        "rank3": signature(lambda x: {"y": tf.identity(x)}, x=([None, None, None], tf.float32)),
        "log": signature(lambda x: {"y": tf.math.log(x)}, x=vector),
        "div": signature(lambda x: {"y": x / 0.0}, x=vector),
        "nobatch": signature(lambda x: {"sum": tf.reduce_sum(x)}, x=vector),
        "empty_out": signature(lambda x: {"y": tf.zeros([0, 4])}, x=vector),
        "slow": signature(lambda sec: {"n": tf.zeros([1], tf.int32)}, sec=([], tf.float32)),
        "inconsistent": signature(
            lambda x: {"a": tf.identity(x), "b": tf.constant([1.0, 2.0, 3.0])}, x=vector
        ),
    }


def tiny_signatures(table, length, dtype=tf.int32):
    """A classifier with the inputs of a DistilBERT: the mean of the rows of a table."""

    def logits(input_ids, attention_mask):
        weights = tf.cast(attention_mask, tf.float32)[:, :, None]
        embedded = tf.gather(table, input_ids)
        if length:
            embedded += tf.reshape(tf.range(float(length)), [1, length, 1])
        return {"logits": tf.reduce_sum(embedded * weights, 1) / tf.reduce_sum(weights, 1)}

    shape = ([None, length], dtype)
    return signature(logits, input_ids=shape, attention_mask=shape)


def tiny(folder, length=None, **more):
    table = tf.Variable(tf.reshape(tf.range(20_000, dtype=tf.float32), [10_000, 2]))
    signatures = {"serving_default": tiny_signatures(table, length)}
    for name, dtype in more.items():
        signatures[name] = tiny_signatures(table, length, dtype)
    save(folder, signatures, table)


def ask(url, tail="", body=None):
    """The status and the parsed answer."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=SECONDS)
    method = "GET" if body is None else "POST"
    connection.request(method, parts.path + tail, None if body is None else json.dumps(body))
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, json.loads(text)


def outputs(url, values, tail=":predict"):
    status, answer = ask(url, tail, {"inputs": values})
    assert status == 200, answer
    return answer["outputs"]


def states(url):
    return {
        int(entry["version"]): (entry["state"], entry["status"]["error_code"])
        for entry in ask(url)[1]["model_version_status"]
    }


def until(url, wanted):
    end = time.monotonic() + SECONDS
    while states(url) != wanted and time.monotonic() < end:
        time.sleep(0.02)
    assert states(url) == wanted


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Starts a stand-in for a folder; the misc model and the tiny ones are made once."""
    root = tmp_path_factory.mktemp("models")
    save(root / "misc" / "1", misc_signatures())
    tiny(root / "tiny_dyn" / "1")
    tiny(root / "tiny_fixed100" / "1", length=100)
    tiny(root / "two" / "1", int64_serving=tf.int64)
    labels = {"misc": {"stable": 1}}
    standins = {
        name: StandIn(SavedModels(root / name, labels=labels.get(name)))
        for name in ("misc", "tiny_dyn", "tiny_fixed100", "two")
    }
    for standin in standins.values():
        standin.start()
    yield standins
    for standin in standins.values():
        standin.close()


def rounded(text):
    """An answer whose floats have six digits: the seventh depends on the processor."""
    return comparable(json.loads(text, parse_float=lambda number: f"{float(number):.6g}"))


MISC = [item for item in EXCHANGES if "/models/misc" in item["request"]["path"]]


@pytest.mark.parametrize("exchange", MISC, ids=[item["name"] for item in MISC])
def test_the_misc_model_answers_as_recorded(served, exchange):
    answer, text = send(served["misc"].address, exchange["request"])
    wanted = exchange["response"]
    assert (answer.status, answer.getheader("Content-Type")) == (
        wanted["status"],
        wanted["content_type"],
    )
    assert rounded(text) == rounded(wanted["body"])


FAILING = [item for item in EXCHANGES if item.get("error_from_model")]
TINY = [
    item
    for item in EXCHANGES
    if item not in (*MISC, *FAILING)
    and item["response"]["status"] == 400
    and item["request"]["path"].startswith("/v1/models/tiny_")
]


@pytest.mark.parametrize("exchange", TINY, ids=[item["name"] for item in TINY])
def test_a_classifier_refuses_as_recorded(served, exchange):
    name = exchange["request"]["path"].split("/")[3].split(":")[0].split("%")[0].split("?")[0]
    answer, text = send(served[name].address, exchange["request"])
    assert answer.status == 400
    assert comparable(json.loads(text)) == comparable(json.loads(exchange["response"]["body"]))


@pytest.mark.parametrize(
    ("name", "exchange"), [("tiny_dyn", "metadata"), ("tiny_fixed100", "metadata, fixed shape")]
)
def test_metadata_are_the_saved_models_own(served, name, exchange):
    (wanted,) = (item["response"]["body"] for item in EXCHANGES if item["name"] == exchange)
    _, found = ask(served[name].url, "/metadata")
    assert found == json.loads(wanted)


def test_metadata_hold_every_signature(served):
    _, found = ask(served["misc"].url, "/labels/stable/metadata")
    signatures = found["metadata"]["signature_def"]["signature_def"]
    assert set(signatures) == {*misc_signatures(), "__saved_model_init_op"}
    assert signatures["nobatch"]["outputs"]["sum"]["tensor_shape"] == {
        "dim": [],
        "unknown_rank": False,
    }


def test_a_second_signature_is_described_with_its_own_names(served):
    _, found = ask(served["two"].url, "/metadata")
    wide = found["metadata"]["signature_def"]["signature_def"]["int64_serving"]
    assert wide["inputs"]["input_ids"]["name"] == "int64_serving_input_ids:0"
    assert wide["inputs"]["input_ids"]["dtype"] == "DT_INT64"


def test_a_second_signature_takes_the_wide_ids(served):
    url = served["two"].url
    rows = {"input_ids": [[1, 3]], "attention_mask": [[1, 1]]}
    for name in ("serving_default", "int64_serving", ""):
        body = {"inputs": rows, "signature_name": name}
        assert ask(url, ":predict", body) == (200, {"outputs": [[4.0, 5.0]]})
    rows["input_ids"] = [[2**40, 1]]
    _, narrow = ask(url, ":predict", {"inputs": rows})
    assert "not of expected type: int32" in narrow["error"]
    status, wide = ask(url, ":predict", {"inputs": rows, "signature_name": "int64_serving"})
    assert (status, "is not in [0, 10000)" in wide["error"]) == (400, True)


def test_no_strings_are_strings_too(served):
    body = {"signature_name": "strs", "inputs": []}
    wanted = {"outputs": {"out": [], "out_bytes": []}}
    assert ask(served["misc"].url, ":predict", body) == (200, wanted)


def test_a_wrong_length_fails_inside_the_graph(served):
    body = {"instances": [{"input_ids": [1, 2], "attention_mask": [1, 1]}]}
    status, answer = ask(served["tiny_fixed100"].url, ":predict", body)
    assert status == 400
    assert answer["error"].startswith("Incompatible shapes: [1,2,2] vs. [1,100,1]\n\t [[{{")


def test_an_error_within_a_nested_function_does_not_name_it_first(tmp_path):
    """TensorFlow's Python writes `{{function_node …}}` before such a message, even twice."""
    look_up = tf.function(
        lambda x: tf.gather(tf.range(3), x), experimental_attributes={"_noinline": True}
    )
    nested = signature(lambda x: {"y": look_up(x)}, x=([None], tf.int32))
    save(tmp_path / "m" / "1", {"serving_default": nested})
    with StandIn(SavedModels(tmp_path / "m")) as url:
        status, answer = ask(url, ":predict", {"inputs": [7]})
    assert status == 400
    assert answer["error"].startswith("indices[0] = 7 is not in [0, 3)\n\t [[{{")
    assert "[Op:" not in answer["error"]


@pytest.fixture
def folder(tmp_path):
    for number in (1, 2):
        scaled(tmp_path / "m" / str(number), number)
    return tmp_path / "m"


FINE, UNLOADED = ("AVAILABLE", "OK"), ("END", "OK")


def test_versions_come_and_go_and_break(folder):
    with StandIn(SavedModels(folder, labels={"stable": 1})) as url:
        assert states(url) == {2: FINE, 1: FINE}
        assert outputs(url, [1]) == [2.0]
        assert outputs(url, [1], "/versions/1:predict") == [1.0]
        assert outputs(url, [1], "/labels/stable:predict") == [1.0]
        broken = folder.parent / "broken"
        shutil.copytree(folder / "2", broken)
        (broken / "saved_model.pb").write_bytes(b"\x08\x01 no protobuf")
        broken.rename(folder / "3")
        until(url, {3: ("END", "DATA_LOSS"), 2: FINE, 1: FINE})
        assert outputs(url, [1]) == [2.0]
        scaled(folder / "4", 4)
        until(url, {4: FINE, 3: ("END", "DATA_LOSS"), 2: FINE, 1: FINE})
        assert outputs(url, [1]) == [4.0]
        shutil.rmtree(folder / "1")
        until(url, {4: FINE, 3: ("END", "DATA_LOSS"), 2: FINE, 1: UNLOADED})
        assert ask(url, "/labels/stable:predict", {"inputs": [1]}) == (
            404,
            {"error": "Servable not found for request: Specific(m, 1)"},
        )


def without_graph(new):
    (new / "saved_model.pb").unlink()


def without_variables(new):
    shutil.rmtree(new / "variables")


def cut_short(new):
    data = new / "variables" / "variables.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:3])


@pytest.mark.parametrize(
    ("harm", "code"),
    [(without_graph, "NOT_FOUND"), (without_variables, None), (cut_short, None)],
)
def test_a_half_written_version_is_skipped_until_it_is_whole(folder, harm, code):
    with StandIn(SavedModels(folder)) as url:
        new = folder.parent / "half"
        scaled(new, 3)
        whole = shutil.copytree(new, folder.parent / "whole")
        harm(new)
        new.rename(folder / "3")
        end = time.monotonic() + SECONDS
        while states(url).get(3, ("LOADING",))[0] == "LOADING" and time.monotonic() < end:
            time.sleep(0.02)
        assert states(url)[3][0] == "END"
        assert code in (None, states(url)[3][1])
        assert outputs(url, [1]) == [2.0]
        shutil.copytree(whole, folder / "3", dirs_exist_ok=True)
        until(url, {3: FINE, 2: FINE, 1: FINE})
        assert outputs(url, [1]) == [3.0]


def test_parallel_clients_see_one_version_or_the_other(folder):
    clients = 8
    going = threading.Barrier(clients + 1)

    def talk(url):
        seen = [outputs(url, [1])]
        going.wait(SECONDS)
        end = time.monotonic() + SECONDS
        while seen[-1] != [3.0] and time.monotonic() < end:
            seen.append(outputs(url, [1]))
        return seen

    with StandIn(SavedModels(folder)) as url, ThreadPoolExecutor(clients) as pool:
        talks = [pool.submit(talk, url) for _ in range(clients)]
        going.wait(SECONDS)
        scaled(folder / "3", 3)
        for future in talks:
            seen = future.result(timeout=2 * SECONDS)
            assert seen == [[2.0]] * (len(seen) - 1) + [[3.0]]


@pytest.mark.parametrize("pad", [False, True])
def test_real_models_can_be_batched(tmp_path, pad):
    """Their tensors have their own names, and a new version is batched as well."""
    folder = tmp_path / "m"

    def put(number):
        total = signature(lambda x: {"y": tf.reduce_sum(x, 1) * number}, x=([None] * 2, tf.float32))
        save(folder / str(number), {"serving_default": total})

    put(1)
    batching = Batching(max_batch_size=2, timeout=SECONDS, pad=pad)
    with StandIn(SavedModels(folder), batching=batching) as url, ThreadPoolExecutor(2) as pool:
        for number in (1, 2):
            if number == 2:
                put(2)
                until(url, {2: FINE, 1: FINE})
            bodies = [{"inputs": [[1, 1]]}, {"inputs": [[5, 1, 1]]}]
            found = list(pool.map(lambda body: ask(url, ":predict", body), bodies))
            if pad:
                assert found == [(200, {"outputs": [size * number]}) for size in (3.0, 7.0)]
            else:
                assert [status for status, _ in found] == [400, 400]
                for _, answer in found:
                    assert "with name 'serving_default_x:0' from different" in answer["error"]


def test_an_unloaded_version_ends_what_it_has_begun(folder):
    models = SavedModels(folder)
    models.start()
    begun = models.current()["m"].versions[2]["serving_default"].run
    shutil.rmtree(folder / "2")
    end = time.monotonic() + SECONDS
    while 2 in models.current()["m"].versions and time.monotonic() < end:
        time.sleep(0.02)
    assert list(models.current()["m"].versions) == [1]
    models.close()
    gc.collect()
    assert begun({"x": np.ones(1, np.float32)})["y"].tolist() == [2.0]


def test_the_command_serves_it(folder):
    command = [
        *(sys.executable, "-m", "lightclient", "serve", str(folder)),
        *("--name", "other", "--label", "stable=1", "--port", "0"),
    ]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        lines = iter(process.stderr.readline, "")
        url = next(line.split()[-1] for line in lines if line.startswith("serving"))
        assert url.endswith("/v1/models/other")
        assert outputs(url, [1]) == [2.0]
        assert outputs(url, [1], "/labels/stable:predict") == [1.0]
        (folder / "3").mkdir()
        told = next(line for line in lines if "version 3" in line)
        assert told.startswith("version 3 of other is skipped: NOT_FOUND: Could not find SavedM")
    finally:
        process.terminate()
        process.communicate(timeout=SECONDS)
