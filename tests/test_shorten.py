"""A very long text gives the tokens that it would give whole, without being tokenized whole."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightclient import Bundle
from lightclient.model.encoding import tokenize
from lightclient.model.shorten import shorten
from tests.golden import GOLDEN
from tests.oracle import Oracle

LIMIT = 16  # texts of more than 2,048 characters are looked at

# What makes tokenizers look far: spaces, marks that combine, letters without spaces, special ones.
WORDS = [
    "the film ", "unbelievably", " ", "\n\n", "\u0301", "\u0323\u0301", "电影很好看", "あの映画",
    "👩\u200d👩\u200d👧", "!", "...", "[SEP]", "</s>", "<mask>", " <mask> ", "a", "aa",
    "0123456789", "'s", "ﬁ", "Ǆ", "가각", "\u200b", "\x00", "ß", "É", "[", "MASK]", "\t", "\u2028",
    "ไทย", "ab" * 60,
]  # fmt: skip
# One of each kind of tokenizer: WordPiece, byte-level BPE, Unigram three times.
KINDS = ["bert-uncased", "roberta", "xlm-roberta", "albert", "deberta-v2"]


@st.composite
def long_texts(draw: Any) -> str:
    parts = draw(st.lists(st.tuples(st.sampled_from(WORDS), st.integers(1, 400)), max_size=12))
    text = "".join(word * count for word, count in parts)
    return (text * (6000 // max(1, len(text)) + 1))[: draw(st.integers(2000, 9000))]


def side(bundle: Bundle, cut_left: bool) -> Bundle:
    loaded = bundle.loaded._replace(cut_left=cut_left)
    return dataclasses.replace(bundle, loaded=loaded)


BUNDLES = {name: Bundle.load(GOLDEN / name) for name in KINDS}
# They tokenize a text whole, and then cut it.
ORACLES = {name: Oracle(BUNDLES[name]) for name in KINDS}


@pytest.mark.parametrize("direction", ["right", "left"])
@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=15, deadline=None)
@given(text=long_texts())
def test_the_tokens_are_those_of_the_whole_text(name: str, direction: str, text: str) -> None:
    bundle = side(BUNDLES[name], direction == "left")
    oracle = ORACLES[name]
    [row] = tokenize([text], bundle, LIMIT)
    assert row.input_ids == oracle.ids(text, LIMIT, direction)
    assert row.truncated == (len(oracle.ids(text)) > LIMIT)


@pytest.mark.parametrize("direction", ["right", "left"])
@settings(max_examples=25, deadline=None)
@given(first=long_texts() | st.text(max_size=9), second=long_texts() | st.text(max_size=9))
def test_those_of_a_pair_too(direction: str, first: str, second: str) -> None:
    pair = (first, second or "an empty one is none")
    bundle = side(BUNDLES["roberta"], direction == "left")
    with pytest.MonkeyPatch.context() as patch:
        # The library's own cutting, which other tests hold ours against, is slow on long pairs.
        patch.setattr("lightclient.model.shorten._WORTH_IT", 10**9)
        expected = tokenize([pair], bundle, LIMIT)
    assert tokenize([pair], bundle, LIMIT) == expected


def test_which_of_a_pair_is_longer_stays_so() -> None:
    # Of an odd number of tokens the longer text keeps one more, and the cut piece is the shorter.
    pair = ("the film " * 3000, "the film " * 200)
    oracle = ORACLES["bert-uncased"]
    for first, second in (pair, pair[::-1]):
        [row] = tokenize([(first, second)], BUNDLES["bert-uncased"], LIMIT)
        assert row.input_ids == oracle.ids((first, second), LIMIT)


@pytest.mark.parametrize("run", ["\t" * 1200, "\u0301" * 1200 + "\u0323"], ids=["\\t", "marks"])
def test_a_run_that_belongs_together_is_not_cut(run: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(GOLDEN / "roberta", tmp_path / "m"))
    tokenizer = json.loads((folder / "tokenizer.json").read_bytes())
    tokenizer["normalizer"] = {"type": "NFC"}  # which puts marks in order
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    text = "<mask>the film" + run + "<mask>" + "a film " * 600
    bundle = Bundle.load(folder)
    [row] = tokenize([text], bundle, LIMIT)
    [whole] = tokenize([text], bundle)
    assert row.input_ids == [*whole.input_ids[: LIMIT - 1], whole.input_ids[-1]]


def test_ten_megabytes_are_not_tokenized() -> None:
    loaded = Bundle.load().loaded
    text = "the film was good and " * 450_000
    assert len(shorten(text, 512, loaded)) in range(8000, 8193)
    from_end = loaded._replace(cut_left=True)
    assert shorten(text, 512, from_end) == text[-8192:].lstrip()
    assert shorten("short text", 512, loaded) == "short text"
    endless = "a" * 100_000  # one token, and who knows what comes after it
    assert shorten(endless, 512, loaded) == endless


@pytest.mark.parametrize("longest", [100, 500, 3000])
def test_a_word_is_read_as_far_as_wordpiece_reads_it(longest: int, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(GOLDEN / "bert-uncased", tmp_path / "m"))
    tokenizer = json.loads((folder / "tokenizer.json").read_bytes())
    tokenizer["model"]["max_input_chars_per_word"] = longest
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    bundle = Bundle.load(folder)
    text = "a " * 10 + "b" * 2999 + " a" * 3000  # the long word is one token or many
    [row] = tokenize([text], bundle, LIMIT)
    assert row.input_ids == Oracle(bundle).ids(text, LIMIT)


@pytest.mark.parametrize("direction", ["right", "left"])
@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=15, deadline=None)
@given(text=long_texts())
def test_those_of_a_smaller_piece_too(name: str, direction: str, text: str) -> None:
    """As for windows, and for a text with many labels."""
    loaded = side(BUNDLES[name], direction == "left").loaded
    piece = shorten(text, LIMIT, loaded, closely=True)
    kept = slice(-LIMIT, None) if direction == "left" else slice(LIMIT)
    assert loaded.tokenizer.bare_ids(piece)[kept] == loaded.tokenizer.bare_ids(text)[kept]
    assert piece == text or len(loaded.tokenizer.bare_ids(piece)) > LIMIT
