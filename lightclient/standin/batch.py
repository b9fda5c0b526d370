"""Requests that run together: their tensors as one, and their answers apart again.

Source: tensorflow_serving/batching/batching_session.cc and batching_util.cc.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightclient.standin.prediction import run_model
from lightclient.standin.signatures import Arrays, SignatureDef
from lightclient.standin.status import StatusError


@dataclass(eq=False)
class Batch:
    """`is_full`: it need not wait for more requests. `outputs`: of each of them, in their order."""

    requests: list[Arrays] = field(default_factory=list)
    rows: int = 0
    is_full: threading.Event = field(default_factory=threading.Event)
    outputs: "Future[list[Arrays]]" = field(default_factory=Future)

    def run(self, name: str, signature: SignatureDef, *, pad: bool) -> None:
        """Set `outputs`. `name`: the signature's. `pad`: different lengths are not refused."""
        try:
            # Sorted, since the real server names the first tensor that does not fit.
            inputs = {key: self._merge(name, key, pad) for key in sorted(signature.inputs)}
            self.outputs.set_result(self._split(run_model(signature, inputs)))
        except Exception as error:  # noqa: BLE001  each thread that waits for the batch raises it
            self.outputs.set_exception(error)

    def _merge(self, name: str, key: str, pad: bool) -> NDArray[Any]:
        tensors = [inputs[key] for inputs in self.requests]
        if len({tensor.shape[1:] for tensor in tensors}) > 1:
            if not pad:
                # The tensor goes by the name that tf.saved_model.save gives it.
                raise StatusError(
                    f"Tensors with name '{name}_{key}:0' from different tasks have different "
                    "shapes and padding is turned off. Set pad_variable_length_inputs to true, or "
                    "ensure that all tensors with the same name have equal dimensions starting "
                    "with the first dim.",
                    code="FAILED_PRECONDITION",
                )
            longest = np.max([tensor.shape[1:] for tensor in tensors], axis=0).tolist()
            tensors = [_pad(tensor, longest) for tensor in tensors]
        return np.concatenate(tensors)

    def _split(self, outputs: Arrays) -> list[Arrays]:
        for tensor in outputs.values():
            if tensor.shape[:1] != (self.rows,):
                raise StatusError(
                    "Batched output tensor's 0th dimension does not equal the sum of the 0th "
                    "dimension sizes of the input tensors",
                    code="FAILED_PRECONDITION",
                )
        ends = np.cumsum([count_rows(inputs) for inputs in self.requests])[:-1]
        parts = {name: np.split(tensor, ends) for name, tensor in outputs.items()}
        return [
            {name: found[place] for name, found in parts.items()}
            for place in range(len(self.requests))
        ]


def count_rows(inputs: Arrays) -> int:
    """Count the rows of a request; raises StatusError if its tensors do not agree."""
    if not all(tensor.shape for tensor in inputs.values()):
        raise StatusError("Batching Run() input tensors must have at least one dimension")
    counts = {len(tensor) for tensor in inputs.values()}
    if len(counts) > 1:
        raise StatusError("Batching Run() input tensors must have equal 0th-dimension size")
    return counts.pop()


def _pad(tensor: NDArray[Any], longest: Sequence[int]) -> NDArray[Any]:
    """Lengthen rows as the real server does, which is wrong: with the tensor's first element.

    That is 1 in a mask, and the id of [CLS] among ids.
    """
    if not tensor.size:
        raise StatusError("Got empty tensor in batch of non-empty tensors.")
    missing = [(0, most - size) for most, size in zip(longest, tensor.shape[1:], strict=True)]
    # A slice, since numpy would cut a NUL off the end of bytes that stand alone.
    return np.pad(tensor, [(0, 0), *missing], constant_values=tensor.reshape(-1)[:1])
