"""Servers that fail as a whole: they restart, load another model, batch, or refuse large bodies."""

import json
import threading
from contextlib import suppress
from typing import Any

from tests.faults.server import Act, FaultServer, good, logits_of, metadata
from tests.scripted import response

SHAPES_DIFFER = (
    "Tensors with name 'serving_default_input_ids:0' from different tasks have different shapes "
    "and padding is turned off. Set pad_variable_length_inputs to true, or ensure that all "
    "tensors with the same name have equal dimensions starting with the first dim."
)
WRONG_LENGTH = "Incompatible shapes: [1,{},768] vs. [1,{},768]"


def inputs_of(request: bytes) -> tuple[list[list[int]], list[list[int]]]:
    """The ids and the masks of a predict request."""
    inputs = json.loads(request.partition(b"\r\n\r\n")[2])["inputs"]
    return inputs["input_ids"], inputs["attention_mask"]


def refusing(words: str, status: int = 400) -> bytes:
    return response(status, json.dumps({"error": words}))


def restarting(pause: float) -> tuple[Act, list[FaultServer]]:
    """Goes down in the middle of a request, and comes up again after a while.

    The server is to be put into the list.
    """
    servers: list[FaultServer] = []

    def act(connection: Any, request: bytes) -> bool:
        [server] = servers
        server.go_down()
        rising = threading.Timer(pause, _rise, (server,))
        server.threads.append(rising)
        rising.start()
        return False

    return act, servers


def _rise(server: FaultServer) -> None:
    with suppress(OSError):  # the test may be over
        server.come_up()


def new_version(length: int, classes: int) -> Act:
    """Another model than the one whose metadata was told: other rows, or other labels."""

    def act(connection: Any, request: bytes) -> bool:
        connection.sendall(_answer(request, length, classes))
        return True

    return act


def _answer(request: bytes, length: int, classes: int) -> bytes:
    if request.startswith(b"GET"):
        return response(200, metadata(length, classes))
    ids, masks = inputs_of(request)
    if length not in (-1, len(ids[0])):
        return refusing(WRONG_LENGTH.format(length, len(ids[0])))
    rows = [
        logits_of([token for token, on in zip(row, mask, strict=True) if on])
        for row, mask in zip(ids, masks, strict=True)
    ]
    outputs = [[*row, 0.0][:classes] for row in rows]
    return response(200, json.dumps({"outputs": outputs}))


def limited(most_bytes: int) -> Act:
    """Refuses long bodies, as a proxy does, with 413 and a page."""

    def act(connection: Any, request: bytes) -> bool:
        if len(request) > most_bytes:
            connection.sendall(response(413, "<html>Request Entity Too Large</html>"))
        else:
            connection.sendall(good(request))
        return True

    return act


class Batching:
    """Puts requests that come together in one batch; fails all of them if their lengths differ.

    As TensorFlow Serving with --enable_batching and without padding. A request waits for a second
    one for `patience` seconds. `refused`: how many were.
    """

    def __init__(self, patience: float = 0.05) -> None:
        self.refused = 0
        self._patience = patience
        self._batch: dict[int, set[int]] = {}
        self._changed = threading.Condition()
        self._round = 0
        self._waiting = 0

    def act(self, connection: Any, request: bytes) -> bool:
        mixed = request.startswith(b"POST") and self._is_mixed(len(inputs_of(request)[0][0]))
        connection.sendall(refusing(SHAPES_DIFFER) if mixed else good(request))
        return True

    def _is_mixed(self, length: int) -> bool:
        with self._changed:
            mine = self._round
            lengths = self._batch.setdefault(mine, set())
            lengths.add(length)
            self._waiting += 1
            if self._waiting == 2:
                self._round, self._waiting = mine + 1, 0
                self._changed.notify_all()
            elif not self._changed.wait_for(lambda: self._round > mine, self._patience):
                self._round, self._waiting = mine + 1, 0
            self.refused += len(lengths) > 1
            return len(lengths) > 1


def always_refusing(connection: Any, request: bytes) -> bool:
    """Never content with the lengths."""
    connection.sendall(refusing(SHAPES_DIFFER))
    return True
