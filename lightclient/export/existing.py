"""A bundle for a SavedModel that is there already."""

import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lightclient.errors import ExportError, InputError
from lightclient.export.exporter import Exported, check_path, check_version, translated
from lightclient.export.libraries import TENSORFLOW, prepare
from lightclient.export.staging import Staging, choose_version, is_version, place, staging, versions
from lightclient.model.bundle import Bundle
from lightclient.model.encoding import encode
from lightclient.model.files import find_folder, read_files
from lightclient.serving.request import build_request
from lightclient.serving.signature import DEFAULT_NAME, Signature, find_signature
from lightclient.standin.savedmodel import read_saved_model
from lightclient.standin.status import StatusError

if TYPE_CHECKING:
    from lightclient.standin.signatures import Arrays, SignatureDef

_LOG = logging.getLogger("lightclient.export")
_GRAPH = "saved_model.pb"
_MEND = "give the folder that holds the versions, such as models/mine for models/mine/1"


def add_bundle(
    folder: str | Path, saved_model_dir: str | Path, version: int | None = None
) -> Exported:
    """Write the next version of a SavedModel, which carries a bundle and is the same otherwise.

    The bundle's files are put beside the versions too. On any error all is as it was before.

    Args:
        folder: the bundle: the model's Hugging Face folder, or a shipped name.
        saved_model_dir: the folder with the versions, of which the highest is taken; or a version.
        version: the one to write; None: one above the highest.

    Raises:
        InputError: an argument is not what it must be, or the version is taken.
        BundleError: the folder is incomplete, broken or contradicts itself.
        SignatureError: the SavedModel takes what this client does not send.
        ExportError: there is no SavedModel, it carries a bundle already, the bundle does not fit
            it, there is no room, or TensorFlow is not installed.
    """
    given = check_path("saved_model_dir", saved_model_dir)
    check_version(version)
    source = find_folder(folder)
    with translated(given, OSError, MemoryError):
        former = _find(given)
        choose_version(former.parent, version)
        _LOG.info("loading TensorFlow")
        # A tokenizer.json can be made with transformers only.
        prepare(*[TENSORFLOW] * (source / "tokenizer.json").is_file())
        with staging(former.parent) as stage:
            return _add(source, former, stage, version)


def _find(folder: Path) -> Path:
    """The version to add to: this folder if it is a SavedModel, else the highest in it."""
    if not (folder / _GRAPH).is_file():
        found = versions(folder)
        if not found:
            raise InputError(f"{folder} holds no version of a SavedModel: {_MEND}")
        return found[max(found)]
    if not is_version(folder):
        raise InputError(
            f"{folder} is a SavedModel whose name is no number, so no server finds it: move it to "
            f"{folder / '1'}, and {_MEND}"
        )
    return folder


def _add(source: Path, former: Path, stage: Staging, version: int | None) -> Exported:
    from lightclient.export.signatures import add_signatures
    from lightclient.export.tokens import FILES, write_bundle

    bundle = write_bundle(source, stage.bundle)
    stage.check_space(sum(path.stat().st_size for path in former.rglob("*")))
    _LOG.info("copying %s", former)
    shutil.copytree(former, stage.version)
    add_signatures(stage.version, read_files(stage.bundle), called=former)
    _LOG.info("comparing it with %s", former)
    with translated(stage.out_dir, StatusError):
        signature, difference = _compare(former, stage.version, bundle)
    version = choose_version(stage.out_dir, version)
    names = (signature.input_ids, signature.attention_mask, signature.token_type_ids)
    return Exported(
        folder=place(stage, version, FILES),
        bundle=stage.out_dir,
        version=version,
        inputs=tuple(name for name in names if name),
        max_length=signature.length,
        largest_difference=difference,
        compared_with=str(former),
    )


def _compare(former: Path, new: Path, bundle: Bundle) -> tuple[Signature, float]:
    """What the client will call, and the largest difference of its outputs from the former ones."""
    from lightclient.export.check import check_labels

    old = read_saved_model(former)
    asked = find_signature(dict(old.definitions), DEFAULT_NAME).signature
    if DEFAULT_NAME not in old.signatures:
        raise ExportError(f"{DEFAULT_NAME} of {former} has tensors that JSON cannot carry")
    called = old.signatures[DEFAULT_NAME]
    requests = list(_requests(bundle, asked, called))
    expected = [called.run(arrays) for arrays in requests]
    for outputs in expected:
        check_labels(outputs[str(asked.output)], bundle)
    del old, called  # two models may be more than there is memory for
    added = read_saved_model(new)
    signature = find_signature(dict(added.definitions), DEFAULT_NAME).signature
    differences = [
        _difference(added.signatures[name].run(arrays), outputs)
        for name in (DEFAULT_NAME, signature.name)
        for arrays, outputs in zip(requests, expected, strict=True)
    ]
    return signature, max(differences)


def _requests(
    bundle: Bundle, signature: Signature, definition: "SignatureDef"
) -> "Iterator[Arrays]":
    """Some texts as a client would send them, each alone."""
    from lightclient.export.samples import SENTENCES, longest

    for text in SENTENCES:
        batch = encode([text], bundle, longest(bundle, signature.length), signature.length)
        columns = json.loads(build_request(batch, signature))["inputs"]
        types = {name: spec.dtype for name, spec in definition.inputs.items()}
        yield {name: np.array(rows, types[name]) for name, rows in columns.items()}


def _difference(outputs: Mapping[str, Any], expected: Mapping[str, Any]) -> float:
    from lightclient.export.check import is_tolerable

    most = 0.0
    for name, values in expected.items():
        if values.dtype.kind == "f":
            difference = float(np.abs(outputs[name] - values).max(initial=0))
            most, same = max(most, difference), is_tolerable(difference, values)
        else:
            same = np.array_equal(outputs[name], values)
        if not same:
            raise ExportError(
                f"with the bundle, the SavedModel's output {name!r} is another one, which cannot "
                "be: please report it"
            )
    return most
