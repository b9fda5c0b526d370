"""A model server whose logits tell a text by its token ids; with faults, if they are asked for.

As a process of its own, `python -m tests.stress.server` says its port, and ends with its stdin.
"""

import argparse
import json
import random
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from tests.scripted import read_request, response

Logits = tuple[float, float]
# Answers one request; whether the connection goes on.
Handler = Callable[[socket.socket, bytes], bool]


def logits_of(ids: Sequence[int]) -> Logits:
    """Whole numbers below 2**24, which a float32 holds exactly."""
    return float(zlib.crc32(array("i", ids).tobytes()) % 10_000_019), float(len(ids))


def rows_of(request: bytes) -> list[list[int]]:
    """The ids of each text of a predict request, without their padding."""
    inputs = json.loads(request.partition(b"\r\n\r\n")[2])["inputs"]
    return [
        [token for token, on in zip(ids, mask, strict=True) if on]
        for ids, mask in zip(inputs["input_ids"], inputs["attention_mask"], strict=True)
    ]


def _tensor(dtype: str) -> dict[str, Any]:
    dims = [{"size": "-1", "name": ""}, {"size": "-1", "name": ""}]
    return {"dtype": dtype, "tensor_shape": {"dim": dims, "unknown_rank": False}}


_SIGNATURE = {
    "inputs": {"input_ids": _tensor("DT_INT32"), "attention_mask": _tensor("DT_INT32")},
    "outputs": {"logits": _tensor("DT_FLOAT")},
}
METADATA = {"metadata": {"signature_def": {"signature_def": {"serving_default": _SIGNATURE}}}}


def right_answer(request: bytes) -> bytes:
    """The body of the answer to a request for the metadata or for logits."""
    if request.startswith(b"GET"):
        return json.dumps(METADATA).encode()
    return json.dumps({"outputs": [logits_of(ids) for ids in rows_of(request)]}).encode()


def well(connection: socket.socket, request: bytes) -> bool:
    connection.sendall(response(200, right_answer(request)))
    return True


def never(connection: socket.socket, request: bytes) -> bool:
    """No answer; until the client has gone."""
    connection.recv(1)
    return False


