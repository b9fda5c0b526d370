"""`tokenizer.json` as plain values, to be edited before the tokenizers library sees it."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from lightclient.errors import BundleError

# What the library writes before the model, which comes last.
_PARTS = {"truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor"}


class Document(NamedTuple):
    """What stands in the file, but for the model, which is most of it and seldom needs reading.

    `model`: its JSON, and whatever follows. `edited`: `path` holds something else.
    """

    parts: dict[str, Any]
    model: bytes
    path: Path
    edited: bool = False

    def part(self, name: str) -> dict[str, Any]:
        """One of the objects; empty if there is none."""
        found = self.parts.get(name)
        return found if isinstance(found, dict) else {}

    def added_tokens(self) -> list[dict[str, Any]]:
        """The tokens that are looked for before a text is split into words."""
        found = self.parts.get("added_tokens")
        return [t for t in found if isinstance(t, dict)] if isinstance(found, list) else []

    def added_ids(self) -> dict[str, int]:
        """Their ids."""
        pairs = ((token.get("content"), token.get("id")) for token in self.added_tokens())
        return {name: at for name, at in pairs if isinstance(name, str) and isinstance(at, int)}

    def edit(self, **changes: Any) -> "Document":
        """The same with other parts; itself, if they are no others."""
        parts = self.parts | changes
        return self if parts == self.parts else self._replace(parts=parts, edited=True)

    def dump(self) -> str:
        """The whole as JSON."""
        return f'{json.dumps(self.parts)[:-1]},"model":{self.model.decode()}'

    def vocabulary(self) -> dict[str, int]:
        """The model's tokens and their ids.

        Raises:
            BundleError: the model is not written as the library writes one.
        """
        try:
            model, _ = json.JSONDecoder().raw_decode(self.model.decode().lstrip())
            found = model["vocab"]
            if isinstance(found, list):  # Unigram: pairs of a token and its score
                return {token: at for at, (token, _) in enumerate(found)}
            return {token: int(at) for token, at in found.items()}
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise BundleError(
                f"{self.path} is not a tokenizer that can be read: no vocabulary"
            ) from error

    def find(self, *names: str) -> int | None:
        """The id of the first of these tokens that there is, added ones first; None if none is."""
        for ids in (self.added_ids, self.vocabulary):
            found = ids()
            for name in names:
                if name in found:
                    return found[name]
        return None

    def longest_word(self) -> int:
        """How many letters of a word WordPiece looks at, 0 for other models."""
        found = re.search(rb'"max_input_chars_per_word":\s*(\d{1,9})', self.model)
        return int(found[1]) if found else 0


def read_document(path: Path) -> Document:
    """Read a `tokenizer.json`.

    Raises:
        BundleError: it cannot be read, or holds no JSON object.
    """
    try:
        return Document(*_split(path.read_bytes()), path)
    except (OSError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise BundleError(f"{path} is not a tokenizer that can be read: {error!s:.200}") from error


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
