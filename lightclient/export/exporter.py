"""The steps of an export, in order."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightclient.errors import ExportError, InputError
from lightclient.export.libraries import has_torch, prepare
from lightclient.export.source import Source, find_source
from lightclient.export.staging import Staging, choose_version, place, staging
from lightclient.model.files import read_files
from lightclient.serving.plan import check_lengths

if TYPE_CHECKING:
    from lightclient.export.savedmodel import Run
    from lightclient.model.bundle import Bundle

_LOG = logging.getLogger("lightclient.export")


@dataclass(frozen=True)
class Exported:
    """What was written, and how well it agrees with the source.

    `folder`: the SavedModel, OUT_DIR/version. `bundle`: OUT_DIR, with the files that it carries.
    `inputs`: the signature's, each int32 [any, `max_length`]; None: any length.
    `largest_difference`: between the logits of both, over some texts, alone and padded.
    `compared_with`: what ran the source model, "PyTorch" or "TensorFlow"; the SavedModel that a
    bundle was added to.
    """

    folder: Path
    bundle: Path
    version: int
    inputs: tuple[str, ...]
    max_length: int | None
    largest_difference: float
    compared_with: str


def export(
    model: str | Path,
    out_dir: str | Path,
    *,
    version: int | None = None,
    max_length: int | None = None,
) -> Exported:
    """Write a model as OUT_DIR/version, with its bundle in it and beside it, and check it.

    On any error, Ctrl-C included, OUT_DIR is as it was before. Progress is logged to
    `lightclient.export`.

    Args:
        model: a local Hugging Face folder, or a name on the hub.
        out_dir: the folder that a server is to load; made if it is not there.
        version: None: one above the highest there.
        max_length: the tokens that every row must have; None: any number.

    Raises:
        InputError: an argument is not what it must be, or the version is taken.
        BundleError: the model's folder is incomplete, broken or contradicts itself.
        ExportError: the model cannot be exported, the result is not the same, there is no room,
            or TensorFlow and transformers are not installed.
    """
    check_path("model", model)
    out_dir = check_path("out_dir", out_dir)
    check_version(version)
    with translated(out_dir, OSError, MemoryError):
        choose_version(out_dir, version)
        _LOG.info("loading TensorFlow")
        prepare()
        source = find_source(model)
        if out_dir.resolve() == source.folder.resolve():
            raise InputError(f"{out_dir} is the model's own folder: give another one to write to")
        with staging(out_dir) as stage:
            return _export(source, stage, version, max_length)


def check_path(name: str, value: object) -> Path:
    """Make an absolute path of an argument. Raises InputError."""
    if not isinstance(value, (str, Path)) or not str(value):
        raise InputError(f"{name} must be a path, not {value!r:.80}")
    return Path(os.path.abspath(str(value)))


def check_version(version: object) -> None:
    """Raise InputError for what is neither a whole number nor None."""
    if version is not None and (not isinstance(version, int) or isinstance(version, bool)):
        raise InputError(f"version must be a whole number, not {version!r:.80}")


def _export(
    source: Source, stage: Staging, version: int | None, max_length: int | None
) -> Exported:
    from tensorflow.errors import OpError

    from lightclient.export.check import largest_difference
    from lightclient.export.model import input_names, load_model, silence_padding, size
    from lightclient.export.savedmodel import load_saved_model
    from lightclient.export.tokens import FILES, write_bundle

    bundle = write_bundle(source.folder, stage.bundle)
    check_lengths(bundle, max_length, None)
    _LOG.info("reading %s", source.weights)
    model = load_model(source)
    silence_padding(model, bundle)
    stage.check_space(size(model))
    names = input_names(model, bundle)
    compared_with, run = _source_model(model, source)
    with translated(stage.out_dir, OpError):
        _LOG.info("writing the SavedModel")
        _write(model, stage, bundle, names, max_length)
        _LOG.info("comparing it with the source model in %s", compared_with)
        served = load_saved_model(stage.version)
        difference = largest_difference(served, run, bundle, names, max_length)
    version = choose_version(stage.out_dir, version)
    folder = place(stage, version, FILES)
    return Exported(folder, stage.out_dir, version, names, max_length, difference, compared_with)


def _write(
    model: Any, stage: Staging, bundle: "Bundle", names: tuple[str, ...], length: int | None
) -> None:
    from lightclient.export.savedmodel import write_saved_model
    from lightclient.export.signatures import add_signatures
    from lightclient.export.warmup import warmup_requests, write_warmup

    write_saved_model(model, stage.version, names, length)
    add_signatures(stage.version, read_files(stage.bundle))
    write_warmup(stage.version, warmup_requests(bundle, names, length))


def _source_model(model: Any, source: Source) -> tuple[str, "Run"]:
    from lightclient.export.savedmodel import run_source
    from lightclient.export.weights import is_pytorch

    if not (has_torch() and is_pytorch(source.weights)):
        return "TensorFlow", run_source(model)
    from lightclient.export.pytorch import run_pytorch

    return "PyTorch", run_pytorch(source.folder)


@contextmanager
def translated(out_dir: Path, *kinds: type[Exception]) -> Iterator[None]:
    """Errors of these kinds as ours."""
    try:
        yield
    except kinds as error:
        raise ExportError(f"the export to {out_dir} failed: {error!s:.500}") from error
