"""Long texts as windows, and pairs whose first text alone is cut: as transformers makes them."""

import dataclasses
import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightclient import Bundle, BundleError, InputError
from lightclient.model.encoding import Row, count_tokens, tokenize
from lightclient.model.windows import MOST_TOKENS, check_stride, split
from tests.golden import GOLDEN, read
from tests.long_texts import digest, front_only, long_text
from tests.oracle import Oracle

LONG = read(GOLDEN / "long.json")
SIDES = ["right", "left"]
# Special tokens on both sides, none, all behind; three kinds of tokenizers.
KINDS = ["bert-uncased", "roberta", "gpt2", "xlnet"]
# How many special tokens stand in front of a text and behind it.
AROUND = {"bert-uncased": (1, 1), "roberta": (1, 1), "gpt2": (0, 0), "xlnet": (0, 2)}


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Bundle]:
    """Loads the bundle of a name and a side, like "roberta left"."""
    front = front_only(tmp_path_factory.mktemp("front"))

    @lru_cache
    def load(key: str) -> Bundle:
        name, side = key.split()
        return sided(Bundle.load(front if name == front.name else GOLDEN / name), side)

    return load


def sided(bundle: Bundle, side: str) -> Bundle:
    loaded = bundle.loaded._replace(cut_left=side == "left")
    return dataclasses.replace(bundle, loaded=loaded)


BUNDLES = {
    (name, side): sided(Bundle.load(GOLDEN / name), side) for name in KINDS for side in SIDES
}


def rows_digest(rows: list[Row]) -> str:
    return digest([row.input_ids for row in rows], [row.token_type_ids for row in rows])


@pytest.mark.parametrize("key", LONG["windows"])
def test_windows_are_those_of_transformers(key: str, load: Callable[[str], Bundle]) -> None:
    for seed, count, limit, stride, number, expected in LONG["windows"][key]:
        [rows] = split([long_text(seed, count)], load(key), limit, stride)
        assert len(rows) == number
        assert rows_digest(rows) == expected
        assert not any(row.truncated for row in rows)


@pytest.mark.parametrize("key", LONG["pairs"])
def test_pairs_whose_first_text_is_cut_are_those_of_transformers(
    key: str, load: Callable[[str], Bundle]
) -> None:
    for seed, second, limit, expected in LONG["pairs"][key]:
        pair = long_text(seed, 40), second
        if expected is None:
            with pytest.raises(InputError, match="second text of a pair is too long"):
                tokenize([pair], load(key), limit, first_only=True)
            continue
        [row] = tokenize([pair], load(key), limit, first_only=True)
        assert rows_digest([row]) == expected
        assert row.truncated


texts = st.lists(
    st.sampled_from(
        ["the film ", "é", "电影", "[SEP]", "</s>", " ", "a", "\n", "Don't ", "<mask>"]
    ),
    max_size=80,
).map("".join)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=40, deadline=None)
@given(text=texts, room=st.integers(1, 40), stride=st.integers(0, 39))
def test_windows_joined_are_the_whole_text(
    name: str, side: str, text: str, room: int, stride: int
) -> None:
    bundle, (front, behind) = BUNDLES[name, side], AROUND[name]
    text, stride = text or "a", min(stride, room - 1)
    limit = front + room + behind
    [rows] = split([text], bundle, limit, stride)
    [whole] = tokenize([text], bundle)
    if len(whole.input_ids) <= limit:
        assert rows == tokenize([text], bundle, limit) == [whole]
        return
    assert {len(row.input_ids) for row in rows[:-1]} == {limit}
    assert front + stride + behind < len(rows[-1].input_ids) <= limit
    parts = [list(zip(row.input_ids, row.token_type_ids, strict=True)) for row in rows]
    if side == "left":  # from the end of the text to its start
        parts.reverse()
    joined = parts[0]
    for part in parts[1:]:
        own = len(joined) - behind
        assert joined[own - stride : own] == part[front : front + stride]
        joined = joined[:own] + part[front + stride :]
    assert joined == list(zip(whole.input_ids, whole.token_type_ids, strict=True))


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=40, deadline=None)
@given(first=texts, second=texts, limit=st.integers(4, 60))
def test_the_first_text_is_cut_alone(
    name: str, side: str, first: str, second: str, limit: int
) -> None:
    bundle, front = BUNDLES[name, side], AROUND[name][0]
    own = bundle.loaded.tokenizer.bare_ids(first)
    whole = Oracle(bundle).ids((first, second))
    room = limit - (len(whole) - len(own))
    if len(whole) > limit and room < 1:
        with pytest.raises(InputError, match=r"second text of a pair is too long|no room"):
            tokenize([(first, second)], bundle, limit, first_only=True)
    elif whole:
        kept = own if room >= len(own) else own[len(own) - room :] if side == "left" else own[:room]
        [row] = tokenize([(first, second)], bundle, limit, first_only=True)
        assert row.input_ids == whole[:front] + kept + whole[front + len(own) :]
        assert row.truncated == (len(whole) > limit)


