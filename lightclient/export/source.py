"""Where the model comes from: a local folder, or a name on the Hugging Face hub."""

import fnmatch
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightclient.errors import BundleError, ExportError, InputError

_LOG = logging.getLogger("lightclient.export")
# The forms weights come in, the best first; a model is often published in several.
_WEIGHTS = (
    "model.safetensors", "model.safetensors.index.json",
    "tf_model.h5", "tf_model.h5.index.json",
    "pytorch_model.bin", "pytorch_model.bin.index.json",
)  # fmt: skip
_SMALL_FILES = ("*.json", "*.txt", "*.model")
_HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")


@dataclass(frozen=True)
class Source:
    """A model's folder on this machine.

    `config`: its config.json. `weights`: the file of weights, or the index of several.
    """

    folder: Path
    config: Mapping[str, Any]
    weights: Path


def find_source(model: str | Path) -> Source:
    """Find the model. A folder is read as it is; only a name on the hub uses the network.

    Raises:
        InputError: `model` is no folder and no name.
        BundleError: config.json or the weights are missing or broken.
        ExportError: the hub does not give the model.
    """
    folder = Path(model)
    if not str(model) or not folder.is_dir():
        folder = _download(_hub_name(model))
    return Source(folder, _read_config(folder / "config.json"), _find_weights(folder))


def _hub_name(model: str | Path) -> str:
    if isinstance(model, str) and _HUB_NAME.fullmatch(model) and not Path(model).exists():
        return model
    raise InputError(
        f"{str(model)!r} is no folder and no name on the Hugging Face hub; give one of both"
    )


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise BundleError(f"{path} is missing; copy it from the model's folder") from error
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(config, dict):
        raise BundleError(f"{path} must hold a JSON object, not {type(config).__name__}")
    return config


def _find_weights(folder: Path) -> Path:
    for name in _WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    adapter = " (it is an adapter: merge it into its model first)" * (
        (folder / "adapter_config.json").is_file()
    )
    raise BundleError(
        f"{folder} has no weights{adapter}: model.safetensors, tf_model.h5 or pytorch_model.bin"
    )


def _download(name: str) -> Path:
    """The hub's files of a model, weights in one form only; the cache's where it is offline."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    _LOG.info("fetching %s from the Hugging Face hub", name)
    try:
        return Path(snapshot_download(name, allow_patterns=_wanted(name)))
    except HfHubHTTPError as error:
        raise ExportError(f"the hub does not give {name!r}: {error!s:.300}") from error
    except (OSError, ValueError) as error:
        return _cached(name, error)


def _wanted(name: str) -> list[str]:
    from huggingface_hub import HfApi

    files = HfApi().list_repo_files(name)
    chosen = next((weights for weights in _WEIGHTS if weights in files), "")
    # model.safetensors.index.json goes with model-00001-of-00002.safetensors.
    stem, ending = chosen.removesuffix(".index.json").rsplit(".", 1) if chosen else ("", "")
    shards = fnmatch.filter(files, f"{stem}-*.{ending}") if chosen.endswith(".json") else []
    return [*_SMALL_FILES, *filter(None, [chosen]), *shards]


def _cached(name: str, reason: Exception) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (OSError, ValueError) as error:
        raise ExportError(
            f"{name!r} is no folder here, and the Hugging Face hub is out of reach "
            f"({reason!s:.300}); give the path of the model's folder"
        ) from error
