"""Requests that arrive together are run as one batch, as with the real server's --enable_batching.

Source: TensorFlow's core/kernels/batching_util/shared_batch_scheduler.h.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

from lightclient.checks import check_whole
from lightclient.errors import InputError
from lightclient.standin.batch import Batch, count_rows
from lightclient.standin.models import Repository, ServedModel
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
            number: {name: self._with_queue(name, found) for name, found in signatures.items()}
            for number, signatures in model.versions.items()
        }
        return replace(model, versions=versions)

    def _with_queue(self, name: str, signature: SignatureDef) -> SignatureDef:
        return replace(signature, run=_Queue(name, signature, self._batching, self._threads).run)


class _Queue:
    """The batches of one signature that wait."""

    def __init__(
        self, name: str, signature: SignatureDef, batching: Batching, threads: threading.Semaphore
    ) -> None:
        self._name, self._signature = name, signature
        self._batching, self._threads = batching, threads
        self._lock = threading.Lock()
        self._waiting: list[Batch] = []  # only the last one takes more requests

    def run(self, inputs: Arrays) -> Arrays:
        """Run one request, in a batch."""
        batch, place = self._join(inputs)
        if place == 0:  # the thread of the batch's first request runs it for all
            batch.is_full.wait(self._batching.timeout)
            with self._threads:
                with self._lock:
                    self._waiting.remove(batch)  # from now on, no request joins it
                batch.run(self._name, self._signature, pad=self._batching.pad)
        return batch.outputs.result()[place]

    def _join(self, inputs: Arrays) -> tuple[Batch, int]:
        """Add a request to the open batch, or to a new one; return its place there as well."""
        rows, most = count_rows(inputs), self._batching.max_batch_size
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
        self._waiting.append(Batch())
