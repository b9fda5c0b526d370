"""`tokenizer.json` as values, whatever the order of its parts."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lightclient import Bundle, BundleError
from lightclient.model.document import Document, parse_document
from lightclient.model.encoding import encode
from tests.golden import GOLDEN

JSON = dict[str, Any]
TOKENIZERS = sorted(GOLDEN.glob("*/tokenizer.json"))


def document_at(path: Path) -> Document:
    return parse_document(path.read_bytes(), str(path))


named = pytest.mark.parametrize("path", TOKENIZERS, ids=lambda path: path.parent.name)


@named
def test_what_is_written_out_again_is_what_was_read(path: Path) -> None:
    assert json.loads(document_at(path).dump()) == json.loads(path.read_bytes())


ORDERS: dict[str, Callable[[JSON], JSON]] = {
    "the model first": lambda found: {"model": found.pop("model"), **found},
    "sorted": lambda found: dict(sorted(found.items())),
    "only what is needed": lambda found: {k: v for k, v in found.items() if v is not None},
}


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("order", ORDERS)
def test_the_order_of_the_parts_does_not_matter(order: str, indent: int, tmp_path: Path) -> None:
    for name in ("bert-uncased", "conflict-roberta-config-says-prefix", "deberta-v2"):
        folder = Path(shutil.copytree(GOLDEN / name, tmp_path / name))
        path = folder / "tokenizer.json"
        found = ORDERS[order](json.loads(path.read_bytes()))
        path.write_text(json.dumps(found, indent=indent))
        assert json.loads(document_at(path).dump()) == found
        texts = ["I like you.", "a <mask> b [SEP] c"]
        expected = encode(texts, Bundle.load(GOLDEN / name))
        assert encode(texts, Bundle.load(folder)) == expected


def test_the_model_is_not_read_if_it_need_not_be(tmp_path: Path) -> None:
    """It is most of the file: 250,000 entries in XLM-RoBERTa's."""
    path = tmp_path / "tokenizer.json"
    head, _, _ = (GOLDEN / "bert-uncased" / "tokenizer.json").read_bytes().partition(b'"model":')
    path.write_bytes(head + b'"model":{"no JSON')
    document = document_at(path)
    assert document.part("pre_tokenizer") == {"type": "BertPreTokenizer"}
    assert document.added_ids()["[PAD]"] == 0
    with pytest.raises(ValueError, match="Unterminated string"):
        document.vocabulary()


def test_a_model_within_another_part(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    found = {"decoder": {"model": {"a": 1}}, "added_tokens": [], "model": {"vocab": {"b": 2}}}
    path.write_text(json.dumps(found))
    document = document_at(path)
    assert document.part("decoder") == {"model": {"a": 1}}
    assert document.vocabulary() == {"b": 2}


def test_an_edit() -> None:
    document = document_at(GOLDEN / "bert-uncased" / "tokenizer.json")
    assert document.edit() == document
    edited = document.edit(normalizer=None)
    assert json.loads(edited.dump()) == json.loads(document.dump()) | {"normalizer": None}


@named
def test_every_id_of_the_vocabulary(path: Path) -> None:
    model = json.loads(path.read_bytes())["model"]
    found = document_at(path).vocabulary()
    if model["type"] == "Unigram":
        assert [piece for piece, _ in model["vocab"]] == list(found)
        assert list(found.values()) == list(range(len(found)))
    else:
        assert found == model["vocab"]


def folder(tmp_path: Path, **parts: Any) -> Path:
    """A copy of a golden folder that finds its pad token in the vocabulary."""
    made = Path(shutil.copytree(GOLDEN / "bert-uncased", tmp_path / "m"))
    found = json.loads((made / "tokenizer.json").read_bytes()) | {"added_tokens": []} | parts
    (made / "tokenizer.json").write_text(json.dumps(found))
    return made


def test_a_pad_token_is_found_among_the_added_ones_before_the_vocabulary(tmp_path: Path) -> None:
    pad = {"content": "[PAD]", "single_word": False, "lstrip": False, "rstrip": False,
           "normalized": False, "special": True}  # fmt: skip
    for at in (0, 9):
        bundle = Bundle.load(folder(tmp_path / str(at), added_tokens=[{"id": at, **pad}]))
        assert bundle.loaded.padding.token_id == at
    assert Bundle.load(folder(tmp_path / "none")).loaded.padding.token_id == 0


@pytest.mark.parametrize(
    "model", [None, [], {}, {"vocab": 3}, {"vocab": [3]}, {"vocab": {"a": []}}]
)
def test_a_model_without_a_vocabulary(model: Any, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"tokenizer\.json cannot be read as a tokenizer: .*copy"):
        Bundle.load(folder(tmp_path, model=model))
