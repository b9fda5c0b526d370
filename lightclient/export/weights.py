"""A model's weights, whatever their form, into its TensorFlow class."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers.modeling_tf_pytorch_utils import load_pytorch_state_dict_in_tf2_model
from transformers.modeling_tf_utils import strip_model_name_and_prefix

from lightclient.errors import BundleError, ExportError
from lightclient.export.libraries import has_torch

_DROPOUT = re.compile(r"(^|/)dropout(_\d+)?$")

Weights = dict[str, NDArray[np.float32]]


def fill(model: Any, path: Path) -> list[str]:
    """Give a built TensorFlow model its weights; return the names of those it has no use for.

    Args:
        model: a TF...ForSequenceClassification, called once.
        path: the file of weights, or the index of several.

    Raises:
        BundleError: the file is broken, or its shapes contradict config.json.
        ExportError: weights of the model are missing, or PyTorch is needed to read them.
    """
    try:
        missing, unused = _fill(model, path)
    except (ExportError, BundleError):
        raise
    except Exception as error:  # each library raises classes of its own
        raise BundleError(
            f"{path} cannot be read as the weights of this config.json: {error!s:.500}"
        ) from error
    if missing:
        raise ExportError(_missing(path, sorted(missing)))
    return sorted(unused)


def is_pytorch(path: Path) -> bool:
    """Whether the weights were written by PyTorch, so that PyTorch can run the source model."""
    if ".h5" in path.name:
        return False
    return ".bin" in path.name or _form(path) != "tf"


def _fill(model: Any, path: Path) -> tuple[list[str], list[str]]:
    if ".h5" in path.name:
        return _fill_from_h5(model, path)
    weights = _read(path)
    return _fill_by_name(model, weights) if not is_pytorch(path) else _convert(model, weights)


def _convert(model: Any, weights: Weights) -> tuple[list[str], list[str]]:
    _, found = load_pytorch_state_dict_in_tf2_model(
        model,
        weights,
        allow_missing_keys=True,
        output_loading_info=True,
        tf_to_pt_weight_rename=getattr(model, "tf_to_pt_weight_rename", None),
        skip_logger_warnings=True,
    )
    return found["missing_keys"], found["unexpected_keys"]


def _fill_by_name(model: Any, weights: Weights) -> tuple[list[str], list[str]]:
    """Safetensors that TensorFlow wrote (transformers, load_tf_weights_from_safetensors)."""
    wanted = {strip_model_name_and_prefix(weight.name): weight for weight in model.weights}
    for name in wanted.keys() & weights.keys():
        wanted[name].assign(weights[name].reshape(wanted[name].shape))
    return list(wanted.keys() - weights.keys()), list(weights.keys() - wanted.keys())


def _fill_from_h5(model: Any, path: Path) -> tuple[list[str], list[str]]:
    filled, found = type(model).from_pretrained(
        path.parent, use_safetensors=False, local_files_only=True, output_loading_info=True
    )
    model.set_weights(filled.get_weights())
    # Here whole layers are named too, numbered by chance, and a dropout layer has no weights.
    missing, unused = (
        [name for name in found[kind] if not _DROPOUT.search(name)]
        for kind in ("missing_keys", "unexpected_keys")
    )
    return missing, unused


def _read(path: Path) -> Weights:
    read = _read_bin if ".bin" in path.name else _read_safetensors
    return {name: array for part in _parts(path) for name, array in read(part).items()}


def _parts(path: Path) -> list[Path]:
    """The files that an index names; of a single file, itself."""
    if path.suffix != ".json":
        return [path]
    names = sorted(set(json.loads(path.read_bytes())["weight_map"].values()))
    gone = [name for name in names if not (path.parent / name).is_file()]
    if gone:
        raise BundleError(f"{path} names {gone[0]}, which is missing")
    return [path.parent / name for name in names]


def _form(path: Path) -> str:
    """Who wrote a safetensors file, by its own word; "pt" where it says nothing."""
    from safetensors import safe_open

    with safe_open(_parts(path)[0], framework="np") as opened:
        return str((opened.metadata() or {}).get("format", "pt"))


def _read_safetensors(path: Path) -> Weights:
    from safetensors.numpy import load_file

    # numpy knows bfloat16 because TensorFlow has imported ml_dtypes.
    return {name: array.astype(np.float32) for name, array in load_file(path).items()}


def _read_bin(path: Path) -> Weights:
    if not has_torch():
        raise ExportError(
            f"{path.name} is in PyTorch's own format: pip install torch, or convert it to "
            "model.safetensors with AutoModelForSequenceClassification and save_pretrained"
        )
    import torch

    state = torch.load(path, map_location="cpu", weights_only=True)
    return {name: tensor.float().numpy() for name, tensor in state.items()}


def _missing(path: Path, names: list[str]) -> str:
    told = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    head = any(word in name for name in names for word in ("classifier", "logits_proj", "score"))
    mend = "it was never fine-tuned as a classifier: fine-tune it first" if head else "is it whole?"
    return f"{path} lacks {told}; {mend}"
