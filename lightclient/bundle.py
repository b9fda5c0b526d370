"""What the client must know of a model, read once from a folder as Hugging Face lays it out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from lightclient.errors import BundleError, InputError
from lightclient.wordpiece import wordpiece_tokenizer

DEFAULT_BUNDLE = "distilbert-base-uncased-finetuned-sst-2-english"

# Their position ids begin at pad_token_id + 1, so that many of max_position_embeddings are lost
# (transformers, models/roberta/modeling_roberta.py, create_position_ids_from_input_ids).
_OFFSET_POSITIONS = frozenset({
    "camembert", "data2vec-text", "ibert", "longformer", "luke", "mpnet", "roberta",
    "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod",
})  # fmt: skip
# A tokenizer_config.json without a limit holds 1e30 (transformers, VERY_LARGE_INTEGER).
_NO_LIMIT = 10**9
# Left-padding by nature: their tokenizer classes say so where the folder does not.
_LEFT_PADDED = frozenset({"XLNetTokenizer", "XLNetTokenizerFast", "CpmTokenizer"})


@dataclass(frozen=True)
class Padding:
    """How a row is filled up: the pad token's id, its type id, and the side."""

    token_id: int | None
    type_id: int
    left: bool


@dataclass(frozen=True)
class Bundle:
    """A model as the client knows it: tokenizer, labels, limits.

    `tokenizer` neither pads nor truncates and is never changed after loading, so that threads
    share it. `max_length` counts tokens, special ones included; None: no limit is known.
    """

    name: str
    tokenizer: Tokenizer = field(compare=False, repr=False)
    labels: tuple[str, ...]
    problem_type: str | None
    function_to_apply: str | None
    max_length: int | None
    cut_left: bool
    padding: Padding

    @classmethod
    def load(cls, source: str | Path | None = None) -> "Bundle":
        """Read a bundle.

        Args:
            source: the name of a shipped bundle, or a folder with `config.json` and either
                `tokenizer.json` or `vocab.txt` (WordPiece); `tokenizer_config.json` and
                `special_tokens_map.json` are read if there. None: the default bundle.

        Raises:
            BundleError: a file is missing, broken, or contradicts another.
            InputError: `source` is neither a path nor a shipped name.
        """
        folder = _folder(source)
        config = _read_json(folder / "config.json", required=True)
        tokens = _token_settings(folder)
        return _bundle(folder.name, _tokenizer(folder, tokens), config, tokens)

    @classmethod
    def from_vocab(
        cls,
        vocab: str | Path,
        *,
        labels: Sequence[str],
        do_lower_case: bool = True,
        strip_accents: bool | None = None,
        tokenize_chinese_chars: bool = True,
        max_length: int = 512,
    ) -> "Bundle":
        """Build a BERT bundle from a `vocab.txt` alone.

        The flags are those of transformers' BertTokenizer, with its defaults; `strip_accents=None`
        strips them where `do_lower_case` is on.

        Raises:
            BundleError: the vocabulary is missing, broken, or lacks a special token.
        """
        tokens = {
            "do_lower_case": do_lower_case,
            "strip_accents": strip_accents,
            "tokenize_chinese_chars": tokenize_chinese_chars,
            "model_max_length": max_length,
            "pad_token": "[PAD]",
        }
        config = {"id2label": {str(at): label for at, label in enumerate(labels)}}
        return _bundle(Path(vocab).stem, wordpiece_tokenizer(Path(vocab), tokens), config, tokens)


def _folder(source: str | Path | None) -> Path:
    if source is None:
        source = DEFAULT_BUNDLE
    if not isinstance(source, (str, Path)):
        raise InputError(f"bundle must be a name or a folder's path, not {type(source).__name__}")
    shipped = _vocab_folder()
    if isinstance(source, str) and (shipped / source / "config.json").is_file():
        return shipped / source
    folder = Path(source)
    if not folder.is_dir():
        names = ", ".join(sorted(entry.name for entry in shipped.iterdir() if entry.is_dir()))
        raise BundleError(
            f"no bundle {str(source)!r}: not a folder, and not a shipped name ({names}); "
            "give the path of a folder with tokenizer.json and config.json"
        )
    return folder


def _vocab_folder() -> Path:
    """Inside the package in a wheel, beside it in a checkout and an editable install."""
    package = Path(__file__).resolve().parent
    inside = package / "vocab"
    return inside if inside.is_dir() else package.parent / "vocab"


def _read_json(path: Path, *, required: bool) -> dict[str, Any]:
    if not path.is_file():
        if required:
            raise BundleError(f"{path} is missing; copy it from the model's Hugging Face folder")
        return {}
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(found, dict):
        raise BundleError(f"{path} must hold a JSON object, not {type(found).__name__}")
    return found


def _token_settings(folder: Path) -> dict[str, Any]:
    """tokenizer_config.json, over special_tokens_map.json where it is silent."""
    special = _read_json(folder / "special_tokens_map.json", required=False)
    return special | _read_json(folder / "tokenizer_config.json", required=False)


