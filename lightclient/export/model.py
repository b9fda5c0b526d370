"""The source model as transformers' TensorFlow class."""

import inspect
import logging
from typing import Any

import numpy as np
from transformers import AutoConfig, TFAutoModelForSequenceClassification
from transformers.models.auto.modeling_tf_auto import (
    TF_MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
)

from lightclient.errors import BundleError, ExportError
from lightclient.export.source import Source
from lightclient.export.weights import fill
from lightclient.model.bundle import Bundle

_LOG = logging.getLogger("lightclient.export")
_MORE_THAN_TEXT = frozenset({"bbox", "pixel_values"})


def load_model(source: Source) -> Any:
    """Build the model and give it its weights.

    Raises:
        ExportError: it is no classifier of texts, has no TensorFlow class, or lacks weights.
        BundleError: config.json or the weights are broken or contradict one another.
    """
    _check_kind(source)
    try:
        config = AutoConfig.from_pretrained(
            source.folder, local_files_only=True, trust_remote_code=False
        )
        model = TFAutoModelForSequenceClassification.from_config(config)
        model(model.dummy_inputs, training=False)
    except Exception as error:  # whatever a strange value in config.json leads to
        raise BundleError(
            f"{source.folder / 'config.json'} gives no model of this type: {error!r:.300}"
        ) from error
    more = sorted(_MORE_THAN_TEXT & _parameters(model))
    if more:
        raise ExportError(f"{source.folder} holds a model of more than text: it takes {more[0]}")
    unused = fill(model, source.weights)
    if unused:
        _LOG.info("not used: %d weights in %s (%s ...)", len(unused), source.weights, unused[0])
    return model


def input_names(model: Any, bundle: Bundle) -> tuple[str, ...]:
    """The inputs a served model takes: those its call takes and its tokenizer makes.

    As transformers' pipeline feeds it: token_type_ids where the tokenizer gives them, and where
    they make a difference, which one single type does not.
    """
    types = getattr(model.config, "type_vocab_size", 2)
    wants_types = "token_type_ids" in _parameters(model) and types > 1
    names = ("input_ids", "attention_mask")
    return (*names, "token_type_ids") if wants_types and bundle.loaded.has_type_ids else names


def silence_padding(model: Any, bundle: Bundle) -> None:
    """Make a MobileBERT's answers free of padding, as they are where a text stands alone.

    It gives each token its neighbours' embeddings, and the last token's neighbour is the pad token
    or, at the end of the row, zeros (transformers, TFMobileBertEmbeddings.call, trigram_input).
    Zeros for the pad token too make them the same.
    """
    pad = bundle.loaded.padding.token_id
    if getattr(model.config, "trigram_input", False) and pad is not None:
        row = model.get_input_embeddings().weight[pad]
        row.assign(np.zeros(row.shape, np.float32))


def size(model: Any) -> int:
    """The bytes of the weights."""
    return sum(int(np.prod(weight.shape)) * weight.dtype.size for weight in model.weights)


def _check_kind(source: Source) -> None:
    kind, names = source.config.get("model_type"), source.config.get("architectures") or []
    known = TF_MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES
    if names and not any(str(name).endswith("ForSequenceClassification") for name in names):
        raise ExportError(
            f"{source.folder} holds a {names[0]}, no sequence classifier: export a model that was "
            "fine-tuned for text classification"
        )
    if not isinstance(kind, str) or kind not in known:
        raise ExportError(
            f"model type {kind!r} has no TensorFlow class for sequence classification in "
            f"transformers 4; these have: {', '.join(sorted(known))}"
        )
    if "quantization_config" in source.config:
        raise ExportError(f"{source.folder} holds quantized weights: export the original model")


def _parameters(model: Any) -> set[str]:
    return set(inspect.signature(model.call).parameters)
