"""A folder's tokenizer, as the model's transformers class would set it up.

Where `tokenizer.json` and `tokenizer_config.json` contradict each other, transformers' tokenizer
class decides; the rules here are those of transformers 4.57 and 5.23, found by running both
(tests/data/golden).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import ByteLevel

from lightclient.errors import BundleError, LightClientError
from lightclient.messages import short_repr
from lightclient.model.wordpiece import read_flag, read_strip_accents, wordpiece_tokenizer

# Classes that set their normalizer by tokenizer_config.json, with defaults of their own.
_BERT_LIKE = frozenset({
    "bert", "convbert", "distilbert", "electra", "funnel", "layoutlm", "lxmert", "mobilebert",
    "mpnet", "squeezebert",
})  # fmt: skip
_GENERIC = frozenset({"", "pretrained", "tokenizersbackend"})
_WITHOUT_PAD_TOKEN = _GENERIC | {"gpt2"}
_WITHOUT_TYPE_IDS = frozenset({
    "bart", "camembert", "distilbert", "gpt2", "longformer", "mpnet", "roberta", "xlmroberta",
})  # fmt: skip
_LEFT_PADDED = frozenset({"xlnet", "cpm"})
_XLNET_PAD_TYPE = 3
_ROLES = (
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
)  # fmt: skip
_FLAGS = ("lstrip", "rstrip", "single_word", "normalized", "special")


@dataclass(frozen=True)
class Padding:
    """How a row is filled up: the pad token's id, None if there is none, its type id, the side."""

    token_id: int | None
    type_id: int
    left: bool


@dataclass(frozen=True)
class LoadedTokenizer:
    """The tokenizer, and what it does not do itself.

    `tokenizer` neither pads nor truncates. `has_type_ids`: whether its type ids count, or are to
    be zeros. `cut_left`: truncation takes the start of a text. `splits_special`: a special token in
    a text is read as plain letters.
    """

    tokenizer: Tokenizer
    padding: Padding
    has_type_ids: bool
    cut_left: bool
    splits_special: bool

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        # The library's own pickles forget it.
        self.tokenizer.encode_special_tokens = self.splits_special


def load_tokenizer(
    folder: Path, tokens: Mapping[str, Any], config: Mapping[str, Any]
) -> LoadedTokenizer:
    """Load `tokenizer.json`, or build WordPiece from `vocab.txt`.

    Args:
        folder: the model's.
        tokens: `tokenizer_config.json`, with `special_tokens_map.json` merged in.
        config: `config.json`.

    Raises:
        BundleError: neither file is there, or it is broken, or its pad token is unknown.
    """
    path = folder / "tokenizer.json"
    family = _family(tokens, config)
    if path.is_file():
        with telling_defects(str(path)):
            tokenizer = Tokenizer.from_buffer(path.read_bytes())
        _override(tokenizer, tokens, family)
    elif (folder / "vocab.txt").is_file() and family in _BERT_LIKE - {"mpnet"} | _GENERIC:
        with telling_defects(str(folder / "vocab.txt")):
            tokenizer = wordpiece_tokenizer(folder / "vocab.txt", tokens)
    else:
        raise BundleError(
            f"{folder} has neither tokenizer.json nor vocab.txt; save the model's fast tokenizer "
            "there: AutoTokenizer.from_pretrained(MODEL).save_pretrained(FOLDER)"
        )
    return set_up(tokenizer, tokens, config)


def set_up(
    tokenizer: Tokenizer, tokens: Mapping[str, Any], config: Mapping[str, Any]
) -> LoadedTokenizer:
    """Take padding and truncation off a tokenizer, once and for all, and tell how they are done.

    Its own would make a row's length depend on its neighbours. Only their sides are kept.
    """
    family = _family(tokens, config)
    own_padding, own_truncation = tokenizer.padding or {}, tokenizer.truncation or {}
    tokenizer.no_padding()
    tokenizer.no_truncation()
    splits_special = tokens.get("split_special_tokens") is True
    tokenizer.encode_special_tokens = splits_special
    _add_stated_tokens(tokenizer, tokens)
    by_class = "left" if family in _LEFT_PADDED else "right"
    return LoadedTokenizer(
        tokenizer,
        Padding(
            _pad_id(tokenizer, tokens, config, own_padding, family),
            _XLNET_PAD_TYPE if family in _LEFT_PADDED else 0,
            _is_left("padding_side", tokens, own_padding, by_class),
        ),
        _has_type_ids(tokens, family),
        _is_left("truncation_side", tokens, own_truncation, "right"),
        splits_special,
    )


