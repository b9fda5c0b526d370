"""A server that misbehaves until it is mended, then answers rightly on the same port.

Its logits are made from the token ids of each row, so that an answer of another row, or of an
earlier request, is seen to be wrong.
"""

import json
import math
import select
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.scripted import ScriptedServer, read_request, response

# What a server does with a connection and a request that it has read; whether it then goes on.
Act = Callable[[Any, bytes], bool]
Wrap = Callable[[Any], Any]


class FaultServer(ScriptedServer):
    """Meets requests with `act`, so many `times`, or until `mend`; answers all others rightly.

    Args:
        act: the fault; None: none.
        times: how many requests meet it.
        after: how many go well before.
        only: how a request begins that can meet it, as `b"GET"`.
        at_accept: the fault comes before the request is read.
        listens: whether the port is open before `mend`.

    `answering`: how many right answers went on each connection.
    """

    def __init__(
        self,
        act: Act | None = None,
        *,
        times: float = math.inf,
        after: int = 0,
        only: bytes = b"",
        at_accept: bool = False,
        wrap: Wrap | None = None,
        listens: bool = True,
    ) -> None:
        self._act, self._only, self._at_accept = act, only, at_accept
        self._spared = after
        self._left: float = 0 if act is None else times
        self._lock = threading.Lock()
        self.answering: Counter[int] = Counter()
        self._listens = listens
        super().__init__([self._converse], wrap, listens=listens)

    @property
    def origin(self) -> str:
        return super().origin.replace("localhost", "127.0.0.1")

    def mend(self) -> None:
        """From now on all is well."""
        with self._lock:
            self._left = 0
        if not self._listens:
            self._listens = True
            self.come_up()

    def fail(self, times: float, after: int = 0) -> None:
        """So many of the next requests meet the fault, after some that go well."""
        with self._lock:
            self._left, self._spared = times, after

    def play_deaf(self) -> list[socket.socket]:
        """Listen and never accept; the sockets given back fill the queue until they are closed."""
        self._listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.port))
        return fillers

    def _meets_fault(self, request: bytes | None = None) -> bool:
        with self._lock:
            others = request is not None and not request.startswith(self._only)
            if self._left <= 0 or others:
                return False
            if self._spared:
                self._spared -= 1
                return False
            self._left -= 1
            return True

    def _converse(self, connection: Any) -> None:
        if self._at_accept and self._meets_fault():
            self._act(connection, b"")
            return
        while request := read_request(connection):
            if self._at_accept or not self._meets_fault(request):
                self.answering[id(connection)] += 1
                connection.sendall(good(request))
            elif not self._act(connection, request):
                return


@contextmanager
def mending(act: Act | None = None, **options: Any) -> Iterator[FaultServer]:
    server = FaultServer(act, **options)
    try:
        yield server
    finally:
        server.close()


def logits_of(ids: Sequence[int]) -> list[float]:
    """Two numbers that float32 holds exactly, and that tell rows apart."""
    weighted = sum(at * token for at, token in enumerate(ids, 1))
    return [sum(ids) % 1009 / 128, weighted % 997 / 128]


def good_body(request: bytes) -> bytes:
    """The right answer to a request."""
    if request.startswith(b"GET"):
        return metadata()
    inputs = json.loads(request.partition(b"\r\n\r\n")[2])["inputs"]
    rows = zip(inputs["input_ids"], inputs["attention_mask"], strict=True)
    return json.dumps({"outputs": [logits_of(_unpadded(*row)) for row in rows]}).encode()


def _unpadded(ids: list[int], mask: list[int]) -> list[int]:
    return [token for token, on in zip(ids, mask, strict=True) if on]


def good(request: bytes) -> bytes:
    return response(200, good_body(request), "Content-Type: application/json")


def metadata(length: int = -1, classes: int = 2) -> bytes:
    """What GET …/metadata answers for a model of this length (-1: free) and so many labels."""
    inputs = {name: _tensor("DT_INT32", length) for name in ("input_ids", "attention_mask")}
    signature = {"inputs": inputs, "outputs": {"logits": _tensor("DT_FLOAT", classes)}}
    signatures = {"signature_def": {"serving_default": signature}}
    return json.dumps({"metadata": {"signature_def": signatures}}).encode()


def _tensor(dtype: str, size: int) -> dict[str, Any]:
    dims = [{"size": str(n), "name": ""} for n in (-1, size)]
    return {"dtype": dtype, "tensor_shape": {"dim": dims, "unknown_rank": False}}


def stay_silent(connection: Any, request: bytes = b"") -> bool:
    while connection.recv(65536):
        pass
    return False


def close(connection: Any, request: bytes = b"") -> bool:
    return False


def reset(connection: Any, request: bytes = b"") -> bool:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    return False


def reply(data: bytes) -> Act:
    """Send this and go on."""

    def act(connection: Any, request: bytes) -> bool:
        connection.sendall(data)
        return True

    return act


def reply_then(data: bytes, last: Act) -> Act:
    """Send this, then do the last thing: `close`, `reset` or `stay_silent`."""

    def act(connection: Any, request: bytes) -> bool:
        connection.sendall(data)
        return last(connection, request)

    return act


def shaped(shape: Callable[[bytes], bytes], last: Act | None = None) -> Act:
    """Send the right body in another shape than usual."""

    def act(connection: Any, request: bytes) -> bool:
        connection.sendall(shape(good_body(request)))
        return True if last is None else last(connection, request)

    return act


def drip(before: bytes, drop: bytes, seconds: float) -> Act:
    """Send the first part at once, then a drop at a time, until the client goes away."""

    def act(connection: Any, request: bytes) -> bool:
        connection.sendall(before)
        while not select.select([connection], [], [], seconds)[0]:
            connection.sendall(drop)
        return False

    return act


def pour(before: bytes, piece: bytes, pieces: float = math.inf) -> Act:
    """Send the first part, then the same piece again and again, as many as the client takes."""

    def act(connection: Any, request: bytes) -> bool:
        connection.sendall(before)
        sent = 0
        while sent < pieces:
            connection.sendall(piece)
            sent += 1
        return False

    return act
