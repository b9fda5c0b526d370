"""A folder's tokenizer, set up as the model's tokenizer class of transformers does it.

Where `tokenizer.json` and `tokenizer_config.json` contradict each other, that class decides. The
rules here are those of transformers 4.57 and 5.23, found by running both (tests/data/golden).
Paths below are those of 4.57.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from lightclient.errors import BundleError
from lightclient.messages import short_repr
from lightclient.model import library
from lightclient.model.document import Document, JsonFile, parse_document, wordpiece_document
from lightclient.model.files import VOCABULARY, Files, Origin

_GENERIC = frozenset({"", "pretrained", "tokenizersbackend"})
# Classes that set their normalizer by tokenizer_config.json, with defaults of their own
# (models/bert/tokenization_bert_fast.py, __init__, and the like).
_BERT_LIKE = frozenset({
    "bert", "convbert", "distilbert", "electra", "funnel", "layoutlm", "lxmert", "mobilebert",
    "mpnet", "squeezebert",
})  # fmt: skip
_BERT_TOKENS = {
    "unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}  # fmt: skip
# pad_token is None by default (models/gpt2/tokenization_gpt2_fast.py).
_WITHOUT_PAD_TOKEN = _GENERIC | {"gpt2"}
# model_input_names has no token_type_ids (models/roberta/tokenization_roberta_fast.py).
_WITHOUT_TYPE_IDS = frozenset({
    "bart", "camembert", "distilbert", "gpt2", "longformer", "mpnet", "roberta", "xlmroberta",
})  # fmt: skip
# padding_side and _pad_token_type_id of the class (models/xlnet/tokenization_xlnet_fast.py).
_LEFT_PADDED = frozenset({"xlnet", "cpm"})
# tokenization_utils_base.py, SPECIAL_TOKENS_ATTRIBUTES
_ROLES = ("bos_token", "eos_token", *_BERT_TOKENS)
_FLAGS = ("lstrip", "rstrip", "single_word", "normalized", "special")


class Padding(NamedTuple):
    """How a row is padded: the pad token's id, None if there is none, its type id, the side."""

    token_id: int | None
    type_id: int
    left: bool


class LoadedTokenizer(NamedTuple):
    """The tokenizer, and the settings that this client applies itself.

    Without `has_type_ids`, all type ids are 0. With `cut_left`, truncation cuts the start of a
    text. WordPiece reads `longest_word` letters of a word; it is 0 for other models.
    """

    tokenizer: library.Tokenizer
    padding: Padding
    has_type_ids: bool
    cut_left: bool
    longest_word: int


def load_tokenizer(
    files: Files, origin: Origin, tokens: JsonFile, config: JsonFile
) -> LoadedTokenizer:
    """Load a `tokenizer.json`, or else WordPiece from a `vocab.txt`.

    `tokens` is `tokenizer_config.json`. Files of an unexpected shape raise `BROKEN`, beside the
    BundleErrors that name what is wrong.
    """
    # `BertTokenizerFast` and model_type `bert` are both `bert`; `xlm-roberta` is `xlmroberta`.
    name = str(tokens.get("tokenizer_class") or config.get("model_type") or "")
    family = name.removesuffix("Fast").removesuffix("Tokenizer").replace("-", "").lower()
    if "tokenizer.json" not in files:
        family = "bert" if family in _GENERIC else family
        roles = {role: tokens.get(role) or token for role, token in _BERT_TOKENS.items()}
        tokens = JsonFile(tokens.name, tokens | roles)
    document = _read_document(files, origin, tokens, family)
    document = document.edit(**_changes(document, tokens, family))
    side, pad_type = ("left", 3) if family in _LEFT_PADDED else ("right", 0)
    pad_id = _pad_id(document, tokens, config, family)
    inputs = tokens.get("model_input_names")
    return LoadedTokenizer(
        # tokenization_utils_fast.py, PreTrainedTokenizerFast.__init__
        library.load(document, splits_special=tokens.get("split_special_tokens") is True),
        Padding(pad_id, pad_type, _is_left("padding", document, tokens, side)),
        "token_type_ids" in inputs if isinstance(inputs, list) else family not in _WITHOUT_TYPE_IDS,
        _is_left("truncation", document, tokens, "right"),
        document.longest_word(),
    )


