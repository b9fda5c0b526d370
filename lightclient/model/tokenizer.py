"""A folder's tokenizer, set up as the model's tokenizer class of transformers does it.

Where `tokenizer.json` and `tokenizer_config.json` contradict each other, that class decides. The
rules here are those of transformers 4.57 and 5.23, found by running both (tests/data/golden).
Paths below are those of 4.57.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightclient.errors import BundleError
from lightclient.messages import short_repr
from lightclient.model import library
from lightclient.model.document import Document, added_token, read_document, wordpiece_document

# Classes that set their normalizer by tokenizer_config.json, with defaults of their own
# (models/bert/tokenization_bert_fast.py, __init__, and the like).
_BERT_LIKE = frozenset({
    "bert", "convbert", "distilbert", "electra", "funnel", "layoutlm", "lxmert", "mobilebert",
    "mpnet", "squeezebert",
})  # fmt: skip
_GENERIC = frozenset({"", "pretrained", "tokenizersbackend"})
# pad_token is None by default (models/gpt2/tokenization_gpt2_fast.py).
_WITHOUT_PAD_TOKEN = _GENERIC | {"gpt2"}
# model_input_names has no token_type_ids (models/roberta/tokenization_roberta_fast.py).
_WITHOUT_TYPE_IDS = frozenset({
    "bart", "camembert", "distilbert", "gpt2", "longformer", "mpnet", "roberta", "xlmroberta",
})  # fmt: skip
# padding_side and _pad_token_type_id of the class (models/xlnet/tokenization_xlnet_fast.py).
_LEFT_PADDED = frozenset({"xlnet", "cpm"})
_XLNET_PAD_TYPE = 3
# tokenization_utils_base.py, SPECIAL_TOKENS_ATTRIBUTES
_ROLES = (
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
)  # fmt: skip
_FLAGS = ("lstrip", "rstrip", "single_word", "normalized", "special")


@dataclass(frozen=True)
class Padding:
    """How a row is padded: the pad token's id, None if there is none, its type id, the side."""

    token_id: int | None
    type_id: int
    left: bool


@dataclass(frozen=True)
class LoadedTokenizer:
    """The tokenizer, and the settings that this client applies itself.

    `has_type_ids`: whether the type ids of the tokenizer are used; if not, all are 0. `cut_left`:
    truncation cuts the start of a text. `longest_word`: how many letters of a word WordPiece reads;
    0 for other models.
    """

    tokenizer: library.Tokenizer
    padding: Padding
    has_type_ids: bool
    cut_left: bool
    longest_word: int


def load_tokenizer(
    folder: Path, tokens: Mapping[str, Any], config: Mapping[str, Any]
) -> LoadedTokenizer:
    """Load `tokenizer.json`, or else WordPiece from `vocab.txt`.

    Args:
        folder: the model's folder.
        tokens: `tokenizer_config.json`, with `special_tokens_map.json` merged in.
        config: `config.json`.

    Raises:
        BundleError: neither file is there, or it is broken, or its pad token is unknown.
    """
    family = _family(tokens, config)
    if (folder / "tokenizer.json").is_file():
        return _load(read_document(folder / "tokenizer.json"), tokens, config, family)
    if (folder / "vocab.txt").is_file() and family in _BERT_LIKE - {"mpnet"} | _GENERIC:
        return load_wordpiece(folder / "vocab.txt", tokens, config)
    raise BundleError(
        f"{folder} has neither tokenizer.json nor vocab.txt; save the model's fast tokenizer "
        "there: AutoTokenizer.from_pretrained(MODEL).save_pretrained(FOLDER)"
    )


def load_wordpiece(
    vocab: Path, tokens: Mapping[str, Any], config: Mapping[str, Any]
) -> LoadedTokenizer:
    """Build WordPiece from a `vocab.txt`; otherwise as `load_tokenizer`."""
    family = _family(tokens, config)
    document = wordpiece_document(vocab, tokens)
    return _load(document, tokens, config, "bert" if family in _GENERIC else family)


def _load(
    document: Document, tokens: Mapping[str, Any], config: Mapping[str, Any], family: str
) -> LoadedTokenizer:
    edited = document.edit(**_changes(document, tokens, family))
    # tokenization_utils_fast.py, PreTrainedTokenizerFast.__init__
    splits_special = tokens.get("split_special_tokens") is True
    by_class = "left" if family in _LEFT_PADDED else "right"
    inputs = tokens.get("model_input_names")
    has_type_ids = family not in _WITHOUT_TYPE_IDS
    return LoadedTokenizer(
        library.load(edited, splits_special),
        Padding(
            _pad_id(edited, tokens, config, family),
            _XLNET_PAD_TYPE if family in _LEFT_PADDED else 0,
            _is_left("padding_side", tokens, document.part("padding"), by_class),
        ),
        "token_type_ids" in inputs if isinstance(inputs, list) else has_type_ids,
        _is_left("truncation_side", tokens, document.part("truncation"), "right"),
        document.longest_word(),
    )


