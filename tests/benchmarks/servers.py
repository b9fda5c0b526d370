"""A server that answers as TensorFlow Serving does, without computing: run as a program.

It prints its port and serves until its standard input ends. The model's name in the path says what
it takes: `fixed` rows of 100 tokens, `free` rows of any length, as `large` does, whose answers are
padded to 20,000 bytes. Computing can be simulated: it takes time, but no processor.
"""

import argparse
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: %d\r\n\r\n"
)
_COLUMNAR = b"        [\n            -4.2159214,\n            4.58923769\n        ]"
_ROW = b"[-4.2159214, 4.58923769]"
_LARGE = 20_000
_TENSOR = (
    b'{"dtype": "%s", "tensor_shape": {"dim": [{"size": "-1"}, {"size": "%d"}],'
    b' "unknown_rank": false}}'
)
_METADATA = (
    b'{"model_spec": {"name": "%s", "version": "1"}, "metadata": {"signature_def": '
    b'{"signature_def": {"serving_default": {"inputs": {"input_ids": %s, "attention_mask": %s},'
    b' "outputs": {"logits": %s}, "method_name": "tensorflow/serving/predict"}}}}}'
)


@dataclass(frozen=True)
class Manner:
    """How the server takes its time.

    `delay`: seconds before each answer; `token_delay`: seconds more for each token, padding
    included, and `strain`: the tokens of a request that make each of them cost twice as much, as
    they do where a processor's cache is too small; `at_once`: the requests that are computed at the
    same time, while the others wait. `piece`: bytes of a write, with Nagle's algorithm on.
    """

    delay: float = 0.0
    token_delay: float = 0.0
    strain: float = float("inf")
    at_once: int = 1 << 30
    piece: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "_places", threading.Semaphore(self.at_once))

    def compute(self, body: bytes) -> None:
        """Take the time that computing would take."""
        tokens = (body.count(b",") + 1) / max(1, body.count(b"[["))
        seconds = self.delay + tokens * self.token_delay * (1 + tokens / self.strain)
        if seconds:
            with self._places:
                time.sleep(seconds)


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--token-delay", type=float, default=0.0)
    parser.add_argument("--strain", type=float, default=float("inf"))
    parser.add_argument("--at-once", type=int, default=1 << 30)
    parser.add_argument("--piece", type=int)
    manner = Manner(**vars(parser.parse_args()))
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    threading.Thread(target=_accept, args=(listener, manner), daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()


def _accept(listener: socket.socket, manner: Manner) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_serve, args=(connection, manner), daemon=True).start()


def _serve(connection: socket.socket, manner: Manner) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, manner.piece is None)
    with connection:
        for head, body in _requests(connection):
            data = answer(head, body)
            manner.compute(body)
            write(connection, _HEAD % len(data) + data, manner.piece)


def _requests(connection: socket.socket) -> Iterator[tuple[bytes, bytes]]:
    """Head and body of each request, until the client is gone."""
    data = b""
    while True:
        while b"\r\n\r\n" not in data:
            if not (piece := connection.recv(1 << 18)):
                return
            data += piece
        head, _, data = data.partition(b"\r\n\r\n")
        length = _length(head)
        while len(data) < length:
            data += connection.recv(1 << 18)
        yield head, data[:length]
        data = data[length:]


def _length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0]) if found else 0


def write(connection: socket.socket, data: bytes, piece: int | None) -> None:
    """Send all at once, or in pieces."""
    size = piece or len(data)
    for at in range(0, len(data), size):
        connection.sendall(data[at : at + size])


def answer(head: bytes, body: bytes) -> bytes:
    """The body of the answer to one request."""
    path = head.split(b" ", 2)[1]
    model = path.split(b"/")[3].partition(b":")[0]
    data = _predictions(body) if path.endswith(b":predict") else _metadata(model)
    return data.ljust(_LARGE) if model == b"large" else data


def _metadata(model: bytes) -> bytes:
    ids = _TENSOR % (b"DT_INT32", 100 if model == b"fixed" else -1)
    return _METADATA % (model, ids, ids, _TENSOR % (b"DT_FLOAT", 2))


def _predictions(body: bytes) -> bytes:
    """The same logits for each row, whose number is counted and not parsed."""
    if body.find(b'"instances"', 0, 64) >= 0:
        rows = b", ".join([_ROW] * (body.count(b"{") - 1))
        return b'{\n    "predictions": [%s\n    ]\n}' % rows
    inputs = body.count(b"[[")  # each input is a list of rows
    rows = b",\n".join([_COLUMNAR] * (body.count(b"[") // inputs - 1))
    return b'{\n    "outputs": [\n%s\n    ]\n}' % rows


if __name__ == "__main__":
    main()
