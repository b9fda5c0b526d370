"""The source model in PyTorch, where it is installed: the best to compare the export with."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForSequenceClassification

from lightclient.errors import ExportError
from lightclient.export.samples import Inputs
from lightclient.export.savedmodel import Run


def run_pytorch(folder: Path) -> Run:
    """The model as a function of its inputs that gives float32 [texts, labels].

    Raises:
        ExportError: PyTorch cannot load it.
    """
    try:
        model = AutoModelForSequenceClassification.from_pretrained(
            folder, local_files_only=True, dtype=torch.float32
        ).eval()
    except Exception as error:  # each library raises classes of its own
        raise ExportError(f"PyTorch cannot load {folder}: {error!r:.300}") from error

    def run(inputs: Inputs) -> NDArray[np.float32]:
        tensors = {name: torch.from_numpy(array).long() for name, array in inputs.items()}
        with torch.inference_mode():
            logits: NDArray[np.float32] = model(**tensors).logits.numpy()
        return logits

    return run
