"""The bundle that goes with an exported model: its tokenizer and its labels."""

import shutil
from pathlib import Path
from typing import Any

from lightclient.errors import BundleError, ExportError
from lightclient.export.samples import SENTENCES
from lightclient.model.bundle import Bundle
from lightclient.model.encoding import encode
from lightclient.model.files import CROSS_ENCODER

TOKENIZER = "tokenizer.json"
# All that Bundle.load reads beside tokenizer.json; of these, one that is left over misleads it.
FILES = (
    TOKENIZER, "tokenizer_config.json", "special_tokens_map.json", "config.json", CROSS_ENCODER,
)  # fmt: skip
# What AutoTokenizer makes a tokenizer of; without one of them it makes an empty one, silently.
_VOCABULARIES = ("vocab.txt", "vocab.json", "*.model")


def write_bundle(source: Path, folder: Path) -> Bundle:
    """Copy what the client needs of a model's folder, its tokenizer in the fast form.

    Raises:
        BundleError: the folder has no tokenizer, or one without a fast form, or a broken one.
        ExportError: the bundle gives other token ids than the model's own tokenizer.
    """
    if (source / TOKENIZER).is_file():
        _copy(source, folder, FILES)
    else:
        _fast_tokenizer(source).save_pretrained(folder)
        _copy(source, folder, ("config.json", CROSS_ENCODER))
    for extra in folder.iterdir():
        if extra.name not in FILES:
            extra.unlink()
    bundle = Bundle.load(folder)
    _compare(bundle, source)
    return bundle


def _copy(source: Path, folder: Path, names: tuple[str, ...]) -> None:
    for name in names:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)


def _fast_tokenizer(source: Path) -> Any:
    if not any(next(source.glob(name), None) for name in _VOCABULARIES):
        raise BundleError(
            f"{source} has no tokenizer: tokenizer.json is missing, and so is a vocabulary to make "
            "it from; save the model's there: AutoTokenizer.from_pretrained(MODEL)."
            "save_pretrained(FOLDER)"
        )
    try:
        tokenizer = _own_tokenizer(source)
    except Exception as error:  # the conversion raises whatever it meets
        raise BundleError(
            f"{source} has no tokenizer.json, and none can be made of what is there: {error!s:.300}"
        ) from error
    if not tokenizer.is_fast:
        raise BundleError(
            f"{source}: {type(tokenizer).__name__} has no fast form, so there is no tokenizer.json "
            "for a client without transformers"
        )
    return tokenizer


def _own_tokenizer(source: Path) -> Any:
    # Imported here, because a bundle with a tokenizer.json can do without.
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(source, local_files_only=True, trust_remote_code=False)


def _compare(bundle: Bundle, source: Path) -> None:
    """Token ids must be those of transformers' own class, where it can load the folder at all."""
    try:
        tokenizer = _own_tokenizer(source)
    except Exception:  # noqa: BLE001 - such as a class of transformers 5, or without transformers
        return
    for text in SENTENCES:
        if encode([text], bundle).input_ids[0] != tokenizer(text)["input_ids"]:
            raise ExportError(
                f"the bundle gives other token ids than {type(tokenizer).__name__} for {text!r}: "
                f"{source / TOKENIZER} and tokenizer_config.json contradict one another"
            )