def _tokenizer(folder: Path, tokens: Mapping[str, Any]) -> Tokenizer:
    path = folder / "tokenizer.json"
    if path.is_file():
        try:
            return Tokenizer.from_buffer(path.read_bytes())
        except Exception as error:  # the library raises no class of its own
            raise BundleError(f"{path} is no tokenizer of this library: {error}") from error
    if (folder / "vocab.txt").is_file():
        return wordpiece_tokenizer(folder / "vocab.txt", tokens)
    raise BundleError(
        f"{folder} has neither tokenizer.json nor vocab.txt; save the model's fast tokenizer there "
        "(AutoTokenizer.from_pretrained(MODEL).save_pretrained(FOLDER))"
    )


def _bundle(
    name: str, tokenizer: Tokenizer, config: Mapping[str, Any], tokens: Mapping[str, Any]
) -> Bundle:
    own_padding = tokenizer.padding or {}
    own_truncation = tokenizer.truncation or {}
    tokenizer.no_padding()
    tokenizer.no_truncation()
    padding = Padding(
        _pad_id(tokenizer, config, tokens, own_padding),
        _int(
            tokens.get("pad_token_type_id", own_padding.get("pad_type_id", 0)), "pad_token_type_id"
        ),
        _left(tokens, own_padding),
    )
    cut_side = tokens.get("truncation_side", own_truncation.get("direction", "right"))
    return Bundle(
        name=name,
        tokenizer=tokenizer,
        labels=_labels(config),
        problem_type=_choice(config, "problem_type", _PROBLEM_TYPES),
        function_to_apply=_choice(config, "function_to_apply", _FUNCTIONS),
        max_length=_max_length(config, tokens, padding.token_id),
        cut_left=str(cut_side).lower() == "left",
        padding=padding,
    )


_PROBLEM_TYPES = ("regression", "single_label_classification", "multi_label_classification")
_FUNCTIONS = ("sigmoid", "softmax", "none")


def _choice(config: Mapping[str, Any], key: str, known: tuple[str, ...]) -> str | None:
    value = config.get(key)
    if value is None or value in known:
        return value
    raise BundleError(f"config.json: {key} is {value!r}; it must be one of {', '.join(known)}")


def _int(value: object, name: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise BundleError(f"{name} must be a whole number, not {value!r}")


def _labels(config: Mapping[str, Any]) -> tuple[str, ...]:
    """`id2label`, or LABEL_0 … (transformers, configuration_utils.py: two by default)."""
    by_id = config.get("id2label")
    if by_id is None:
        count = _int(config.get("num_labels", config.get("_num_labels", 2)), "num_labels")
        return tuple(f"LABEL_{at}" for at in range(count))
    if not isinstance(by_id, dict) or not by_id:
        raise BundleError("config.json: id2label must be an object from '0', '1', … to labels")
    names = {str(key): str(label) for key, label in by_id.items()}
    missing = [at for at in range(len(names)) if str(at) not in names]
    if missing:
        raise BundleError(
            f"config.json: id2label has {len(names)} labels but none for {missing[0]}; "
            "its keys must be '0', '1', … without a gap"
        )
    return tuple(names[str(at)] for at in range(len(names)))


def _pad_id(
    tokenizer: Tokenizer,
    config: Mapping[str, Any],
    tokens: Mapping[str, Any],
    own_padding: Mapping[str, Any],
) -> int | None:
    """The pad token's id as transformers finds it; None where the model has no pad token."""
    token = tokens.get("pad_token", own_padding.get("pad_token"))
    if isinstance(token, dict):
        token = token.get("content")
    if token is not None:
        token_id = tokenizer.token_to_id(str(token))
        if token_id is None:
            raise BundleError(f"the pad token {token!r} is not in the tokenizer's vocabulary")
        return token_id
    stated = config.get("pad_token_id")
    return None if stated is None else _int(stated, "config.json: pad_token_id")


def _left(tokens: Mapping[str, Any], own_padding: Mapping[str, Any]) -> bool:
    by_class = "left" if tokens.get("tokenizer_class") in _LEFT_PADDED else "right"
    side = str(tokens.get("padding_side", own_padding.get("direction", by_class))).lower()
    if side not in ("left", "right"):
        raise BundleError(f"padding_side must be 'left' or 'right', not {side!r}")
    return side == "left"


def _max_length(
    config: Mapping[str, Any], tokens: Mapping[str, Any], pad_id: int | None
) -> int | None:
    """The smaller of the tokenizer's limit and the model's positions."""
    limits = [_tokenizer_limit(tokens), _position_limit(config, pad_id)]
    return min((limit for limit in limits if limit is not None), default=None)


def _tokenizer_limit(tokens: Mapping[str, Any]) -> int | None:
    stated = tokens.get("model_max_length")
    if stated is None or stated >= _NO_LIMIT:
        return None
    return _positive(int(stated), "tokenizer_config.json: model_max_length")


def _position_limit(config: Mapping[str, Any], pad_id: int | None) -> int | None:
    stated = config.get("max_position_embeddings", config.get("n_positions"))
    # Relative positions alone set no limit (DeBERTa; transformers, configuration_deberta_v2.py).
    if stated is None or stated == -1 or config.get("position_biased_input") is False:
        return None
    limit = _int(stated, "config.json: max_position_embeddings")
    if config.get("model_type") in _OFFSET_POSITIONS:
        limit -= (1 if pad_id is None else pad_id) + 1
    return _positive(limit, "config.json: max_position_embeddings")


def _positive(limit: int, name: str) -> int:
    if limit < 1:
        raise BundleError(f"{name} leaves {limit} tokens; it must leave at least one")
    return limit