def _changes(document: Document, tokens: Mapping[str, Any], family: str) -> dict[str, Any]:
    """The parts of the file that the class overrides."""
    changes: dict[str, Any] = {}
    normalizer, splitter = document.part("normalizer"), document.part("pre_tokenizer")
    if normalizer.get("type") == "BertNormalizer" and family in _BERT_LIKE:
        changes["normalizer"] = normalizer | _bert_flags(tokens, family)
    # PreTrainedTokenizerFast.__init__ of 4.57, at its end; the generic class of 5.23 does not.
    if splitter.get("type") == "ByteLevel" and family not in _GENERIC:
        prefix = _flag(tokens, "add_prefix_space", default=False)
        changes["pre_tokenizer"] = splitter | {"add_prefix_space": prefix}
    added = _new_tokens(document, tokens)
    if added:
        changes["added_tokens"] = document.added_tokens() + added
    return changes


def _bert_flags(tokens: Mapping[str, Any], family: str) -> dict[str, bool | None]:
    flags: dict[str, bool | None] = {
        "lowercase": _flag(tokens, "do_lower_case", default=True),
        "strip_accents": None,  # the library strips accents if it lowers letters
    }
    if tokens.get("strip_accents") is not None:
        flags["strip_accents"] = _flag(tokens, "strip_accents", default=False)
    if family != "mpnet":
        flags["handle_chinese_chars"] = _flag(tokens, "tokenize_chinese_chars", default=True)
    return flags


def _flag(tokens: Mapping[str, Any], key: str, *, default: bool) -> bool:
    value = tokens.get(key, default)
    if isinstance(value, bool):
        return value
    raise BundleError(f"{key} must be true or false, not {short_repr(value)}")


def _new_tokens(document: Document, tokens: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The tokens that only tokenizer_config.json has, which transformers adds while it loads.

    Their ids are those that the library gives (tokenizers 0.23, added_vocabulary.rs, add_tokens).
    """
    known = document.added_ids()
    new: dict[str, dict[str, bool]] = {}
    for content, flags in map(_stated_token, _stated(tokens)):
        if content not in known:
            new.setdefault(content, flags)
    vocabulary = document.vocabulary() if new else {}
    next_id = max([len(vocabulary), *(at + 1 for at in known.values())])
    found = []
    for content, flags in new.items():
        found.append(added_token(content, vocabulary.get(content, next_id), **flags))
        next_id += content not in vocabulary
    return found


def _stated(tokens: Mapping[str, Any]) -> list[Any]:
    by_id = tokens.get("added_tokens_decoder") or {}
    extra = tokens.get("extra_special_tokens") or []
    extra = list(extra.values()) if isinstance(extra, dict) else extra
    more = tokens.get("additional_special_tokens") or []
    if not (isinstance(by_id, dict) and isinstance(extra, list) and isinstance(more, list)):
        raise BundleError("tokenizer_config.json: added or special tokens are no list of tokens")
    roles = [tokens[role] for role in _ROLES if tokens.get(role)]
    return [*by_id.values(), *roles, *extra, *more]


def _stated_token(stated: Any) -> tuple[str, dict[str, bool]]:
    flags = {}
    if isinstance(stated, dict):
        flags = {key: value for key, value in stated.items() if key in _FLAGS}
        stated = stated.get("content")
    text = stated.encode("utf-8", "ignore").decode() if isinstance(stated, str) else ""
    if not text or text != stated or not all(type(flag) is bool for flag in flags.values()):
        raise BundleError(f"tokenizer_config.json: {short_repr(stated)} is no token")
    return text, flags


def _family(tokens: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """`BertTokenizerFast` and model_type `bert` are both `bert`; `xlm-roberta` is `xlmroberta`."""
    name = tokens.get("tokenizer_class") or config.get("model_type") or ""
    return str(name).removesuffix("Fast").removesuffix("Tokenizer").replace("-", "").lower()


def _pad_id(
    document: Document, tokens: Mapping[str, Any], config: Mapping[str, Any], family: str
) -> int | None:
    by_class = "pad_token" not in tokens and family not in _WITHOUT_PAD_TOKEN
    token = tokens.get("pad_token", document.part("padding").get("pad_token"))
    token = token.get("content") if isinstance(token, dict) else token
    names = ("[PAD]", "<pad>") if by_class else (str(token),)
    token_id = document.find(*names) if by_class or token is not None else None
    if token_id is None and (by_class or token is None):
        stated = config.get("pad_token_id")
        if stated is None or (type(stated) is int and stated >= 0):
            return stated
        words = f"config.json: pad_token_id must be a whole number, not {short_repr(stated)}"
        raise BundleError(words)
    size = config.get("vocab_size")
    if token_id is None or (isinstance(size, int) and token_id >= size):
        raise BundleError(f"the pad token {short_repr(names[0])} is not in the model's vocabulary")
    return token_id


def _is_left(key: str, tokens: Mapping[str, Any], own: Mapping[str, Any], by_class: str) -> bool:
    side = tokens.get(key) or own.get("direction") or by_class
    if str(side).lower() not in ("left", "right"):
        words = f"tokenizer_config.json: {key} must be left or right, not {short_repr(side)}"
        raise BundleError(words)
    return str(side).lower() == "left"
