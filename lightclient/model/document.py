"""The JSON files of a model's folder, as plain values."""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from lightclient.errors import BundleError
from lightclient.messages import short_repr

# What reading a file raises, and what values of an unexpected shape raise where they are used.
BROKEN = (AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError)
# Parts of tokenizer.json that the library always writes, and before the model.
_PARTS = {"truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor"}


class JsonFile(dict[str, Any]):
    """`config.json` or `tokenizer_config.json`. `name`: what errors call the file."""

    def __init__(self, name: object, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.name = name

    def whole(self, *keys: str, least: int = 0, most: int = 2**31) -> int | None:
        """The whole number, perhaps written as 2.0, of the first key that there is; or None."""
        key = next((key for key in keys if key in self), keys[0])
        value = self.get(key)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if value is None or (type(value) is int and least <= value <= most):
            return value
        raise self.error(key, f"a whole number from {least} to {most}")

    def one_of(self, key: str, *choices: Any) -> Any:
        """One of these values, which have one type; None if there is none."""
        value = self.get(key)
        # The type counts as well, because 1 equals True.
        if value is None or (value in choices and type(value) is type(choices[0])):
            return value
        raise self.error(key, f"one of {', '.join(map(json.dumps, choices))}")

    def values_of(self, key: str) -> list[Any]:
        """The values of a list or an object; none if there is neither."""
        found = self.get(key) or []
        if not isinstance(found, (dict, list)):
            raise self.error(key, "a list or an object")
        return list(found.values()) if isinstance(found, dict) else found

    def error(self, key: str, expected: str) -> BundleError:
        """The error for a value that is not what it must be."""
        return BundleError(
            f"{self.name}: {key} must be {expected}, not {short_repr(self.get(key))}; correct it, "
            "or copy the file again from the model's Hugging Face folder"
        )


def parse_json(content: bytes, path: str) -> JsonFile:
    """Parse a file of this content, which must be an object."""
    try:
        return JsonFile(path, {**json.loads(content)})
    except BROKEN as error:
        raise unreadable(path, "a JSON object", error) from error


def unreadable(path: str, what: str, error: Exception) -> BundleError:
    """The error for a file that is missing or broken."""
    words = f"{path} cannot be read as {what}: {error!s:.200}"
    return BundleError(f"{words}; copy it from the model's Hugging Face folder")


class Document(NamedTuple):
    """A `tokenizer.json`, which is edited before the tokenizers library loads it.

    `model`: the JSON of the model, to the end of the file. It is most of the file and is seldom
    needed, so it is not parsed. `path`: what errors call the file.
    """

    parts: dict[str, Any]
    model: bytes
    path: str

    def part(self, name: str) -> dict[str, Any]:
        """A part that is an object; an empty one if there is none."""
        return self.parts.get(name) or {}

    def added_tokens(self) -> list[dict[str, Any]]:
        """The tokens that are searched for before a text is split into words."""
        return self.parts.get("added_tokens") or []

    def added_ids(self) -> dict[str, int]:
        """The ids of the added tokens."""
        return {token["content"]: token["id"] for token in self.added_tokens()}

    def vocabulary(self) -> dict[str, int]:
        """The ids of the model's own tokens."""
        model, _ = json.JSONDecoder().raw_decode(self.model.decode().lstrip())
        found = model["vocab"]
        if isinstance(found, list):  # Unigram: pairs of a token and its score
            return {token: at for at, (token, _) in enumerate(found)}
        return {token: int(at) for token, at in found.items()}

    def longest_word(self) -> int:
        """How many letters of a word WordPiece looks at; 0 for other models."""
        found = re.search(rb'"max_input_chars_per_word":\s*(\d{1,9})', self.model)
        return int(found[1]) if found else 0

    def edit(self, **changes: Any) -> "Document":
        """A copy with other parts."""
        return self._replace(parts=self.parts | changes)

    def dump(self) -> bytes:
        """The whole document as JSON."""
        return json.dumps(self.parts)[:-1].encode() + b',"model":' + self.model


def parse_document(data: bytes, path: str) -> Document:
    """Parse a `tokenizer.json`, all but its model."""
    head, _, model = data.partition(b'"model":')
    try:
        parts = json.loads(head.rstrip(b", \t\r\n") + b"}")
    except (ValueError, RecursionError):  # this "model" is within another part, or it is no JSON
        parts = {}
    if not parts.keys() >= _PARTS:  # the model does not come last
        parts = json.loads(data)
        model = json.dumps(parts.pop("model", None)).encode() + b"}"
    return Document(parts, model, path)


def wordpiece_document(data: bytes, path: str, special: Mapping[str, str]) -> Document:
    """Write the tokenizer that transformers makes of BERT's `vocab.txt`, without added tokens.

    `special` names the special tokens by their keys in `tokenizer_config.json`.
    (transformers 4.57, convert_slow_tokenizer.py, BertConverter)
    """
    text = data.decode().replace("\r\n", "\n").replace("\r", "\n")
    # A line's number is its token's id, so an empty line counts, and str.splitlines won't do: it
    # splits at other characters as well.
    vocab = {line: at for at, line in enumerate(text.removesuffix("\n").split("\n"))}
    missing = [token for token in special.values() if token not in vocab]
    if missing:
        raise BundleError(f"{path} has no {', '.join(missing)}; is it a BERT vocabulary?")
    cls, sep = ([special[role], vocab[special[role]]] for role in ("cls_token", "sep_token"))
    parts = {
        "version": "1.0",
        "normalizer": {"type": "BertNormalizer", "clean_text": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "cls": cls, "sep": sep},
    }
    model = {
        "type": "WordPiece", "vocab": vocab, "unk_token": special["unk_token"],
        "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
    }  # fmt: skip
    return Document(parts, json.dumps(model).encode() + b"}", path)
