"""What the client must know of a model, read from its Hugging Face folder."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightclient.errors import BundleError, InputError
from lightclient.messages import short_repr
from lightclient.model.tokenizer import LoadedTokenizer, load_tokenizer, load_wordpiece

DEFAULT_BUNDLE = "distilbert-base-uncased-finetuned-sst-2-english"

# Their position ids begin at pad_token_id + 1, so that fewer tokens fit than
# max_position_embeddings says (transformers, models/roberta/modeling_roberta.py,
# create_position_ids_from_input_ids).
_OFFSET_POSITIONS = frozenset({
    "camembert", "data2vec-text", "ibert", "longformer", "luke", "mpnet", "roberta",
    "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod",
})  # fmt: skip
# A tokenizer_config.json without a limit holds 1e30 (transformers, VERY_LARGE_INTEGER).
_NO_LIMIT = 10**9
_MOST_LABELS = 100_000


@dataclass(frozen=True)
class Bundle:
    """A model as the client knows it: tokenizer, labels, limits. Threads may share one.

    `max_length`: the most tokens, special ones included; None: no limit is known.
    `needs_type_ids`: without type ids, the model takes the second text of a pair for the first.
    """

    name: str
    loaded: LoadedTokenizer = field(repr=False)
    labels: tuple[str, ...]
    problem_type: str | None
    max_length: int | None
    needs_type_ids: bool

    @classmethod
    def load(cls, source: "str | Path | Bundle | None" = None) -> "Bundle":
        """Read a bundle.

        Args:
            source: the name of a shipped bundle, or a folder with `config.json` and either
                `tokenizer.json` or `vocab.txt` (WordPiece), and perhaps `tokenizer_config.json`
                and `special_tokens_map.json`. None: the default bundle. A `Bundle` is returned
                as it is.

        Raises:
            BundleError: a file is missing, broken, or contradicts another.
            InputError: `source` is neither a path nor a shipped name.
        """
        if isinstance(source, Bundle):
            return source
        folder = _folder(source)
        config = _read_json(folder / "config.json")
        if config is None:
            raise BundleError(
                f"{folder / 'config.json'} is missing; copy it from the model's Hugging Face folder"
            )
        tokens = _read_json(folder / "tokenizer_config.json") or {}
        if "added_tokens_decoder" not in tokens:  # an older file, with another one beside it
            tokens |= _read_json(folder / "special_tokens_map.json") or {}
        return _bundle(folder.name, load_tokenizer(folder, tokens, config), config, tokens)

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
            InputError: an argument is not what it must be.
        """
        is_list = isinstance(labels, Sequence) and not isinstance(labels, str) and labels
        if not is_list or not all(isinstance(label, str) for label in labels):
            raise InputError(f"labels must be a list of one or more str, not {short_repr(labels)}")
        if not isinstance(vocab, (str, Path)):
            raise InputError(f"vocab must be a file's path, not {type(vocab).__name__}")
        tokens = {
            "do_lower_case": do_lower_case,
            "strip_accents": strip_accents,
            "tokenize_chinese_chars": tokenize_chinese_chars,
            "model_max_length": max_length,
        }
        config = {"id2label": {str(at): label for at, label in enumerate(labels)}}
        loaded = load_wordpiece(Path(vocab), tokens, config)
        return _bundle(Path(vocab).stem, loaded, config, tokens)


def _folder(source: str | Path | None) -> Path:
    source = DEFAULT_BUNDLE if source is None else source
    if not isinstance(source, (str, Path)):
        raise InputError(f"bundle must be a name or a folder's path, not {type(source).__name__}")
    # Shipped bundles are inside the package in a wheel, and beside it in a checkout.
    package = Path(__file__).resolve().parent.parent
    shipped = package / "vocab" if (package / "vocab").is_dir() else package.parent / "vocab"
    names = sorted(entry.name for entry in shipped.iterdir() if entry.is_dir())
    if source in names:
        return shipped / source
    folder = Path(os.path.expanduser(source))  # Path.expanduser raises where there is no such user
    if not os.path.isdir(folder):  # Path.is_dir raises on a name that is too long
        raise BundleError(
            f"no bundle {short_repr(str(source), 200)}: not a folder, and not a shipped name "
            f"({', '.join(names)}); give the path of a folder with tokenizer.json and config.json"
        )
    return folder


def _read_json(path: Path) -> dict[str, Any] | None:
    """The object in a file; None if there is no file."""
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(found, dict):
        raise BundleError(f"{path} must hold a JSON object, not {type(found).__name__}")
    return found


def _bundle(
    name: str, loaded: LoadedTokenizer, config: Mapping[str, Any], tokens: Mapping[str, Any]
) -> Bundle:
    limits = [_tokenizer_limit(tokens), _position_limit(config, loaded.padding.token_id)]
    types = _int(config.get("type_vocab_size", 0), "config.json: type_vocab_size")
    return Bundle(
        name=name,
        loaded=loaded,
        labels=_labels(config),
        problem_type=_problem_type(config),
        max_length=min((limit for limit in limits if limit is not None), default=None),
        needs_type_ids=loaded.has_type_ids and types > 1,
    )


_PROBLEM_TYPES = ("regression", "single_label_classification", "multi_label_classification")


def _problem_type(config: Mapping[str, Any]) -> str | None:
    stated = config.get("problem_type")
    if stated is None or stated in _PROBLEM_TYPES:
        return stated
    raise BundleError(
        f"config.json: problem_type must be one of {', '.join(_PROBLEM_TYPES)}, "
        f"not {short_repr(stated)}"
    )


def _int(value: object, name: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise BundleError(f"{name} must be a whole number, not {short_repr(value)}")


def _labels(config: Mapping[str, Any]) -> tuple[str, ...]:
    """`id2label`, or LABEL_0 … (transformers, configuration_utils.py: two by default)."""
    by_id = config.get("id2label")
    if by_id is None:
        count = _int(config.get("num_labels", config.get("_num_labels", 2)), "num_labels")
        if not 1 <= count <= _MOST_LABELS:
            words = f"config.json: num_labels must be from 1 to {_MOST_LABELS}, not {count}"
            raise BundleError(words)
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


def _tokenizer_limit(tokens: Mapping[str, Any]) -> int | None:
    stated = tokens.get("model_max_length", tokens.get("max_len"))
    if stated is None or (isinstance(stated, (int, float)) and stated >= _NO_LIMIT):
        return None
    if isinstance(stated, float) and stated.is_integer():
        stated = int(stated)
    return _positive(_int(stated, "model_max_length"), "tokenizer_config.json: model_max_length")


def _position_limit(config: Mapping[str, Any], pad_id: int | None) -> int | None:
    stated = config.get("max_position_embeddings", config.get("n_positions"))
    # A model with relative positions only has no limit (DeBERTa; configuration_deberta_v2.py).
    if stated is None or stated == -1 or config.get("position_biased_input") is False:
        return None
    limit = _int(stated, "config.json: max_position_embeddings")
    if str(config.get("model_type")) in _OFFSET_POSITIONS:
        limit -= (1 if pad_id is None else pad_id) + 1
    return _positive(limit, "config.json: max_position_embeddings")


def _positive(limit: int, name: str) -> int:
    if limit < 1:
        raise BundleError(f"{name} leaves {limit} tokens; it must leave at least one")
    return limit
