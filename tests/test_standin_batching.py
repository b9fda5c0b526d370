"""The stand-in's batching, against what a real server answered, and in its details.

A batch here begins when it is full, so that nothing depends on how fast a machine is: its timeout
is far longer than the tests take.
"""

import json
import re
import threading
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest

from lightclient.errors import InputError
from lightclient.standin import Batching, ServedModel, SignatureDef, StandIn, TensorSpec
from lightclient.standin.demo import load_demo_model
from tests.misc_model import batching_exchanges

RECORDED = {item["name"]: item for item in batching_exchanges()}
ALONE = "padding server: a text alone"
LONG = 60.0


def post(url, body):
    """Status and JSON of an answer; `url` is a model's or a path below the same server."""
    request = Request(f"{url}:predict", json.dumps(body).encode())
    try:
        with urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def at_once(url, bodies):
    with ThreadPoolExecutor(len(bodies)) as threads:
        return list(threads.map(lambda body: post(url, body), bodies))


def recorded(*names):
    """The bodies that were sent, and the answers that came: status and JSON."""
    items = [RECORDED[name] for name in names]
    wanted = [(item["response"]["status"], json.loads(item["response"]["body"])) for item in items]
    return [json.loads(item["request"]["body"]) for item in items], wanted


def flags(name):
    """The parameters of the server that answered, as Batching has them."""
    found = dict(re.findall(r"(\w+) \{ value: (\d+) \}", RECORDED[name]["server"]))
    return {
        "max_batch_size": int(found["max_batch_size"]),
        "threads": int(found["num_batch_threads"]),
        "max_enqueued_batches": int(found["max_enqueued_batches"]),
        "pad": "pad_variable_length_inputs: true" in RECORDED[name]["server"],
    }


def row(*values):
    return {"inputs": {"x": [list(values)]}}


def model(run, shape=(None, None), dtype="float32", output=(None,)):
    """A model of one input "x"."""
    signature = SignatureDef(
        run, {"x": TensorSpec(dtype, shape)}, {"y": TensorSpec("float32", output)}
    )
    return ServedModel({1: {"serving_default": signature}})


def total(inputs):
    return {"y": inputs["x"].sum(axis=1)}


def test_all_recordings_of_batching_are_replayed_here():
    assert len(RECORDED) == 10


def test_different_lengths_are_refused_as_recorded():
    names = [f"three lengths at the same moment, {place}" for place in range(3)]
    bodies, wanted = recorded(*names)
    batching = Batching(**flags(names[0]) | {"max_batch_size": 3}, timeout=LONG)
    with StandIn(batching=batching) as url:
        assert at_once(url, bodies) == wanted


def test_different_lengths_are_padded_as_recorded():
    """With the mask's 1 and the first id, so that the answers are as wrong as the real server's."""
    names = [
        f"padding server: texts of 9 and of 50 tokens at the same moment, {place}"
        for place in range(2)
    ]
    bodies, wanted = recorded(*names)
    batching = Batching(**flags(names[0]) | {"max_batch_size": 2}, timeout=LONG)
    with StandIn(batching=batching) as url:
        found = at_once(url, bodies)
    (right,) = recorded(ALONE)[1]
    for (status, answer), (_, was) in zip(found, wanted, strict=True):
        assert status == 200
        np.testing.assert_allclose(answer["outputs"], was["outputs"], atol=1e-4)
    assert abs(found[0][1]["outputs"][0][0] - right[1]["outputs"][0][0]) > 0.05


@pytest.mark.parametrize("name", ["a request alone on a batching server", ALONE])
def test_a_text_alone_is_answered_as_recorded(name):
    (body,), ((status, was),) = recorded(name)
    with StandIn(batching=Batching(**flags(name), timeout=0.3)) as url:
        found = post(url, body)
    assert found[0] == status == 200
    np.testing.assert_allclose(found[1]["outputs"], was["outputs"], atol=1e-4)


@pytest.mark.parametrize("form", ["columnar", "row form"])
def test_too_many_rows_are_refused_as_recorded(form):
    name = f"more rows than max_batch_size, {form}"
    bodies, wanted = recorded(name)
    with StandIn(batching=Batching(**flags(name), timeout=LONG)) as url:
        assert at_once(url, bodies) == wanted


def test_a_full_queue_refuses_as_recorded():
    """One batch is being computed and one waits, so that there is no place for a third."""
    (body,), (wanted,) = recorded("a full queue")
    begun, goes_on = threading.Event(), threading.Event()
    demo = load_demo_model().versions[1]["serving_default"]

    def slow(inputs):
        begun.set()
        assert goes_on.wait(30)
        return demo.run(inputs)

    batching = Batching(**flags("a full queue"), timeout=LONG)
    rows = {name: values * 4 for name, values in body["inputs"].items()}
    with StandIn(slow, batching=batching) as url, ThreadPoolExecutor(3) as threads:
        first = threads.submit(post, url, {"inputs": rows})
        assert begun.wait(30)
        others = [threads.submit(post, url, {"inputs": rows}) for _ in range(2)]
        (refused,), (accepted,) = wait(others, 30, return_when=FIRST_COMPLETED)
        assert refused.result() == wanted
        goes_on.set()
        assert first.result()[0] == accepted.result()[0] == 200