class Server:
    """Gives each request to `handle`; to be used in a `with`.

    `rows`: the logits of the rows that came over each of the client's ports. `live`: how many
    connections are open. `asked`: a request has come.
    """

    def __init__(self, handle: Handler = well, port: int = 0) -> None:
        self._handle = handle
        self._listener = socket.create_server(("127.0.0.1", port), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1/models/m"
        self.rows: dict[int, set[Logits]] = {}
        self.asked = threading.Event()
        self._changed = threading.Condition()
        self._open: set[socket.socket] = set()
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, peer = self._listener.accept()
                with self._changed:
                    self._open.add(connection)
                thread = threading.Thread(
                    target=self._serve, args=(connection, peer[1]), daemon=True
                )
                thread.start()

    def _serve(self, connection: socket.socket, port: int) -> None:
        try:
            while request := read_request(connection):
                if request.startswith(b"POST"):
                    self.rows.setdefault(port, set()).update(map(logits_of, rows_of(request)))
                    self.asked.set()
                if not self._handle(connection, request):
                    break
        except OSError:
            pass
        finally:
            with self._changed:
                connection.close()
                self._open.discard(connection)
                self._changed.notify_all()

    @property
    def live(self) -> int:
        return len(self._open)

    def all_left(self, seconds: float) -> bool:
        """Whether every client closes its connections within so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._open, seconds)

    def ports_of(self, logits: set[Logits]) -> set[int]:
        """The ports that any of these rows came from."""
        return {port for port, rows in list(self.rows.items()) if rows & logits}

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join()
        with self._changed:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        assert self.all_left(10)

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Faults:
    """A handler that answers right most of the time, and else does what servers and networks do."""

    def __init__(self, seed: int, share: float) -> None:
        self._random, self._share = random.Random(seed), share
        self._lock = threading.Lock()
        self.counts: dict[str, int] = {}

    def __call__(self, connection: socket.socket, request: bytes) -> bool:
        with self._lock:
            well_this_time = self._random.random() >= self._share
            fault = _right if well_this_time else self._random.choice(_FAULTS)
            amount = self._random.random()
            self.counts[fault.__name__] = self.counts.get(fault.__name__, 0) + 1
        return fault(connection, right_answer(request), amount)


def _right(connection: socket.socket, body: bytes, amount: float) -> bool:
    connection.sendall(response(200, body))
    return True


def _in_chunks(connection: socket.socket, body: bytes, amount: float) -> bool:
    cut = int(amount * len(body))
    parts = b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in (body[:cut], body[cut:]) if p)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection.sendall(head + parts + b"0\r\n\r\n")
    return True


def _right_and_closes(connection: socket.socket, body: bytes, amount: float) -> bool:
    connection.sendall(response(200, body, "Connection: close"))
    return False


def _right_and_closes_silently(connection: socket.socket, body: bytes, amount: float) -> bool:
    connection.sendall(response(200, body))
    return False


def _closes(connection: socket.socket, body: bytes, amount: float) -> bool:
    return False


def _resets(connection: socket.socket, body: bytes, amount: float) -> bool:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def _is_late(connection: socket.socket, body: bytes, amount: float) -> bool:
    time.sleep(2 * amount)
    return _right(connection, body, amount)


def _is_busy(connection: socket.socket, body: bytes, amount: float) -> bool:
    status = 503 if amount < 0.5 else 429
    connection.sendall(response(status, '{"error": "busy"}', "Retry-After: 0"))
    return True


def _fails(connection: socket.socket, body: bytes, amount: float) -> bool:
    status = 500 if amount < 0.5 else 400
    connection.sendall(response(status, '{"error": "this happens"}'))
    return True


def _half(connection: socket.socket, body: bytes, amount: float) -> bool:
    whole = response(200, body)
    connection.sendall(whole[: int(amount * len(whole))])
    return False


def _garbage(connection: socket.socket, body: bytes, amount: float) -> bool:
    connection.sendall(random.Random(amount).randbytes(int(300 * amount)))
    return False


def _wrong_shape(connection: socket.socket, body: bytes, amount: float) -> bool:
    rows = [[1.0], [1, "2"], [0.0, float("nan")], None]
    connection.sendall(response(200, json.dumps({"outputs": [rows[int(amount * 4)]]})))
    return True


def _one_too_many(connection: socket.socket, body: bytes, amount: float) -> bool:
    """A second answer, which must never be taken for that to the next request."""
    connection.sendall(response(200, body) + response(200, '{"outputs": [[7, 7]]}'))
    return True


def _drips(connection: socket.socket, body: bytes, amount: float) -> bool:
    whole = response(200, body)
    size = 1 + len(whole) // 40
    for at in range(0, len(whole), size):
        connection.sendall(whole[at : at + size])
        time.sleep(0.1 * amount)
    return True


_FAULTS = [
    _in_chunks, _right_and_closes, _right_and_closes_silently, _closes, _resets, _is_late, _is_busy,
    _fails, _half, _garbage, _wrong_shape, _one_too_many, _drips,
]  # fmt: skip


@contextmanager
def serving_elsewhere(seed: int = 0, share: float = 0.0) -> Iterator[str]:
    """A server in a process of its own; gives its URL."""
    command = [sys.executable, "-m", "tests.stress.server", str(seed), str(share)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
            print(process.stdout.read(), end="", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("seed", type=int)
    parser.add_argument("share", type=float)
    arguments = parser.parse_args()
    faults = Faults(arguments.seed, arguments.share)
    server = Server(faults)
    print(server.url, flush=True)
    sys.stdin.read()
    print("server:", *(f"{name[1:]} {n}" for name, n in sorted(faults.counts.items())))


if __name__ == "__main__":
    main()
