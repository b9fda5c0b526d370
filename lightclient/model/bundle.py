"""What the client must know of a model, read from its Hugging Face folder."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lightclient.errors import BundleError, InputError
from lightclient.messages import short_repr
from lightclient.model.document import BROKEN, JsonFile, parse_json, unreadable
from lightclient.model.files import (
    CROSS_ENCODER,
    VOCABULARY,
    Files,
    Origin,
    find_folder,
    fingerprint,
    read_files,
)
from lightclient.model.tokenizer import LoadedTokenizer, load_tokenizer

FunctionName = Literal["softmax", "sigmoid", "none"]

# Their position ids begin at pad_token_id + 1, so that fewer tokens fit than
# max_position_embeddings says (transformers, models/roberta/modeling_roberta.py,
# create_position_ids_from_input_ids).
_OFFSET_POSITIONS = frozenset({
    "camembert", "data2vec-text", "ibert", "longformer", "luke", "mpnet", "roberta",
    "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod",
})  # fmt: skip
# A tokenizer_config.json without a limit holds 1e30 (transformers, VERY_LARGE_INTEGER).
_NO_LIMIT = 10**9
_PROBLEM_TYPES = ("regression", "single_label_classification", "multi_label_classification")


@dataclass(frozen=True)
class Bundle:
    """A model as the client knows it: tokenizer, labels, limits. Threads may share one.

    `max_length`: the most tokens, special ones included; None: no limit is known.
    `needs_type_ids`: without type ids, the model takes the second text of a pair for the first.
    `fingerprint`: of the bytes of its files.
    `activation`: the path of what makes the scores of a cross-encoder; None: it is not stated.
    """

    name: str
    loaded: LoadedTokenizer = field(repr=False)
    labels: tuple[str, ...]
    problem_type: str | None
    max_length: int | None
    needs_type_ids: bool
    fingerprint: str = ""
    activation: str | None = None

    @property
    def function(self) -> FunctionName:
        """The function that makes scores of logits.

        The choice is that of transformers, pipelines/text_classification.py, postprocess.
        """
        if self.problem_type == "regression":
            return "none"
        is_multi = self.problem_type == "multi_label_classification"
        return "sigmoid" if is_multi or len(self.labels) == 1 else "softmax"

    @classmethod
    def load(cls, source: "str | Path | Bundle | None" = None) -> "Bundle":
        """Read a bundle.

        Args:
            source: the name of a shipped bundle, or a folder with `config.json` and either
                `tokenizer.json` or `vocab.txt` (WordPiece), and perhaps `tokenizer_config.json`,
                `special_tokens_map.json` and `config_sentence_transformers.json`. None: the
                default. A `Bundle` is returned as it is.

        Raises:
            BundleError: a file is missing, broken, or contradicts another.
            InputError: `source` is neither a path nor a shipped name.
        """
        if isinstance(source, Bundle):
            return source
        folder = find_folder(source)
        return cls.from_files(folder.name, read_files(folder), Origin(f"{folder}{os.sep}"))

    @classmethod
    def from_files(cls, name: str, files: Files, origin: Origin) -> "Bundle":
        """Make a bundle of the contents of its files; `load` says which there are.

        Raises:
            BundleError: a file is missing, broken, or contradicts another.
        """
        if "config.json" not in files:
            raise BundleError(
                f"{origin.path('config.json')} is missing; copy it from the model's Hugging Face "
                "folder"
            )
        tokens = _parse(files, origin, "tokenizer_config.json")
        if "added_tokens_decoder" not in tokens:  # an older file, with another one beside it
            tokens.update(_parse(files, origin, "special_tokens_map.json"))
        return _bundle(name, files, origin, tokens, _parse(files, origin, "config.json"))

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
            BundleError: the vocabulary is missing, broken, or lacks a special token; or a flag is
                not what it must be.
            InputError: `vocab` or `labels` is not what it must be.
        """
        is_list = isinstance(labels, Sequence) and not isinstance(labels, str) and labels
        if not is_list or not all(isinstance(label, str) for label in labels):
            raise InputError(f"labels must be a list of one or more str, not {short_repr(labels)}")
        if not isinstance(vocab, (str, Path)):
            raise InputError(f"vocab must be a file's path, not {type(vocab).__name__}")
        path = Path(vocab)
        if path.name == "tokenizer.json":
            raise InputError("vocab must be a vocab.txt; Bundle.load reads tokenizer.json folders")
        tokens = JsonFile("Bundle.from_vocab", {
            "do_lower_case": do_lower_case,
            "strip_accents": strip_accents,
            "tokenize_chinese_chars": tokenize_chinese_chars,
            "model_max_length": max_length,
        })  # fmt: skip
        config = JsonFile("labels", {"id2label": dict(enumerate(labels))})
        try:
            files = {VOCABULARY: path.read_bytes()} if path.is_file() else {}
        except OSError as error:
            raise unreadable(str(path), "a vocabulary", error) from error
        origin = Origin(f"{path.parent}{os.sep}", vocabulary=path.name)
        return _bundle(path.stem, files, origin, tokens, config)