def test_rows_that_fit_run_together_and_each_gets_its_own():
    sizes = []

    def run(inputs):
        sizes.append(len(inputs["x"]))
        return total(inputs)

    bodies = [row(1, 2), {"inputs": {"x": [[3, 4], [5, 6]]}}, row(7, 8)]
    with StandIn(model(run), batching=Batching(max_batch_size=4, timeout=LONG)) as url:
        answers = at_once(url, bodies)
    assert sizes == [4]
    assert answers == [
        (200, {"outputs": [3.0]}), (200, {"outputs": [7.0, 11.0]}), (200, {"outputs": [15.0]})
    ]  # fmt: skip


def test_a_batch_that_is_not_full_begins_when_its_time_is_over():
    with StandIn(model(total), batching=Batching(timeout=0)) as url:
        assert post(url, row(1, 2)) == (200, {"outputs": [3.0]})


def test_a_request_that_does_not_fit_opens_another_batch():
    """The first batch then need not wait any longer for more."""
    pairs = {"inputs": {"x": [[1, 1], [1, 1]]}}
    batching = Batching(max_batch_size=3, timeout=LONG)
    with StandIn(model(total), batching=batching) as url, ThreadPoolExecutor(3) as threads:
        several = [threads.submit(post, url, pairs) for _ in range(2)]
        wait(several, 30, return_when=FIRST_COMPLETED)
        threads.submit(post, url, row(1, 1))  # fills the second
        assert {future.result(30)[0] for future in several} == {200}


@pytest.mark.parametrize(
    ("dtype", "values"),
    [("int32", ([5, 6], [7, 8, 9])), ("string", (["a\0", "b"], ["c", "d", "e"]))],
)
def test_padding_takes_the_first_element_of_the_request(dtype, values):
    """Also for its other rows, and whatever the type."""
    seen = []

    def run(inputs):
        seen.extend(inputs["x"].tolist())
        return {"y": np.zeros(len(inputs["x"]), np.float32)}

    short, long = values
    bodies = [{"inputs": {"x": [short, short[::-1]]}}, {"inputs": {"x": [long]}}]
    with StandIn(
        model(run, dtype=dtype), batching=Batching(max_batch_size=3, timeout=LONG, pad=True)
    ) as url:
        assert [status for status, _ in at_once(url, bodies)] == [200, 200]
    wanted = [[*short, short[0]], [*short[::-1], short[0]], long]
    if dtype == "string":
        wanted = [[value.encode() for value in values] for values in wanted]
    assert sorted(seen) == sorted(wanted)


def test_signatures_do_not_share_a_batch():
    """Two signatures of different lengths would refuse each other."""
    signature = model(total).versions[1]["serving_default"]
    two = ServedModel({1: {"a": signature, "b": signature}})
    bodies = [row(1, 2) | {"signature_name": "a"}, row(1, 2, 3) | {"signature_name": "b"}]
    with StandIn(two, batching=Batching(max_batch_size=2, timeout=0.5)) as url:
        assert at_once(url, bodies) == [(200, {"outputs": [3.0]}), (200, {"outputs": [6.0]})]


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (ValueError("no such id"), (400, {"error": "no such id"})),
        (RuntimeError("broken"), (500, {"error": "RuntimeError: broken"})),
    ],
)
def test_a_batch_that_fails_fails_for_all(error, wanted):
    def fail(inputs):
        raise error

    with StandIn(model(fail), batching=Batching(max_batch_size=2, timeout=LONG)) as url:
        assert at_once(url, [row(1), row(2)]) == [wanted, wanted]


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        (np.float32(1), "Batched output tensor's 0th dimension does not equal the sum"),
        (np.zeros(3, np.float32), "Batched output tensor's 0th dimension does not equal the sum"),
    ],
)
def test_outputs_that_cannot_be_split(outputs, words):
    with StandIn(model(lambda inputs: {"y": outputs}), batching=Batching(timeout=0)) as url:
        status, answer = post(url, row(1, 2))
    assert status == 400
    assert answer["error"].startswith(words)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"input_ids": [[1, 2]], "attention_mask": [[1, 1]] * 2}, "equal 0th-dimension size"),
        ({"input_ids": 1, "attention_mask": 1}, "at least one dimension"),
    ],
)
def test_inputs_that_are_no_batch(inputs, words):
    with StandIn(batching=Batching(timeout=0)) as url:
        status, answer = post(url, {"inputs": inputs})
    assert status == 400
    assert words in answer["error"]


def test_an_empty_row_cannot_be_padded():
    batching = Batching(max_batch_size=2, timeout=LONG, pad=True)
    with StandIn(model(total), batching=batching) as url:
        wanted = (400, {"error": "Got empty tensor in batch of non-empty tensors."})
        assert at_once(url, [row(), row(1)]) == [wanted, wanted]


def test_its_bundle_can_be_asked_for():
    body = {"signature_name": "lightclient_bundle", "inputs": {"file": ["config.json"]}}
    with StandIn(batching=Batching(timeout=0)) as url:
        assert post(url, body)[0] == 200


@pytest.mark.parametrize(
    "values",
    [
        {"max_batch_size": 0}, {"threads": 1.5}, {"max_enqueued_batches": True}, {"timeout": -1},
        {"timeout": "1"}, {"timeout": float("nan")}, {"timeout": float("inf")},
    ],
)  # fmt: skip
def test_what_is_no_batching(values):
    with pytest.raises(InputError, match=f"Batching: {next(iter(values))}"):
        Batching(**values)


def test_the_stand_in_takes_nothing_else_for_it():
    with pytest.raises(InputError, match="batching is 32"):
        StandIn(batching=32)
