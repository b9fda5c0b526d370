"""BERT's tokenizer from a `vocab.txt` and the flags of transformers' BertTokenizer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers
from tokenizers.processors import TemplateProcessing

from lightclient.errors import BundleError

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
        BundleError: the file is missing, not UTF-8, or lacks a special token.
    """
    vocab = _read_vocab(path)
    special = {role: _token(settings.get(role, default)) for role, default in _SPECIAL.items()}
    missing = [token for token in special.values() if token not in vocab]
    if missing:
        raise BundleError(f"{path} has no {', '.join(missing)}; is it a BERT vocabulary?")
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token=special["unk_token"]))
    tokenizer.normalizer = normalizers.BertNormalizer(
        lowercase=settings.get("do_lower_case", True),
        strip_accents=settings.get("strip_accents"),
        handle_chinese_chars=settings.get("tokenize_chinese_chars", True),
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