def test_a_text_alone_is_cut_as_ever() -> None:
    bundle = BUNDLES["roberta", "right"]
    for limit in (2, 3, 9, None):
        usual = tokenize(["the film was good"], bundle, limit)
        assert tokenize(["the film was good"], bundle, limit, first_only=True) == usual


@pytest.mark.parametrize("side", SIDES)
def test_a_premise_of_ten_megabytes(side: str) -> None:
    bundle, hypothesis = BUNDLES["roberta", side], "This example is about trains."
    long = "the film was good and " * 450_000
    [row] = tokenize([(long, hypothesis)], bundle, 64, first_only=True)
    piece = long[:2000] if side == "right" else long[-2000:]
    assert [row] == tokenize([(piece, hypothesis)], bundle, 64, first_only=True)
    with pytest.raises(InputError, match="limit of 64 has room for 59 of it"):
        tokenize([("a premise", long)], bundle, 64, first_only=True)


def test_texts_and_pairs_together() -> None:
    bundle = BUNDLES["bert-uncased", "right"]
    texts: list[Any] = ["a b c d e f g", ("a b c d", "e f g h"), "a", "a b c d e f"]
    found = split(texts, bundle, 5, 1)
    assert found == [*(split([text], bundle, 5, 1)[0] for text in texts)]
    assert [len(rows) for rows in found] == [3, 1, 1, 3]
    assert found[1] == tokenize([texts[1]], bundle, 5)
    assert [row.truncated for row in found[1]] == [True]
    assert not any(row.truncated for rows in (found[0], *found[2:]) for row in rows)


def test_without_a_limit_there_are_no_windows() -> None:
    bundle, texts = BUNDLES["xlnet", "right"], [long_text(1, 60), "a"]
    assert split(texts, bundle, None, 99) == [[row] for row in tokenize(texts, bundle)]


@pytest.mark.parametrize("stride", [6, 7, -1, True, 1.0, "1", None])
def test_what_is_no_stride(stride: Any) -> None:
    bundle = BUNDLES["bert-uncased", "right"]
    with pytest.raises(InputError, match="stride must be a whole number from 0 to 5, not"):
        check_stride(stride, bundle, 8)
    check_stride(5, bundle, 8)
    assert len(split(["a b c d e f g h"], bundle, 8, 5)[0]) == 3


@pytest.mark.parametrize("limit", [-1, 0, 2])
def test_a_limit_without_room(limit: int) -> None:
    with pytest.raises(InputError, match=f"limit of {limit} tokens has no room beside 2 special"):
        check_stride(0, BUNDLES["bert-uncased", "right"], limit)


@pytest.mark.parametrize("side", SIDES)
def test_a_text_of_ten_megabytes_is_read_up_to_a_bound(side: str) -> None:
    bundle, words = BUNDLES["bert-uncased", side], "a b c d e f g h i j k l m n o p q "
    text = words * 300_000
    [rows] = split([text], bundle, 512, 10)
    assert all(row.truncated for row in rows)
    piece = text[: 2 * MOST_TOKENS] if side == "right" else text[-2 * MOST_TOKENS :]
    [whole] = tokenize([piece], bundle, MOST_TOKENS)
    expected = whole.input_ids[1:-1]
    shown = [row.input_ids[1:-1] for row in rows]
    if side == "left":
        shown.reverse()
    joined = shown[0] + [at for part in shown[1:] for at in part[10:]]
    assert joined == expected


ENDLESS = {"spaces": " ", "one word": "a", "marks": "\u0301"}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("char", ENDLESS)
def test_so_is_one_that_cannot_be_shortened(char: str, name: str) -> None:
    text = "the film" + ENDLESS[char] * 10_000_000
    [rows] = split([text], BUNDLES[name, "right"], 512, 0)
    assert all(row.truncated for row in rows)
    assert sum(len(row.input_ids) for row in rows) <= MOST_TOKENS + 2 * 130


@pytest.mark.parametrize("more", [0, 1])
def test_at_the_bound_itself(more: int) -> None:
    count = MOST_TOKENS - 2  # beside the special ones
    [rows] = split(["a " * (count + more)], BUNDLES["bert-uncased", "right"], 512, 0)
    assert {row.truncated for row in rows} == {bool(more)}
    assert sum(len(row.input_ids) - 2 for row in rows) == count


