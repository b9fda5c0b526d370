"""A folder's tokenizer, set up as the model's tokenizer class of transformers does it.

Where `tokenizer.json` and `tokenizer_config.json` contradict each other, that class decides. The
rules here are those of transformers 4.57 and 5.23, found by running both (tests/data/golden).
Paths below are those of 4.57.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightclient.errors import BundleError
from lightclient.messages import short_repr
from lightclient.model import library
from lightclient.model.document import Document, read_document, wordpiece_document
from lightclient.model.jsonfile import JsonFile

# Classes that set their normalizer by tokenizer_config.json, with defaults of their own
# (models/bert/tokenization_bert_fast.py, __init__, and the like).
_BERT_LIKE = frozenset({
    "bert", "convbert", "distilbert", "electra", "funnel", "layoutlm", "lxmert", "mobilebert",
    "mpnet", "squeezebert",
})  # fmt: skip
_BERT_TOKENS = {
    "pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}  # fmt: skip
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
_SIDES = ("left", "right")
_BOOLS = (True, False)


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


def load_tokenizer(path: Path, tokens: JsonFile, config: JsonFile) -> LoadedTokenizer:
    """Load `tokenizer.json`, or else WordPiece from `vocab.txt`.

    Args:
        path: the model's folder, or a `vocab.txt`.
        tokens: `tokenizer_config.json`, with `special_tokens_map.json` merged in.
        config: `config.json`.

    Raises:
        BundleError: neither file is there, or it is broken, or its pad token is unknown.
    """
    family = _family(tokens, config)
    vocab = path / "vocab.txt" if path.is_dir() else path
    if (path / "tokenizer.json").is_file():
        document = read_document(path / "tokenizer.json")
    elif vocab is path or (vocab.is_file() and family in _BERT_LIKE - {"mpnet"} | _GENERIC):
        family = "bert" if family in _GENERIC else family
        special = {role: tokens.get(role) or token for role, token in _BERT_TOKENS.items()}
        tokens = JsonFile(tokens.name, tokens | special)
        document = wordpiece_document(vocab, {k: _content(v) for k, v in special.items()})
    else:
        raise BundleError(
            f"{path} has neither tokenizer.json nor vocab.txt; save the model's fast tokenizer "
            "there: AutoTokenizer.from_pretrained(MODEL).save_pretrained(FOLDER)"
        )
    document = document.edit(**_changes(document, tokens, family))
    inputs = tokens.get("model_input_names")
    own_side = "left" if family in _LEFT_PADDED else "right"
    padding = Padding(
        _pad_id(document, tokens, config, family),
        _XLNET_PAD_TYPE if family in _LEFT_PADDED else 0,
        _is_left("padding", document, tokens, own_side),
    )
    return LoadedTokenizer(
        # tokenization_utils_fast.py, PreTrainedTokenizerFast.__init__
        library.load(document, splits_special=tokens.get("split_special_tokens") is True),
        padding,
        "token_type_ids" in inputs if isinstance(inputs, list) else family not in _WITHOUT_TYPE_IDS,
        _is_left("truncation", document, tokens, "right"),
        document.longest_word(),
    )


def _family(tokens: JsonFile, config: JsonFile) -> str:
    """`BertTokenizerFast` and model_type `bert` are both `bert`; `xlm-roberta` is `xlmroberta`."""
    name = tokens.get("tokenizer_class") or config.get("model_type") or ""
    return str(name).removesuffix("Fast").removesuffix("Tokenizer").replace("-", "").lower()


def _is_left(what: str, document: Document, tokens: JsonFile, default: str) -> bool:
    own = str(document.part(what).get("direction") or default).lower()
    return (tokens.one_of(f"{what}_side", _SIDES) or own) == "left"


def _changes(document: Document, tokens: JsonFile, family: str) -> dict[str, Any]:
    """The parts of the file that the class overrides."""
    changes: dict[str, Any] = {}
    normalizer, splitter = document.part("normalizer"), document.part("pre_tokenizer")
    if normalizer.get("type") == "BertNormalizer" and family in _BERT_LIKE:
        changes["normalizer"] = normalizer | _bert_flags(tokens, family)
    # PreTrainedTokenizerFast.__init__ of 4.57, at its end; the generic class of 5.23 does not.
    if splitter.get("type") == "ByteLevel" and family not in _GENERIC:
        prefix = tokens.one_of("add_prefix_space", _BOOLS) or False
        changes["pre_tokenizer"] = splitter | {"add_prefix_space": prefix}
    added = _new_tokens(document, tokens)
    if added:
        changes["added_tokens"] = document.added_tokens() + added
    return changes


def _bert_flags(tokens: JsonFile, family: str) -> dict[str, bool | None]:
    flags = {
        "lowercase": tokens.one_of("do_lower_case", _BOOLS) is not False,
        # None: the library strips accents if it lowers letters.
        "strip_accents": tokens.one_of("strip_accents", _BOOLS),
    }
    if family != "mpnet":
        flags["handle_chinese_chars"] = tokens.one_of("tokenize_chinese_chars", _BOOLS) is not False
    return flags


def _new_tokens(document: Document, tokens: JsonFile) -> list[dict[str, Any]]:
    """The tokens that only tokenizer_config.json has, which transformers adds while it loads.

    Their ids are those that the library gives (tokenizers 0.23, added_vocabulary.rs, add_tokens).
    """
    known = document.added_ids()
    new: dict[str, dict[str, Any]] = {}
    for token in _stated(tokens):
        if token["content"] not in known:
            new.setdefault(token["content"], token)
    vocabulary = document.vocabulary() if new else {}
    next_id = max([len(vocabulary), *(at + 1 for at in known.values())])
    for content, token in new.items():
        token["id"] = vocabulary.get(content, next_id)
        next_id += content not in vocabulary
    return list(new.values())


def _stated(tokens: JsonFile) -> Iterator[dict[str, Any]]:
    """The tokens that are stated, as entries of `added_tokens` that have no id yet."""
    by_id = tokens.get("added_tokens_decoder") or {}
    extra = tokens.get("extra_special_tokens") or []
    extra = list(extra.values()) if isinstance(extra, dict) else extra
    more = tokens.get("additional_special_tokens") or []
    if not (isinstance(by_id, dict) and isinstance(extra, list) and isinstance(more, list)):
        raise tokens.error("the added or special tokens are no list of tokens")
    roles = [tokens[role] for role in _ROLES if tokens.get(role)]
    for stated in [*by_id.values(), *roles, *extra, *more]:
        text = _content(stated)
        found = dict.fromkeys(_FLAGS, False) | {"special": True, "content": text}
        if isinstance(stated, dict):
            found |= {key: value for key, value in stated.items() if key in _FLAGS}
        readable = text and text == text.encode("utf-8", "ignore").decode()
        if not readable or not all(type(found[flag]) is bool for flag in _FLAGS):
            raise tokens.error(f"{short_repr(stated)} is no token")
        yield found


def _content(stated: Any) -> str:
    """The token itself, which may stand alone or beside its flags; "" if this is no token."""
    text = stated.get("content") if isinstance(stated, dict) else stated
    return text if isinstance(text, str) else ""


def _pad_id(document: Document, tokens: JsonFile, config: JsonFile, family: str) -> int | None:
    token = tokens.get("pad_token", document.part("padding").get("pad_token"))
    names = [_content(token)]
    by_class = "pad_token" not in tokens and family not in _WITHOUT_PAD_TOKEN
    if by_class:
        names = ["[PAD]", "<pad>"]
    token_id = document.find(*names) if by_class or token is not None else None
    if token_id is None and (by_class or token is None):
        return config.whole("pad_token_id")
    size = config.get("vocab_size")
    if token_id is None or (isinstance(size, int) and token_id >= size):
        raise tokens.error(f"the pad token {short_repr(names[0])} is not in the model's vocabulary")
    return token_id
