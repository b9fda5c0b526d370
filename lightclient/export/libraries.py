"""TensorFlow and transformers: made ready before anything here imports them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec

from lightclient.errors import ExportError

_MEND = "pip install '.[export]' in lightclient's checkout"
TENSORFLOW = "tensorflow"
_ALL = (
    TENSORFLOW, "tf_keras", "transformers", "safetensors", "sentencepiece", "tensorflow_serving",
)  # fmt: skip


def prepare(*needed: str) -> None:
    """Import TensorFlow, quietly, and transformers with the Keras that transformers 4 needs.

    Args:
        needed: of the extra's packages those that must be there, if not all.

    Raises:
        ExportError: one of them is missing, too new, or does not load.
    """
    missing = [name for name in needed or _ALL if find_spec(name) is None]
    if missing:
        raise ExportError(f"export needs {', '.join(missing)}, not installed: {_MEND}")
    set_environment()
    try:
        with _without_stderr():
            import_module(TENSORFLOW).get_logger().setLevel("ERROR")
            if not needed:
                _load_transformers()
    except Exception as error:
        raise ExportError(
            f"TensorFlow or transformers does not load ({error!r:.300}): {_MEND}"
        ) from (error)


def set_environment() -> None:
    """The variables that TensorFlow and its Keras read when they are imported."""
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def has_torch() -> bool:
    """Whether PyTorch is installed; it is not part of the extra."""
    return find_spec("torch") is not None


@contextmanager
def _without_stderr() -> Iterator[None]:
    """TensorFlow 2.21 writes of CPUs and CUDA while it is imported, whatever the log level."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _load_transformers() -> None:
    transformers = import_module("transformers")
    if int(transformers.__version__.split(".")[0]) >= 5:
        raise ExportError(f"transformers {transformers.__version__} has no TensorFlow classes")
    # A lazy module: this line is what finds a Keras that does not fit.
    import_module("transformers.modeling_tf_utils")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