def _read_document(files: Files, origin: Origin, tokens: JsonFile, family: str) -> Document:
    if "tokenizer.json" in files:
        return parse_document(files["tokenizer.json"], origin.path("tokenizer.json"))
    path = origin.path(VOCABULARY)
    if VOCABULARY in files and family in _BERT_LIKE - {"mpnet"}:
        special = {role: _content(tokens[role]) for role in _BERT_TOKENS}
        return wordpiece_document(files[VOCABULARY], path, special)
    raise BundleError(
        f"{path} is missing or is no BERT vocabulary, and no tokenizer.json is beside it; give the "
        "right path, or save the model's fast tokenizer there: "
        "AutoTokenizer.from_pretrained(MODEL).save_pretrained(FOLDER)"
    )


def _is_left(what: str, document: Document, tokens: JsonFile, default: str) -> bool:
    own = str(document.part(what).get("direction") or default)
    return (tokens.one_of(f"{what}_side", "left", "right") or own.lower()) == "left"


def _changes(document: Document, tokens: JsonFile, family: str) -> dict[str, Any]:
    """The parts of the file that the class overrides."""
    changes: dict[str, Any] = {}
    normalizer, splitter = document.part("normalizer"), document.part("pre_tokenizer")
    if normalizer.get("type") == "BertNormalizer" and family in _BERT_LIKE:
        changes["normalizer"] = normalizer | {
            "lowercase": tokens.one_of("do_lower_case", True, False) is not False,
            # None: the library strips accents if it lowers letters.
            "strip_accents": tokens.one_of("strip_accents", True, False),
        }
        if family != "mpnet":
            chinese = tokens.one_of("tokenize_chinese_chars", True, False)
            changes["normalizer"]["handle_chinese_chars"] = chinese is not False
    # PreTrainedTokenizerFast.__init__ of 4.57, at its end; the generic class of 5.23 does not.
    if splitter.get("type") == "ByteLevel" and family not in _GENERIC:
        prefix = tokens.one_of("add_prefix_space", True, False) is True
        changes["pre_tokenizer"] = splitter | {"add_prefix_space": prefix}
    if added := _new_tokens(document, tokens):
        changes["added_tokens"] = document.added_tokens() + added
    return changes


def _new_tokens(document: Document, tokens: JsonFile) -> list[dict[str, Any]]:
    """The tokens that only tokenizer_config.json has, which transformers adds while it loads."""
    known = document.added_ids()
    new: dict[str, dict[str, Any]] = {}
    for token in _stated_tokens(tokens):
        if token["content"] not in known:
            new.setdefault(token["content"], token)
    vocabulary = document.vocabulary() if new else {}
    # The ids that the library gives (tokenizers 0.23, added_vocabulary.rs, add_tokens).
    next_id = max([len(vocabulary), *(at + 1 for at in known.values())])
    for content, token in new.items():
        token["id"] = vocabulary.get(content, next_id)
        next_id += content not in vocabulary
    return list(new.values())


def _stated_tokens(tokens: JsonFile) -> Iterator[dict[str, Any]]:
    """Entries of `added_tokens`, without their ids."""
    stated = [*tokens.values_of("added_tokens_decoder"), *filter(None, map(tokens.get, _ROLES))]
    stated += tokens.values_of("extra_special_tokens")
    stated += tokens.values_of("additional_special_tokens")
    for found in stated:
        content = _content(found)
        token = dict.fromkeys(_FLAGS, False) | {"special": True, "content": content}
        if isinstance(found, dict):
            token |= {key: value for key, value in found.items() if key in _FLAGS}
        readable = content and content == content.encode("utf-8", "ignore").decode()
        if not readable or not all(type(token[flag]) is bool for flag in _FLAGS):
            raise BundleError(f"{tokens.name}: {short_repr(found)} is no token; correct it")
        yield token


def _content(stated: Any) -> str:
    """The token itself, which may stand alone or beside its flags; empty if this is no token."""
    content = stated.get("content") if isinstance(stated, dict) else stated
    return content if isinstance(content, str) else ""


def _pad_id(document: Document, tokens: JsonFile, config: JsonFile, family: str) -> int | None:
    token = tokens.get("pad_token", document.part("padding").get("pad_token"))
    by_class = "pad_token" not in tokens and family not in _WITHOUT_PAD_TOKEN
    names = ["[PAD]", "<pad>"] if by_class else [] if token is None else [_content(token)]
    ids = document.added_ids()
    if names and ids.keys().isdisjoint(names):
        ids = document.vocabulary()
    token_id = next((ids[name] for name in names if name in ids), None)
    if token_id is None and (by_class or token is None):
        return config.whole("pad_token_id")
    size = config.get("vocab_size")
    if token_id is None or (isinstance(size, int) and token_id >= size):
        raise BundleError(
            f"{tokens.name}: the pad token {short_repr(names[0])} is not in the model's "
            "vocabulary; correct pad_token, or vocab_size in config.json"
        )
    return token_id