def test_a_limit_above_the_bound_is_kept() -> None:
    bundle = BUNDLES["gpt2", "right"]
    limit = MOST_TOKENS + 5
    text = "a b c d " * 20_000
    [[one]] = split([text], bundle, 80_001, 0)
    assert [one] == tokenize([text], bundle, 80_001)
    [rows] = split([text], bundle, limit, 0)
    assert [len(row.input_ids) for row in rows] == [limit]
    assert rows[0].truncated


def test_special_tokens_within_a_text(tmp_path: Path) -> None:
    """No model has them. What would be wrong windows is an error; 1.x does not even load it."""
    folder = front_only(tmp_path)
    parts = json.loads((folder / "tokenizer.json").read_bytes())
    cls, _, own = parts["post_processor"]["single"]
    parts["post_processor"]["single"] = [own, cls, own]
    (folder / "tokenizer.json").write_text(json.dumps(parts))
    with pytest.raises(BundleError, match=r"around a text.*let it be cut|more than once"):
        split(["a b c d e f g"], Bundle.load(folder), 6, 1)


def unknown_is_special(folder: Path) -> Path:
    """A tokenizer that has one token for the start of a text and for what it does not know."""
    front = {"SpecialToken": {"id": "<s>", "type_id": 0}}
    first, second = ({"Sequence": {"id": which, "type_id": 0}} for which in "AB")
    token = {"id": 0, "content": "<s>", "special": True}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    parts = {
        "version": "1.0", "truncation": None, "padding": None, "normalizer": None, "decoder": None,
        "added_tokens": [token | flags],
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [front, first],
            "pair": [front, first, front, second],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}},
        },
        "model": {
            "type": "WordLevel",
            "vocab": {"<s>": 0} | {letter: at for at, letter in enumerate("абвгдежзик", 1)},
            "unk_token": "<s>",
        },
    }  # fmt: skip
    stated = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<s>"}
    config = {"model_type": "gpt2", "id2label": {"0": "a", "1": "b"}}
    (folder / "tokenizer.json").write_text(json.dumps(parts), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(stated), encoding="utf-8")
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("side", "text", "pair", "windows"),
    [
        ("right", [0, 1, 2, 3], [0, 1, 2, 0, 6, 7], [[0, 1, 2, 3], [0, 3, 4, 5]]),
        ("left", [0, 3, 4, 5], [0, 4, 5, 0, 9, 10], [[0, 3, 4, 5], [0, 1, 2, 3]]),
    ],
)
def test_a_special_token_that_is_a_texts_own_as_well(
    side: str, text: list[int], pair: list[int], windows: list[list[int]], tmp_path: Path
) -> None:
    bundle = sided(Bundle.load(unknown_is_special(tmp_path)), side)
    assert [row.input_ids for row in tokenize(["а б в г д"], bundle, 4)] == [text]
    assert [row.input_ids for row in tokenize([("а б в г д", "е ж з и к")], bundle, 6)] == [pair]
    assert [row.input_ids for row in split(["а б в г д"], bundle, 4, 1)[0]] == windows


def test_where_the_special_tokens_of_a_text_stand_cannot_be_told(tmp_path: Path) -> None:
    bundle = Bundle.load(unknown_is_special(tmp_path))
    with pytest.raises(BundleError, match="let it be cut"):
        split(["x y z u v w"], bundle, 4, 1)
    assert tokenize(["x y z u v w"], bundle, 4)[0].input_ids == [0] * 4


@pytest.mark.parametrize("side", SIDES)
def test_a_pair_whose_second_text_comes_first(side: str, tmp_path: Path) -> None:
    folder = front_only(tmp_path)
    parts = json.loads((folder / "tokenizer.json").read_bytes())
    cls, first, _, second = parts["post_processor"]["pair"]
    parts["post_processor"]["pair"] = [cls, second, cls, first, cls]
    (folder / "tokenizer.json").write_text(json.dumps(parts))
    try:
        bundle = sided(Bundle.load(folder), side)
    except BundleError:
        pytest.skip("1.x does not load it")
    whole = tokenize([("a b c d", "e f g h")], bundle)[0].input_ids
    cut = tokenize([("a b c d", "e f g h")], bundle, 7)[0].input_ids
    kept = slice(2, None) if side == "left" else slice(2)
    behind, before = whole[1:5][kept], whole[6:10][kept]
    assert cut == [whole[0], *behind, whole[5], *before, whole[10]]


def test_how_many_tokens_there_are() -> None:
    bundle = BUNDLES["roberta", "right"]
    for text in ("a b", "", long_text(3, 90), ("a b", "c"), ("a b", "")):
        [row] = tokenize([text], bundle)
        assert count_tokens(text, bundle) == len(row.input_ids)
    assert count_tokens("", BUNDLES["gpt2", "right"]) == 0
