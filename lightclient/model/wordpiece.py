"""BERT's `tokenizer.json`, made from a `vocab.txt`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightclient.errors import BundleError
from lightclient.model.document import Document

# transformers, models/bert/tokenization_bert.py, BertTokenizer.__init__
_SPECIAL = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}


def wordpiece_document(path: Path, settings: Mapping[str, Any]) -> Document:
    """Write what transformers makes of a `vocab.txt` (convert_slow_tokenizer.py, BertConverter).

    Args:
        path: one token a line; a line's number is the token's id.
        settings: the special tokens, as `tokenizer_config.json` has them; each may be left out.

    Raises:
        BundleError: the file is missing, not UTF-8, or lacks a special token.
    """
    vocab = _read_vocab(path)
    special = {role: _content(settings.get(role, default)) for role, default in _SPECIAL.items()}
    missing = [token for token in special.values() if token not in vocab]
    if missing:
        raise BundleError(f"{path} has no {', '.join(missing)}; is it a BERT vocabulary?")
    cls, sep = special["cls_token"], special["sep_token"]
    parts = {
        "version": "1.0",
        "added_tokens": [added_token(token, vocab[token]) for token in special.values()],
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


def added_token(content: str, token_id: int, **flags: bool) -> dict[str, Any]:
    """A token as `tokenizer.json` lists it among the added ones; by default a special one."""
    defaults = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": token_id, "content": content, **defaults, "special": True, **flags}


def _content(stated: object) -> str:
    return str(stated["content"]) if isinstance(stated, dict) else str(stated)


def _read_vocab(path: Path) -> dict[str, int]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read as UTF-8 text: {error}") from error
    if lines[-1] == "":
        del lines[-1]
    return {line: at for at, line in enumerate(lines)}
