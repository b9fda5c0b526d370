"""BERT's tokenizer from a `vocab.txt` and the flags of transformers' BertTokenizer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers
from tokenizers.processors import TemplateProcessing

from lightclient.errors import BundleError
from lightclient.messages import short_repr

_SPECIAL = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}


def wordpiece_tokenizer(path: Path, settings: Mapping[str, Any]) -> Tokenizer:
    """Build the tokenizer that transformers' BertTokenizerFast builds from the same file.

    Args:
        path: one token a line; a line's number is the token's id.
        settings: `do_lower_case`, `strip_accents`, `tokenize_chinese_chars` and the special
            tokens, as `tokenizer_config.json` has them; each may be left out.

    Raises:
        BundleError: the file is missing, not UTF-8, or lacks a special token; a flag is no flag.
    """
    vocab = _read_vocab(path)
    special = {role: _token(settings.get(role, default)) for role, default in _SPECIAL.items()}
    missing = [token for token in special.values() if token not in vocab]
    if missing:
        raise BundleError(f"{path} has no {', '.join(missing)}; is it a BERT vocabulary?")
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token=special["unk_token"]))
    tokenizer.normalizer = normalizers.BertNormalizer(
        lowercase=read_flag(settings, "do_lower_case", default=True),
        strip_accents=read_strip_accents(settings),
        handle_chinese_chars=read_flag(settings, "tokenize_chinese_chars", default=True),
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in special.values()])
    cls, sep = special["cls_token"], special["sep_token"]
    tokenizer.post_processor = TemplateProcessing(
        single=f"{cls}:0 $A:0 {sep}:0",
        pair=f"{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1",
        special_tokens=[(cls, vocab[cls]), (sep, vocab[sep])],
    )
    return tokenizer


def read_flag(settings: Mapping[str, Any], key: str, *, default: bool) -> bool:
    """A flag of the tokenizer's settings.

    Raises:
        BundleError: it is something else.
    """
    value = settings.get(key, default)
    if isinstance(value, bool):
        return value
    raise BundleError(f"{key} must be true or false, not {short_repr(value)}")


def read_strip_accents(settings: Mapping[str, Any]) -> bool | None:
    """The one flag that may be null: accents go where letters are lowered."""
    if settings.get("strip_accents") is None:
        return None
    return read_flag(settings, "strip_accents", default=False)


def _token(stated: object) -> str:
    return str(stated["content"]) if isinstance(stated, dict) else str(stated)


def _read_vocab(path: Path) -> dict[str, int]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read as UTF-8 text: {error}") from error
    if lines[-1] == "":
        del lines[-1]
    return {line: at for at, line in enumerate(lines)}
