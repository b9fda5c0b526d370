"""The fuzzer's targets on Hypothesis' inputs and on what was found; see also `-m tests.fuzz`."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lightclient import Bundle, Classifier, LightClientError, Signature, SignatureError
from lightclient.http.headers import request_headers
from tests.fuzz import targets
from tests.fuzz.__main__ import NAMES
from tests.fuzz.draw import HOSTILE, Draw, dumped, mutated
from tests.fuzz.seeds import SEEDS
from tests.fuzz.targets import TARGETS, TooMuchError, load_bundle, read_metadata, read_reply
from tests.golden import FOLDERS, GOLDEN

FOUND = Path(__file__).parent / "found"
# Random inputs are the fuzzer's business; here the same ones come every time.
steady = settings(
    max_examples=60, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["logits", "DT_INT32", "[PAD]", 10**30, -1, 2**63]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner,
                                                                max_size=4),
    max_leaves=12,
)  # fmt: skip
NUMBER = st.integers() | st.floats() | st.sampled_from([10**400, 1e39, -1e308])
LOGITS = st.lists(st.lists(NUMBER, min_size=2, max_size=2), min_size=2, max_size=2)


def ours(call: Any, *arguments: Any) -> None:
    """Run a part of a target: a result, or one of our errors."""
    targets.target(lambda data: call(*arguments))(b"")


@pytest.mark.parametrize("name", NAMES)
def test_any_bytes(name: str) -> None:
    run = steady(given(data=st.binary(max_size=300))(TARGETS[name]))
    run()


@pytest.mark.parametrize("name", NAMES)
def test_the_fuzzer_starts_well(name: str) -> None:
    assert set(SEEDS) == set(TARGETS) == set(NAMES)
    seeds = SEEDS[name]()
    assert len(seeds) > 3
    for seed in seeds[:: 1 + len(seeds) // 60]:
        TARGETS[name](seed)


@steady
@given(JSON | st.fixed_dictionaries({"outputs": JSON | LOGITS}), st.sampled_from([200, 400, 503]))
def test_any_json_as_a_reply(document: Any, status: int) -> None:
    ours(read_reply, dumped(document), status, 2, 2, None)


DIMS = st.fixed_dictionaries({
    "dim": st.lists(st.fixed_dictionaries({"size": st.sampled_from(["-1", "7", "x", 2**70])})),
    "unknown_rank": st.booleans(),
})  # fmt: skip
TENSOR = st.fixed_dictionaries({
    "dtype": st.sampled_from(["DT_INT32", "DT_BOOL", "DT_STRING", None, []]),
    "tensor_shape": DIMS | JSON,
})  # fmt: skip
NAMES_OF_INPUTS = st.sampled_from(["input_ids", "input_mask", "token_type_ids", "x", ""])
SIGNATURE = st.fixed_dictionaries({
    "inputs": st.dictionaries(NAMES_OF_INPUTS, TENSOR) | JSON,
    "outputs": st.dictionaries(st.sampled_from(["logits", "x"]), TENSOR) | JSON,
})  # fmt: skip


@steady
@given(st.dictionaries(st.sampled_from(["serving_default", "x"]), SIGNATURE | JSON) | JSON)
def test_any_json_as_metadata(signatures: Any) -> None:
    document = {"metadata": {"signature_def": {"signature_def": signatures}}}
    ours(read_metadata, dumped(document), None)


@steady
@given(
    st.sampled_from(FOLDERS),
    st.dictionaries(
        st.sampled_from(["id2label", "num_labels", "problem_type", "max_position_embeddings",
                         "model_type", "pad_token_id", "type_vocab_size", "vocab_size"]),
        JSON,
    ),
    st.dictionaries(
        st.sampled_from(["tokenizer_class", "model_max_length", "pad_token", "padding_side",
                         "added_tokens_decoder", "extra_special_tokens", "do_lower_case",
                         "model_input_names", "truncation_side", "add_prefix_space"]),
        JSON,
    ),
)  # fmt: skip
def test_any_json_in_a_folder(folder: Path, config: Any, tokens: Any) -> None:
    files = {"config.json": config, "tokenizer_config.json": tokens}
    changes = {
        name: dumped(json.loads((folder / name).read_bytes()) | changed)
        for name, changed in files.items()
    }
    ours(load_bundle, folder, changes)


FILES = {  # what belongs to no change of one value
    "an endless depth": b"[" * 200_000,
    "a number of 100,000 digits": b"9" * 100_000,
    "a string that does not end": b'{"' + b"x" * 100_000,
    "nothing": b"",
    "a mark of the byte order": b"\xef\xbb\xbf{}",
    "UTF-16": '{"id2label": {}}'.encode("utf-16"),
}


@pytest.mark.parametrize("words", FILES)
@pytest.mark.parametrize("name", ["tokenizer.json", "config.json", "tokenizer_config.json"])
def test_a_broken_file(name: str, words: str) -> None:
    ours(load_bundle, GOLDEN / "bert-uncased", {name: FILES[words]})


@pytest.mark.parametrize("words", FILES)
def test_a_broken_body(words: str) -> None:
    for status in (200, 400):
        ours(read_reply, FILES[words], status, 1, 2, None)
    ours(read_metadata, FILES[words], None)


@pytest.mark.parametrize(
    "at",
    [at for at, value in enumerate(HOSTILE) if not (isinstance(value, str) and len(value) > 1000)],
)
def test_a_hostile_value_at_each_place_of_the_settings(at: int) -> None:
    for name in ("url", "timeout", "max_length", "pad_to", "signature", "form", "headers", "token",
                 "client_cert", "retries"):  # fmt: skip
        given = {"url": targets.URL, "bundle": Bundle.load(FOLDERS[0]), name: HOSTILE[at]}
        ours(targets.open_classifier, given)


LONG = "x" * 9000


def signatures(**changes: Any) -> bytes:
    """Metadata of a signature, in which `changes` replace the names or the type."""
    shape = {"dim": [{"size": "-1"}, {"size": "-1"}]}
    tensor = {"dtype": changes.get("dtype", "DT_INT32"), "tensor_shape": shape}
    inputs = {changes.get("input", "input_ids"): tensor}
    signature = {"inputs": inputs, "outputs": {"logits": tensor}}
    named = {changes.get("name", "serving_default"): signature}
    return dumped({"metadata": {"signature_def": {"signature_def": named}}})


def with_tokens(**changes: Any) -> None:
    load_bundle(GOLDEN / "gpt2", {"tokenizer_config.json": dumped(changes)})


def with_vocab(**changes: Any) -> None:
    files = {"tokenizer_config.json": dumped(changes), "special_tokens_map.json": None}
    load_bundle(GOLDEN / "bert-slow", files)


def with_config(**changes: Any) -> None:
    load_bundle(GOLDEN / "gpt2", {"config.json": dumped(changes)})


def with_url(url: str) -> None:
    targets.open_classifier({"url": url, "bundle": Bundle.load(FOLDERS[0])})


MESSAGES: dict[str, Any] = {
    "a url of no scheme": lambda: with_url(LONG),
    "a url of no model": lambda: with_url(f"http://h/{LONG}"),
    "a header's name": lambda: request_headers({LONG: "\n"}, None),
    "names by hand": lambda: Signature(input_ids=LONG, attention_mask=LONG),
    "an input's type": lambda: read_metadata(signatures(dtype=LONG), None),
    "a signature's name": lambda: read_metadata(signatures(name=LONG, input="x"), None),
    "a limit": lambda: with_tokens(model_max_length=[0] * 9000),
    "a token that is not there": lambda: with_vocab(unk_token=LONG),
    "a number of labels": lambda: with_config(num_labels=[0] * 9000),
    "a number of positions": lambda: with_config(max_position_embeddings=LONG),
    "a number of types": lambda: with_config(type_vocab_size=LONG),
}


# Defects that are known and not yet mended, with what is wrong.
@pytest.mark.parametrize("call", MESSAGES.values(), ids=MESSAGES)
def test_a_message_stays_short_whatever_it_quotes(call: Any) -> None:
    ours(call)


VAST = 10**5000  # more digits than Python writes out


def with_argument(name: str, **more: str) -> None:
    Classifier(**{"url": targets.URL, "bundle": Bundle.load(FOLDERS[0]), **more, name: VAST})


@pytest.mark.parametrize("call", [
    *(partial(with_argument, name)
      for name in ("timeout", "max_length", "pad_to", "form", "signature")),
    partial(with_argument, "ca_certs", url="https://h/v1/models/m"),
    partial(Signature, length=VAST),
    partial(Signature, input_ids=VAST),
    partial(Bundle.from_vocab, "/dev/null", labels=[VAST]),
])  # fmt: skip
def test_a_number_that_cannot_be_written_out(call: Any) -> None:
    ours(call)


def test_the_home_of_nobody() -> None:
    ours(Bundle.load, "~no-such-user/model")


def found() -> list[Any]:
    return [pytest.param(path, id=path.name) for path in sorted(FOUND.glob("*-*"))]


@pytest.mark.parametrize("path", found())
def test_what_was_found(path: Path) -> None:
    TARGETS[path.name.partition("-")[0]](path.read_bytes())


def test_a_target_tells_defects_apart() -> None:
    def fails(error: BaseException) -> None:
        def run(data: bytes) -> None:
            raise error

        targets.target(run)(b"")

    fails(SignatureError("as it should be"))
    with pytest.raises(KeyError):
        fails(KeyError("not ours"))
    wordy = LightClientError("its class cuts what is too long")
    wordy.args = ("x" * 9000,)
    with pytest.raises(AssertionError, match="a message of 9000 characters"):
        fails(wordy)


def test_a_target_bounds_time_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "MOST_SECONDS", 0.0)
    with pytest.raises(TooMuchError, match=r" s$"):
        targets.target(lambda data: None)(b"")
    monkeypatch.setattr(targets, "MOST_SECONDS", 5.0)
    monkeypatch.setattr(targets, "MOST_MEGABYTES", -1)
    with pytest.raises(TooMuchError, match=r" MB$"):
        targets.target(lambda data: None)(b"")


def test_a_changed_document_is_another_one() -> None:
    made = {dumped(mutated({"a": [1, {"b": 2}]}, Draw(bytes([n, at, n]) * 9)))
            for n in range(40) for at in range(6)}  # fmt: skip
    assert len(made) > 40


def test_the_fuzzer_says_what_it_needs(tmp_path: Path) -> None:
    """Also where atheris is there: an empty module of its name fails to import."""
    (tmp_path / "atheris.py").write_text("raise ImportError")
    command = "import sys; sys.path.insert(0, sys.argv.pop(1)); import runpy; " \
              "runpy.run_module('tests.fuzz', run_name='__main__')"  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", command, str(tmp_path), "reply"], capture_output=True, text=True
    )
    assert (done.returncode, "pip install atheris" in done.stderr) == (2, True)
