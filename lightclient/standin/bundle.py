"""The signatures by which a served model carries its bundle, as `lightclient export` adds them."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lightclient.errors import BundleError
from lightclient.model.files import (
    CONTENT,
    FILE,
    SIGNATURE,
    Files,
    bound,
    find_folder,
    fingerprint,
    read_files,
)
from lightclient.standin.signatures import Arrays, SignatureDef, TensorSpec

_NEEDED = ("config.json", "tokenizer.json")
_PREDICT = "serving_default"
_OF_A_BUNDLE = re.compile(rf"{SIGNATURE}|.+-[0-9a-f]{{16}}")


def add_bundle(
    signatures: Mapping[str, SignatureDef], folder: str | Path | None
) -> dict[str, SignatureDef]:
    """Add the signatures of a bundle to those of a version, in place of another bundle's.

    Raises BundleError for a folder that is no bundle, and InputError for what is no folder.
    """
    files = _read_files(folder)
    own, mark = bundle_signature(files), fingerprint(files)
    found = {key: value for key, value in signatures.items() if not _OF_A_BUNDLE.fullmatch(key)}
    if _PREDICT in found:
        found[bound(_PREDICT, mark)] = found[_PREDICT]
    return found | {SIGNATURE: own, bound(SIGNATURE, mark): own}


def bundle_signature(files: Files) -> SignatureDef:
    """Make the signature that takes the names of files and gives their bytes."""
    by_name = {name.encode(): content for name, content in files.items()}

    def run(inputs: Arrays) -> Arrays:
        names = inputs[FILE]
        contents = [by_name.get(name, b"") for name in names.reshape(-1).tolist()]
        return {CONTENT: np.array(contents, dtype=object).reshape(names.shape)}

    strings = TensorSpec("string", (None,))
    return SignatureDef(run, {FILE: strings}, {CONTENT: strings})


def _read_files(folder: str | Path | None) -> dict[str, bytes]:
    path = find_folder(folder)
    files = read_files(path)
    for name in _NEEDED:
        if not files.get(name):
            raise BundleError(
                f"{path / name} is missing, and a served model carries it; copy it from the "
                "model's Hugging Face folder"
            )
    return files
