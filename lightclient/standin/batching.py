"""Requests that arrive together are run as one batch, as with the real server's --enable_batching.

Sources: tensorflow_serving/batching/batching_session.cc and batching_util.cc, and TensorFlow's
core/kernels/batching_util/shared_batch_scheduler.h.
"""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightclient.checks import check_whole
from lightclient.errors import InputError
from lightclient.standin.models import Repository, ServedModel
from lightclient.standin.prediction import run_model
from lightclient.standin.signatures import Arrays, SignatureDef
from lightclient.standin.status import StatusError


@dataclass(frozen=True)
class Batching:
    """How `StandIn` puts requests together, as the real server's --batching_parameters_file says.

    `max_batch_size`: the most rows of a batch, and so of a request. `timeout`: the seconds for
    which a batch waits for more. `pad`: rows of different lengths are padded, by the server's rule
    that corrupts them (`pad_variable_length_inputs`); otherwise, they are refused. `threads`: the
    batches that run at once. `max_enqueued_batches`: those that may wait, for each signature.
    """

    max_batch_size: int = 32
    timeout: float = 0.01
    pad: bool = False
    threads: int = 2
    max_enqueued_batches: int = 100

    def __post_init__(self) -> None:
        for name in ("max_batch_size", "threads", "max_enqueued_batches"):
            check_whole(f"Batching: {name}", getattr(self, name), 1)
        if type(self.timeout) not in (int, float) or not 0 <= self.timeout <= threading.TIMEOUT_MAX:
            raise InputError(f"Batching: timeout is {self.timeout!r}: give seconds, 0 or more")


class BatchedModels:
    """The models of a repository, each of whose signatures batches its requests."""

    def __init__(self, repository: Repository, batching: Batching) -> None:
        self._repository, self._batching = repository, batching
        self._threads = threading.Semaphore(batching.threads)
        self._lock = threading.Lock()
        self._seen: Mapping[str, ServedModel] = {}
        self._batched: Mapping[str, ServedModel] = {}

    def current(self) -> Mapping[str, ServedModel]:
        """Return its models as they are now; a change of them starts with empty queues."""
        with self._lock:
            found = self._repository.current()
            if found != self._seen:
                self._seen = found
                self._batched = {name: self._with_queues(model) for name, model in found.items()}
            return self._batched

    def _with_queues(self, model: ServedModel) -> ServedModel:
        versions = {
            number: {
                name: replace(
                    signature, run=_Queue(name, signature, self._batching, self._threads).run
                )
                for name, signature in signatures.items()
            }
            for number, signatures in model.versions.items()
        }
        return replace(model, versions=versions)


@dataclass(eq=False)
class _Batch:
    """Requests that run together. `is_full`: it need not wait for more of them."""

    requests: list[Arrays] = field(default_factory=list)
    rows: int = 0
    is_full: threading.Event = field(default_factory=threading.Event)
    outputs: "Future[list[Arrays]]" = field(default_factory=Future)


class _Queue:
    """The batches of one signature that wait."""

    def __init__(
        self, name: str, signature: SignatureDef, batching: Batching, threads: threading.Semaphore
    ) -> None:
        self._name, self._signature = name, signature
        self._batching, self._threads = batching, threads
        self._lock = threading.Lock()
        self._waiting: list[_Batch] = []  # only the last one takes more requests

    def run(self, inputs: Arrays) -> Arrays:
        """Run one request, in a batch."""
        batch, place = self._join(inputs)
        if place == 0:  # the thread of the batch's first request runs it for all
            batch.is_full.wait(self._batching.timeout)
            with self._threads:
                self._run_batch(batch)
        return batch.outputs.result()[place]

    def _join(self, inputs: Arrays) -> tuple[_Batch, int]:
        """Add a request to the open batch, or to a new one; return its place there as well."""
        rows, most = _count_rows(inputs), self._batching.max_batch_size
        if rows > most:
            raise StatusError(f"Task size {rows} is larger than maximum input batch size {most}")
        with self._lock:
            if not self._waiting or self._waiting[-1].rows + rows > most:
                self._open_batch()
            batch = self._waiting[-1]
            batch.requests.append(inputs)
            batch.rows += rows
            if batch.rows == most:
                batch.is_full.set()
            return batch, len(batch.requests) - 1

    def _open_batch(self) -> None:
        count, most = len(self._waiting), self._batching.max_enqueued_batches
        if count >= most:
            raise StatusError(
                "The batch scheduling queue to which this task was submitted is full; currently "
                f"{count} batches enqueued and max_enqueued_batches is {most}",
                code="UNAVAILABLE",
            )
        if self._waiting:
            self._waiting[-1].is_full.set()  # nothing joins it any more
        self._waiting.append(_Batch())

    def _run_batch(self, batch: _Batch) -> None:
        with self._lock:
            self._waiting.remove(batch)  # from now on, no request joins it
        try:
            names = sorted(self._signature.inputs)
            inputs = {name: self._merge(name, batch.requests) for name in names}
            outputs = run_model(self._signature, inputs)
            batch.outputs.set_result(_split(outputs, batch))
        except Exception as error:  # noqa: BLE001  each thread that waits for the batch raises it
            batch.outputs.set_exception(error)

    def _merge(self, name: str, requests: Sequence[Arrays]) -> NDArray[Any]:
        tensors = [inputs[name] for inputs in requests]
        if len({tensor.shape[1:] for tensor in tensors}) > 1:
            if not self._batching.pad:
                # The tensor goes by the name that tf.saved_model.save gives it.
                raise StatusError(
                    f"Tensors with name '{self._name}_{name}:0' from different tasks have "
                    "different shapes and padding is turned off. Set pad_variable_length_inputs to "
                    "true, or ensure that all tensors with the same name have equal dimensions "
                    "starting with the first dim.",
                    code="FAILED_PRECONDITION",
                )
            longest = np.max([tensor.shape[1:] for tensor in tensors], axis=0).tolist()
            tensors = [_pad(tensor, longest) for tensor in tensors]
        return np.concatenate(tensors)


def _count_rows(inputs: Arrays) -> int:
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


def _split(outputs: Arrays, batch: _Batch) -> list[Arrays]:
    """Give each request its rows."""
    for tensor in outputs.values():
        if tensor.shape[:1] != (batch.rows,):
            raise StatusError(
                "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension "
                "sizes of the input tensors",
                code="FAILED_PRECONDITION",
            )
    ends = np.cumsum([_count_rows(inputs) for inputs in batch.requests])[:-1]
    columns = {name: np.split(tensor, ends) for name, tensor in outputs.items()}
    return [dict(zip(columns, parts, strict=True)) for parts in zip(*columns.values(), strict=True)]
