"""`tokenizer.json` as plain values, which are edited before the tokenizers library loads them."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lightclient.errors import BundleError

# All but the model, which the library writes last.
_PARTS = {"truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor"}


class Document(NamedTuple):
    """The contents of a `tokenizer.json`.

    `model`: the JSON of the model, to the end of the file. It is most of the file and is seldom
    needed, so it is not parsed. `edited`: whether this differs from the file at `path`.
    """

    parts: dict[str, Any]
    model: bytes
    path: Path
    edited: bool = False

    def part(self, name: str) -> dict[str, Any]:
        """A part that is an object; an empty one if there is none."""
        found = self.parts.get(name)
        return found if isinstance(found, dict) else {}

    def added_tokens(self) -> list[dict[str, Any]]:
        """The tokens that are searched for before a text is split into words."""
        found = self.parts.get("added_tokens")
        return [t for t in found if isinstance(t, dict)] if isinstance(found, list) else []

    def added_ids(self) -> dict[str, int]:
        """The ids of the added tokens."""
        pairs = ((token.get("content"), token.get("id")) for token in self.added_tokens())
        return {name: at for name, at in pairs if isinstance(name, str) and isinstance(at, int)}

    def vocabulary(self) -> dict[str, int]:
        """The tokens of the model, and their ids.

        Raises:
            BundleError: there is nothing like a vocabulary.
        """
        try:
            model, _ = json.JSONDecoder().raw_decode(self.model.decode().lstrip())
            found = model["vocab"]
            if isinstance(found, list):  # Unigram: pairs of a token and its score
                return {token: at for at, (token, _) in enumerate(found)}
            return {token: int(at) for token, at in found.items()}
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise _unreadable(self.path, "no vocabulary") from error

    def find(self, *names: str) -> int | None:
        """The id of the first of these tokens that there is, added ones first; None if none is."""
        for ids in (self.added_ids, self.vocabulary):
            found = ids()
            for name in names:
                if name in found:
                    return found[name]
        return None

    def longest_word(self) -> int:
        """How many letters of a word WordPiece looks at; 0 for other models."""
        found = re.search(rb'"max_input_chars_per_word":\s*(\d{1,9})', self.model)
        return int(found[1]) if found else 0

    def edit(self, **changes: Any) -> "Document":
        """A copy with other parts, or the document itself if nothing changes."""
        parts = self.parts | changes
        return self if parts == self.parts else self._replace(parts=parts, edited=True)

    def dump(self) -> str:
        """The whole document as JSON."""
        return f'{json.dumps(self.parts)[:-1]},"model":{self.model.decode()}'


def read_document(path: Path) -> Document:
    """Read a `tokenizer.json`.

    Raises:
        BundleError: it cannot be read, or holds no JSON object.
    """
    try:
        return Document(*_split(path.read_bytes()), path)
    except (OSError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise _unreadable(path, error) from error


def _split(data: bytes) -> tuple[dict[str, Any], bytes]:
    head, _, model = data.partition(b'"model":')
    try:
        parts = json.loads(head.rstrip(b", \t\r\n") + b"}")
        if parts.keys() >= _PARTS:
            return parts, model
    except (ValueError, RecursionError):
        pass  # the model does not come last, or this is no JSON at all
    parts = json.loads(data)
    return parts, json.dumps(parts.pop("model", None)).encode() + b"}"


def _unreadable(path: Path, why: object) -> BundleError:
    return BundleError(
        f"{path} is not a tokenizer that can be read: {why!s:.200}; copy it from the model's "
        "Hugging Face folder again"
    )


def wordpiece_document(path: Path, special: Mapping[str, str]) -> Document:
    """Write the tokenizer that transformers makes of BERT's `vocab.txt`.

    The rules are those of transformers 4.57, convert_slow_tokenizer.py, BertConverter. It has no
    added tokens yet.

    Args:
        path: one token a line; a line's number is the token's id.
        special: the special tokens, by their names in `tokenizer_config.json`.

    Raises:
        BundleError: the file is missing, not UTF-8, or lacks a special token.
    """
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, ValueError) as error:
        raise BundleError(
            f"{path} cannot be read as UTF-8 text: {error}; copy it from the model's Hugging Face "
            "folder again"
        ) from error
    vocab = {line: at for at, line in enumerate(lines)}
    missing = [token for token in special.values() if token not in vocab]
    if missing:
        raise BundleError(f"{path} has no {', '.join(missing)}; is it a BERT vocabulary?")
    cls, sep = special["cls_token"], special["sep_token"]
    parts = {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": {"type": "BertNormalizer", "clean_text": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "BertProcessing", "cls": [cls, vocab[cls]], "sep": [sep, vocab[sep]],
        },
    }  # fmt: skip
    model = {
        "type": "WordPiece",
        "unk_token": special["unk_token"],
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
        "vocab": vocab,
    }
    return Document(parts, json.dumps(model).encode() + b"}", path, edited=True)
