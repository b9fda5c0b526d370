"""Windows of long texts, and pairs whose first text is cut, equal those of transformers."""

import shutil
from pathlib import Path
from random import Random
from typing import Any

import pytest

pytest.importorskip("transformers", reason="transformers is not installed")

import transformers

from lightclient import Bundle, InputError
from lightclient.model.encoding import tokenize
from lightclient.model.windows import split
from tests.golden import GOLDEN
from tests.heavy.models import FAMILIES
from tests.heavy.report import report
from tests.heavy.texts import SENTENCES, mixed
from tests.long_make import columns, only_first
from tests.long_texts import front_only, long_text

pytestmark = pytest.mark.heavy
SIDES = ("right", "left")
# MobileBERT's model has the tokenizer of BERT.
NAMES = [*(name for name in FAMILIES if name != "mobilebert"), "gpt2", "mpnet", "xlnet", "front"]


def load(name: str, side: str, scratch: Path) -> tuple[Any, Bundle]:
    """A folder as transformers and as this client load it, to be cut at this side."""
    folder = front_only(scratch) if name == "front" else GOLDEN / name
    theirs = transformers.AutoTokenizer.from_pretrained(folder, truncation_side=side)
    theirs.save_pretrained(scratch / "m")
    shutil.copy(folder / "config.json", scratch / "m")
    return theirs, Bundle.load(scratch / "m")


def made_texts() -> list[str]:
    """Of 600 to 20,000 tokens, more or less, and of every script."""
    odd = mixed(900)
    chance = Random(5)
    mixtures = [" ".join(chance.choices(odd, k=chance.randint(30, 400))) for _ in range(4)]
    joined = ["".join(chance.choices(odd, k=chance.randint(100, 600))) for _ in range(2)]
    return mixtures + joined + [long_text(seed, 40 * seed) for seed in (1, 3, 9)]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", NAMES)
def test_windows(name: str, side: str, tmp_path: Path) -> None:
    theirs, bundle = load(name, side, tmp_path)
    chance, compared = Random(name), 0
    for text in made_texts():
        for limit in (512, chance.randint(10, 600)):
            stride = chance.randint(0, limit // 2)
            told = theirs(
                text, truncation=True, max_length=limit, stride=stride,
                return_overflowing_tokens=True,
            )  # fmt: skip
            [rows] = split([text], bundle, limit, stride)
            ours = [row.input_ids for row in rows], [row.token_type_ids for row in rows]
            assert ours == columns(told), (repr(text[:80]), limit, stride)
            compared += 1
    report(f"windows of long texts, {name}, side {side}", compared)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", NAMES)
def test_pairs_whose_first_text_is_cut(name: str, side: str, tmp_path: Path) -> None:
    """As the zero-shot pipeline tokenizes a text and a hypothesis; where it can, within a limit."""
    theirs, bundle = load(name, side, tmp_path)
    chance, compared, refused = Random(name), 0, 0
    seconds = [*SENTENCES[200:400], "", "é"]
    for first in [*made_texts(), *SENTENCES[:200], ""]:
        second, limit = chance.choice(seconds), chance.randint(8, 200)
        told = only_first(theirs, first, second, limit)
        if told is None:
            with pytest.raises(InputError, match="second text of a pair is too long"):
                tokenize([(first, second)], bundle, limit, first_only=True)
            refused += 1
        else:
            [row] = tokenize([(first, second)], bundle, limit, first_only=True)
            assert ([row.input_ids], [row.token_type_ids]) == columns(told), (second, limit)
            compared += 1
    assert min(compared, refused) > 10
    report(f"pairs whose first text is cut, {name}, side {side}", compared + refused)
