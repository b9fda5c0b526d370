"""The demo model: a small DistilBERT classifier of English sentences, computed with numpy."""

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightclient.standin.models import ServedModel, classifier
from lightclient.standin.signatures import Arrays

Floats = NDArray[np.float32]
Weights = dict[str, Floats]

_WORDS = "distilbert.embeddings.word_embeddings.weight"
_POSITIONS = "distilbert.embeddings.position_embeddings.weight"
_SLICE = 4_000_000  # rows times length² computed at once: some 32 MB of attention weights
_EPSILON = np.float32(1e-12)
_ERFC = np.array([1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592, 0], np.float32)


@cache
def load_demo_model() -> ServedModel:
    """Read the demo model from the package, once.

    Inputs `input_ids` and `attention_mask` int32 [-1, -1], output `logits` float32 [-1, 2]. It
    carries the default bundle.
    """
    folder = Path(__file__).with_name("demo_model")
    config = json.loads((folder / "config.json").read_bytes())
    weights = _read_weights((folder / "model.safetensors").read_bytes())
    return classifier(DistilBert(weights, config["n_layers"], config["n_heads"])).with_bundle()


def _read_weights(data: bytes) -> Weights:
    """Read the float16 arrays of a safetensors file: a header in JSON, then the arrays."""
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    found = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        flat = np.frombuffer(data[start + begin : start + end], "<f2").astype(np.float32)
        found[name] = flat.reshape(entry["shape"])
    return found


@dataclass(frozen=True, eq=False)
class DistilBert:
    """A Hugging Face DistilBertForSequenceClassification, called with arrays of ids and mask."""

    weights: Weights
    layers: int
    heads: int

    def __call__(self, inputs: Arrays) -> Arrays:
        """Turn `input_ids` and `attention_mask`, int32 [n, length], into `logits`, float32.

        Raises ValueError for what TensorFlow's graph would refuse.
        """
        ids, mask = inputs["input_ids"], inputs["attention_mask"] != 0
        self._check(ids, mask)
        # Padding at the end of all rows is left out: what is masked gets no attention at all.
        used = np.flatnonzero(mask.any(axis=0))
        length = int(used[-1]) + 1 if used.size else 1
        ids, mask = ids[:, :length], mask[:, :length]
        rows = max(1, _SLICE // length**2)
        parts = [
            self._logits(ids[start : start + rows], mask[start : start + rows])
            for start in range(0, len(ids), rows)
        ]
        return {"logits": np.concatenate(parts)}

    def _check(self, ids: NDArray[Any], mask: NDArray[Any]) -> None:
        words, positions = len(self.weights[_WORDS]), len(self.weights[_POSITIONS])
        if ids.ndim != 2 or not ids.size:
            raise ValueError(f"input_ids must be of shape [rows, length], not {list(ids.shape)}")
        if mask.shape != ids.shape:
            raise ValueError(f"Incompatible shapes: {list(ids.shape)} vs. {list(mask.shape)}")
        if ids.shape[1] > positions:
            raise ValueError(f"Incompatible shapes: [{ids.shape[1]}] vs. [{positions}]")
        wrong = np.argwhere((ids < 0) | (ids >= words))
        if len(wrong):
            row, column = wrong[0].tolist()
            raise ValueError(f"indices[{row},{column}] = {ids[row, column]} is not in [0, {words})")

    def _logits(self, ids: NDArray[Any], mask: NDArray[Any]) -> Floats:
        embedded = self.weights[_WORDS][ids] + self.weights[_POSITIONS][: ids.shape[1]]
        hidden = self._normed("distilbert.embeddings.LayerNorm", embedded)
        for layer in range(self.layers):
            # The last layer works on the first position alone, since the logits need no other.
            queries = hidden if layer < self.layers - 1 else hidden[:, :1]
            hidden = self._layer(f"distilbert.transformer.layer.{layer}.", queries, hidden, mask)
        pooled = np.maximum(self._linear("pre_classifier", hidden[:, 0]), 0)
        return self._linear("classifier", pooled)

    def _layer(self, name: str, queries: Floats, hidden: Floats, mask: NDArray[Any]) -> Floats:
        attended = self._attention(name + "attention.", queries, hidden, mask)
        hidden = self._normed(name + "sa_layer_norm", attended + queries)
        inner = gelu(self._linear(name + "ffn.lin1", hidden))
        return self._normed(
            name + "output_layer_norm", self._linear(name + "ffn.lin2", inner) + hidden
        )

    def _attention(self, name: str, queries: Floats, hidden: Floats, mask: NDArray[Any]) -> Floats:
        query = self._split(self._linear(name + "q_lin", queries))
        key = self._split(self._linear(name + "k_lin", hidden))
        value = self._split(self._linear(name + "v_lin", hidden))
        scores = query @ key.swapaxes(2, 3) / np.float32(math.sqrt(query.shape[3]))
        context = _masked_softmax(scores, mask[:, None, None, :]) @ value
        return self._linear(name + "out_lin", context.swapaxes(1, 2).reshape(queries.shape))

    def _split(self, states: Floats) -> Floats:
        """[n, length, dim] → [n, heads, length, dim / heads]."""
        rows, length, size = states.shape
        return states.reshape(rows, length, self.heads, size // self.heads).swapaxes(1, 2)

    def _linear(self, name: str, states: Floats) -> Floats:
        flat = states.reshape(-1, states.shape[-1])  # one big product instead of many small ones
        product = flat @ self.weights[name + ".weight"].T + self.weights[name + ".bias"]
        return product.reshape(*states.shape[:-1], -1)

    def _normed(self, name: str, states: Floats) -> Floats:
        centred = states - states.mean(axis=-1, keepdims=True)
        variance = (centred * centred).mean(axis=-1, keepdims=True)
        normed: Floats = centred / np.sqrt(variance + _EPSILON)
        return normed * self.weights[name + ".weight"] + self.weights[name + ".bias"]


def _masked_softmax(scores: Floats, mask: NDArray[Any]) -> Floats:
    """Softmax over the positions that the mask shows; zeros if there are none."""
    shown = np.where(mask, scores, np.float32(-1e30))
    weights = np.exp(shown - shown.max(axis=-1, keepdims=True)) * mask
    sums = np.maximum(weights.sum(axis=-1, keepdims=True), np.finfo(np.float32).tiny)
    found: Floats = weights / sums
    return found


def gelu(states: Floats) -> Floats:
    """GELU, x Φ(x), to 4e-7. Φ is the normal distribution's cumulative function.

    Source: formula 7.1.26 of Abramowitz and Stegun, Handbook of Mathematical Functions, for erfc.
    """
    size = np.abs(states)
    erfc = np.polyval(_ERFC, 1 / (1 + 0.3275911 / math.sqrt(2) * size)) * np.exp(-size * size / 2)
    found: Floats = (np.maximum(states, 0) - size * erfc / 2).astype(np.float32, copy=False)
    return found