@contextmanager
def telling_defects(what: str, *, at_a_text: bool = False) -> Iterator[None]:
    """Turn whatever the tokenizers library raises on a broken tokenizer into a BundleError.

    It raises plain Exception, and for a panic of its own a class below BaseException. Its words
    may quote the text it was given: `at_a_text` leaves them out.
    """
    try:
        yield
    except (LightClientError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        words = type(error).__name__ if at_a_text else str(error)
        raise BundleError(
            f"{what} is not a tokenizer that the library can run: {words:.200}"
        ) from error


def _add_stated_tokens(tokenizer: Tokenizer, tokens: Mapping[str, Any]) -> None:
    """Tokens that stand in tokenizer_config.json alone, as transformers adds them at loading."""
    known = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
    for stated in _stated_tokens(tokens):
        token = _added_token(stated)
        if token.content not in known:
            known.add(token.content)
            add = tokenizer.add_special_tokens if token.special else tokenizer.add_tokens
            add([token])


def _stated_tokens(tokens: Mapping[str, Any]) -> list[Any]:
    by_id = tokens.get("added_tokens_decoder") or {}
    extra = tokens.get("extra_special_tokens") or []
    extra = list(extra.values()) if isinstance(extra, dict) else extra
    more = tokens.get("additional_special_tokens") or []
    if not (isinstance(by_id, dict) and isinstance(extra, list) and isinstance(more, list)):
        raise BundleError("tokenizer_config.json: added or special tokens are no list of tokens")
    roles = [tokens[role] for role in _ROLES if tokens.get(role)]
    return [*by_id.values(), *roles, *extra, *more]


def _added_token(stated: Any) -> AddedToken:
    flags = {"normalized": False, "special": True}
    if isinstance(stated, dict):
        flags |= {key: value for key, value in stated.items() if key in _FLAGS}
        stated = stated.get("content")
    if (
        not isinstance(stated, str)
        or not stated
        or not all(type(v) is bool for v in flags.values())
    ):
        raise BundleError(f"tokenizer_config.json: {short_repr(stated)} is no token")
    return AddedToken(_utf8(stated), **flags)


def _utf8(token: str) -> str:
    try:
        token.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BundleError(f"tokenizer_config.json: {short_repr(token)} is no UTF-8 text") from error
    return token


def _family(tokens: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """`BertTokenizerFast` and model_type `bert` are both `bert`; `xlm-roberta` is `xlmroberta`."""
    name = tokens.get("tokenizer_class") or config.get("model_type") or ""
    return str(name).removesuffix("Fast").removesuffix("Tokenizer").replace("-", "").lower()


def _override(tokenizer: Tokenizer, tokens: Mapping[str, Any], family: str) -> None:
    normalizer, pre_tokenizer = tokenizer.normalizer, tokenizer.pre_tokenizer
    if isinstance(normalizer, BertNormalizer) and family in _BERT_LIKE:
        normalizer.lowercase = read_flag(tokens, "do_lower_case", default=True)
        normalizer.strip_accents = read_strip_accents(tokens)
        if family != "mpnet":
            normalizer.handle_chinese_chars = read_flag(
                tokens, "tokenize_chinese_chars", default=True
            )
    if isinstance(pre_tokenizer, ByteLevel) and family not in _GENERIC:
        pre_tokenizer.add_prefix_space = read_flag(tokens, "add_prefix_space", default=False)


def _pad_id(
    tokenizer: Tokenizer,
    tokens: Mapping[str, Any],
    config: Mapping[str, Any],
    own_padding: Mapping[str, Any],
    family: str,
) -> int | None:
    if "pad_token" in tokens:
        token = tokens["pad_token"]
    elif family in _WITHOUT_PAD_TOKEN:
        token = own_padding.get("pad_token")
    else:
        known = (name for name in ("[PAD]", "<pad>") if tokenizer.token_to_id(name) is not None)
        token = next(known, None)
    if isinstance(token, dict):
        token = token.get("content")
    if token is None:
        return _stated_pad_id(config)
    token_id = tokenizer.token_to_id(str(token))
    size = config.get("vocab_size")
    if token_id is None or (isinstance(size, int) and token_id >= size):
        raise BundleError(f"the pad token {short_repr(token)} is not in the model's vocabulary")
    return token_id


def _stated_pad_id(config: Mapping[str, Any]) -> int | None:
    stated = config.get("pad_token_id")
    if stated is None or (isinstance(stated, int) and not isinstance(stated, bool) and stated >= 0):
        return stated
    raise BundleError(f"config.json: pad_token_id must be a whole number, not {short_repr(stated)}")


def _is_left(key: str, tokens: Mapping[str, Any], own: Mapping[str, Any], by_class: str) -> bool:
    side = tokens.get(key) or own.get("direction") or by_class
    if str(side).lower() not in ("left", "right"):
        raise BundleError(
            f"tokenizer_config.json: {key} must be left or right, not {short_repr(side)}"
        )
    return str(side).lower() == "left"


def _has_type_ids(tokens: Mapping[str, Any], family: str) -> bool:
    stated = tokens.get("model_input_names")
    if isinstance(stated, list):
        return "token_type_ids" in stated
    return family not in _WITHOUT_TYPE_IDS
