"""Token ids equal those of transformers: exactly, in every family, alone and in batches."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightclient import Bundle, BundleError, InputError, Signature
from lightclient.model.encoding import check_text, encode, tokenize
from lightclient.serving.request import build_request
from tests.golden import FOLDERS, GOLDEN, read
from tests.oracle import Oracle

ALL_INPUTS = Signature(token_type_ids="token_type_ids")
DEFAULT = Bundle.load()
ARTICLE_IDS = [101, 1045, 2066, 2017, 1012, 1045, 2293, 2017, 102]


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.load()


def text_of(case: dict[str, Any]) -> Any:
    pair = case.get("text_pair")
    return check_text(case["text"] if pair is None else (case["text"], pair))


def assert_case(case: dict[str, Any], bundle: Bundle) -> None:
    if not case["input_ids"]:
        with pytest.raises(InputError, match="no tokens"):
            encode([text_of(case)], bundle, case["max_length"])
        return
    batch = encode([text_of(case)], bundle, case["max_length"])
    assert batch.input_ids == [case["input_ids"]], case
    expected = case["token_type_ids"] or [0] * len(case["input_ids"])
    assert batch.token_type_ids == [expected], case
    assert batch.truncated == [case["truncated"]], case


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_golden_text(folder: Path) -> None:
    bundle = Bundle.load(folder)
    golden = read(folder / "golden.json")
    assert len(golden["cases"]) > 40
    for case in golden["cases"]:
        assert_case(case, bundle)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_special_tokens_and_spaces_are_read_as_0_x_reads_them(folder: Path) -> None:
    bundle = Bundle.load(folder)
    expected = read(GOLDEN / "special.json")[folder.name]
    assert len(expected) > 50
    assert {text: encode([text], bundle).input_ids[0] for text in expected} == expected


def test_every_golden_text_of_the_default_bundle(bundle: Bundle) -> None:
    cases = read(GOLDEN / "bert-base-uncased.json")["cases"]
    assert len(cases) > 150
    for case in cases:
        # The recording is of a BERT; a DistilBERT has no type ids.
        assert_case(case | {"token_type_ids": None}, bundle)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_golden_batch_as_it_goes_over_the_wire(folder: Path) -> None:
    bundle = Bundle.load(folder)
    for golden in read(folder / "golden.json")["batches"]:
        call = golden["call"]
        limit = call.get("max_length")
        texts = [tuple(text) if isinstance(text, list) else text for text in golden["texts"]]
        # Left out: a pair with an empty second text, which to the pipeline is no pair but is one
        # in this recording; and a text without any token, which is an error of ours.
        rows = [
            at
            for at, text in enumerate(texts)
            if (isinstance(text, str) or text[1]) and any(golden["attention_mask"][at])
        ]
        assert len(rows) >= 3
        length = limit or len(golden["input_ids"][0])
        batch = encode([texts[at] for at in rows], bundle, limit, length)
        sent = json.loads(build_request(batch, ALL_INPUTS))["inputs"]
        assert sent["input_ids"] == [golden["input_ids"][at] for at in rows]
        assert sent["attention_mask"] == [golden["attention_mask"][at] for at in rows]
        if golden.get("token_type_ids"):
            assert sent["token_type_ids"] == [golden["token_type_ids"][at] for at in rows]


def test_the_article_s_text(bundle: Bundle) -> None:
    batch = encode(["I like you. I love you"], bundle, 100, 100)
    sent = json.loads(build_request(batch, Signature()))["inputs"]
    assert sent == {
        "input_ids": [ARTICLE_IDS + [0] * 91],
        "attention_mask": [[1] * 9 + [0] * 91],
    }


texts = st.text(max_size=60) | st.text("ab ,.[SEP]\u0301\u05d0\U0001f600", max_size=200)
pairs = st.tuples(texts, texts)


@settings(deadline=None)
@given(st.lists(texts | pairs, min_size=1, max_size=6), st.integers(5, 40))
def test_a_text_s_ids_are_the_same_alone_and_in_any_batch(inputs: list[Any], limit: int) -> None:
    bundle = DEFAULT
    batch = encode(inputs, bundle, limit)
    for at, text in enumerate(inputs):
        alone = encode([text], bundle, limit)
        assert batch.input_ids[at] == alone.input_ids[0]
        assert batch.truncated[at] == alone.truncated[0]
    assert batch.length == max(map(len, batch.input_ids)) <= limit


@pytest.mark.parametrize("direction", ["right", "left"])
@settings(deadline=None)
@given(st.text("ab c", max_size=40), st.text("ab c", min_size=1, max_size=40), st.integers(3, 30))
def test_cutting_equals_the_library_s_own(
    direction: str, first: str, second: str, limit: int
) -> None:
    bundle = BUNDLES[direction]
    for text in (first, (first, second)):
        assert encode([text], bundle, limit).input_ids == [ORACLE.ids(text, limit, direction)]


def _bert(direction: str) -> Bundle:
    bundle = Bundle.load(GOLDEN / "bert-uncased")
    loaded = bundle.loaded._replace(cut_left=direction == "left")
    return dataclasses.replace(bundle, loaded=loaded)


BUNDLES = {direction: _bert(direction) for direction in ("right", "left")}
ORACLE = Oracle(BUNDLES["right"])

# How many tokens stay of each text: limit, of a text of 5, of pairs of 5 and 3, 3 and 5, 4 and 4.
SHARES = [
    (2, 0, None, None, None),
    (3, 1, (0, 0), (0, 0), (0, 0)),
    (4, 2, (1, 0), (0, 1), (0, 1)),
    (5, 3, (1, 1), (1, 1), (1, 1)),
    (6, 4, (2, 1), (1, 2), (1, 2)),
    (7, 5, (2, 2), (2, 2), (2, 2)),
    (8, 5, (3, 2), (2, 3), (2, 3)),
    (9, 5, (3, 3), (3, 3), (3, 3)),
    (10, 5, (4, 3), (3, 4), (3, 4)),
    (11, 5, (5, 3), (3, 5), (4, 4)),
]


@pytest.mark.parametrize("direction", ["right", "left"])
@pytest.mark.parametrize(("limit", "alone", "more", "fewer", "equal"), SHARES)
def test_what_stays_of_each_text_at_each_limit(
    direction: str, limit: int, alone: int, more: Any, fewer: Any, equal: Any
) -> None:
    """The same with every version of the library."""
    bundle = BUNDLES[direction]
    [row] = tokenize(["a b c d e"], bundle, limit)
    assert row.input_ids == [2, *letters("a b c d e", alone, direction), 3]
    assert row.truncated == (alone < 5)
    pairs = (
        (("a b c d e", "v w x"), more),
        (("a b c", "v w x y z"), fewer),
        (("a b c d", "v w x y"), equal),
    )
    for pair, shares in pairs:
        if shares is None:
            with pytest.raises(InputError, match="no room for 3 special ones"):
                tokenize([pair], bundle, limit)
            continue
        [row] = tokenize([pair], bundle, limit)
        first, second = (letters(text, n, direction) for text, n in zip(pair, shares, strict=True))
        assert row.input_ids == [2, *first, 3, *second, 3]
        assert row.token_type_ids == [0] * (len(first) + 2) + [1] * (len(second) + 1)
        assert row.truncated == (limit < 11)


def letters(text: str, share: int, direction: str) -> list[int]:
    ids = [164 + ord(letter) - ord("a") for letter in text.split()]
    return ids[len(ids) - share :] if direction == "left" else ids[:share]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "not NoneType"),
        (b"bytes", "decode"),
        (3, "not int"),
        (["a"], "not list"),
        (("a",), "a tuple of 1"),
        (("a", "b", "c"), "a tuple of 3"),
        (("a", None), "NoneType"),
        ("a\ud800b", "lone surrogate at position 1"),
        (("a", "\udfff"), r"\[1\] has a lone surrogate at position 0"),
    ],
)
def test_what_is_no_text(value: object, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        check_text(value, "texts[7]")
    assert str(caught.value).startswith("texts[7]")


def test_a_limit_below_the_special_tokens(bundle: Bundle) -> None:
    with pytest.raises(InputError, match="3 special ones"):
        encode([("a", "b")], bundle, 2)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_of_nothing(limit: int, bundle: Bundle) -> None:
    with pytest.raises(InputError, match="no room for 2 special ones"):
        encode(["a long text " * 1000], bundle, limit)


def test_no_pad_token() -> None:
    bundle = Bundle.load(GOLDEN / "gpt2")
    padding = bundle.loaded.padding._replace(token_id=None)
    bundle = dataclasses.replace(bundle, loaded=bundle.loaded._replace(padding=padding))
    assert len(encode(["same", "same"], bundle).input_ids) == 2
    with pytest.raises(BundleError, match="pad_token"):
        encode(["short", "a longer text"], bundle)


def test_a_megabyte_of_one_letter(bundle: Bundle) -> None:
    assert encode(["a" * 1_000_000], bundle, 512).input_ids == [[101, 100, 102]]
    for name in ("roberta", "xlm-roberta"):
        batch = encode(["a" * 1_000_000], Bundle.load(GOLDEN / name), 512)
        assert len(batch.input_ids[0]) == 512
        assert batch.truncated == [True]


CHILD = """
import os, sys
from lightclient import Bundle
from lightclient.model.encoding import encode
bundle = Bundle.load()
expected = encode(["a", "b"], bundle)
child = os.fork()
if child == 0:
    os._exit(0 if encode(["a", "b"], bundle) == expected else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_batch_after_a_fork_with_parallelism_on() -> None:
    environment = os.environ | {"TOKENIZERS_PARALLELISM": "true"}
    run = [sys.executable, "-W", "ignore", "-c", CHILD]
    assert subprocess.run(run, env=environment, timeout=60, check=False).returncode == 0


MANY_LONG_PAIRS = """
import resource
from lightclient import Bundle
from lightclient.model.encoding import tokenize

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

bundle, text = Bundle.load(), "the film was good and bad " * 2_000
tokenize([(text, "a")], bundle, 512)
before = peak()
rows = tokenize([(text, f"label {at}") for at in range(256)], bundle, 512, first_only=True)
print(peak() - before)
"""


def test_many_long_pairs_are_tokenized_a_few_at_a_time() -> None:
    """As those of one text with each of many labels, or of one query with each document."""
    program = [sys.executable, "-c", MANY_LONG_PAIRS]
    ended = subprocess.run(program, stdout=subprocess.PIPE, text=True, timeout=60, check=True)
    assert float(ended.stdout) < 200  # MiB; all of them at once take 400
