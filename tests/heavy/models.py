"""Small models of each family: real trained tokenizers, random but fixed weights."""

import json
import shutil
from pathlib import Path
from typing import Any

from tests.golden import GOLDEN

# MPNet is left out: its position buckets are rounded otherwise in a TensorFlow graph than in eager
# mode, so that a long text's logits differ by 1e-3 inside TensorFlow itself.
FAMILIES = (
    "albert", "bert-cased", "bert-uncased", "deberta-v2", "distilbert", "electra", "mobilebert",
    "roberta", "xlm-roberta",
)  # fmt: skip
# Weights of this size give logits that differ from text to text by more than the tolerance.
_WEIGHTS = {"initializer_range": 0.6}
_MOBILEBERT = {
    "model_type": "mobilebert", "architectures": ["MobileBertForSequenceClassification"],
    "vocab_size": 700, "hidden_size": 16, "embedding_size": 16, "intra_bottleneck_size": 8,
    "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
    "num_feedforward_networks": 1, "max_position_embeddings": 512,
}  # fmt: skip


def make_model(family: str, folder: Path, **changes: Any) -> Path:
    """Write tokenizer, config (with changes) and TensorFlow weights of a small model."""
    import tensorflow as tf
    from transformers import AutoConfig, TFAutoModelForSequenceClassification

    source = GOLDEN / ("bert-uncased" if family == "mobilebert" else family)
    shutil.copytree(
        source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("golden.json")
    )
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if family == "mobilebert":
        config = _MOBILEBERT
    (folder / "config.json").write_text(json.dumps(config | _WEIGHTS | changes), encoding="utf-8")
    tf.keras.utils.set_random_seed(7)
    model = TFAutoModelForSequenceClassification.from_config(AutoConfig.from_pretrained(folder))
    model(model.dummy_inputs)
    model.save_pretrained(folder)
    return folder