def _parse(files: Files, origin: Origin, name: str) -> JsonFile:
    return parse_json(files.get(name, b"{}"), origin.path(name))


def _bundle(name: str, files: Files, origin: Origin, tokens: JsonFile, config: JsonFile) -> Bundle:
    try:
        loaded = load_tokenizer(files, origin, tokens, config)
    except BROKEN as error:
        path = VOCABULARY if VOCABULARY in files else "tokenizer.json"
        raise unreadable(origin.path(path), "a tokenizer", error) from error
    return Bundle(
        name=name,
        loaded=loaded,
        labels=_labels(config),
        problem_type=config.one_of("problem_type", *_PROBLEM_TYPES),
        max_length=_max_length(tokens, config, loaded.padding.token_id),
        needs_type_ids=loaded.has_type_ids and (config.whole("type_vocab_size") or 0) > 1,
        fingerprint=fingerprint(files),
        activation=_activation(_parse(files, origin, CROSS_ENCODER), config),
    )


def _labels(config: JsonFile) -> tuple[str, ...]:
    """`id2label`, or LABEL_0 … (transformers, configuration_utils.py: two by default)."""
    by_id = config.get("id2label")
    if by_id is None:
        count = config.whole("num_labels", "_num_labels", least=1, most=100_000)
        return tuple(f"LABEL_{at}" for at in range(count or 2))
    names = {str(at): str(name) for at, name in by_id.items()} if isinstance(by_id, dict) else {}
    labels = tuple(names[str(at)] for at in range(len(names)) if str(at) in names)
    if not labels or len(labels) < len(names):
        raise config.error("id2label", "an object from '0', '1', … without a gap to the labels")
    return labels


def _activation(own: JsonFile, config: JsonFile) -> str | None:
    """What sentence-transformers has written into a file of its own, or else into config.json."""
    # 5.4 and newer (5.7, base/model.py, _load_config_modules)
    found = own.get("activation_fn") if own.get("model_type") == "CrossEncoder" else None
    if found is None:  # 4.0 and newer, or older (cross_encoder/model.py, get_default_activation_fn)
        older = config.get("sbert_ce_default_activation_function")
        newer = config.get("sentence_transformers")
        found = newer.get("activation_fn", older) if isinstance(newer, dict) else older
    return None if found is None else str(found)


def _max_length(tokens: JsonFile, config: JsonFile, pad_id: int | None) -> int | None:
    """The lower one of the tokenizer's own limit and what the position embeddings leave."""
    limits: list[int | None] = []
    stated = tokens.get("model_max_length", tokens.get("max_len"))
    if not (isinstance(stated, (int, float)) and stated >= _NO_LIMIT):
        limits.append(tokens.whole("model_max_length", "max_len", least=1))
    positions = config.get("max_position_embeddings", config.get("n_positions"))
    # A model with relative positions only has no limit (DeBERTa; configuration_deberta_v2.py).
    if positions != -1 and config.get("position_biased_input") is not False:
        has_offset = str(config.get("model_type")) in _OFFSET_POSITIONS
        offset = 1 + (pad_id if pad_id is not None else 1) if has_offset else 0
        most = config.whole("max_position_embeddings", "n_positions", least=1 + offset)
        limits.append(most and most - offset)
    return min(filter(None, limits), default=None)
