"""A server on loopback that follows a script: one function a connection, on the raw socket."""

import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

Script = Callable[[socket.socket], None]


class ScriptedServer:
    """Runs `scripts` for the connections that come, one after the other; the last one repeats.

    `connections`: how many came. `threads`: those of the server. With `listens=False` the port is
    taken, but refuses connections until `come_up`.
    """

    def __init__(
        self,
        scripts: Sequence[Script],
        wrap: Callable[[Any], Any] | None = None,
        *,
        listens: bool = True,
    ) -> None:
        self._scripts = list(scripts)
        self._wrap = wrap
        self._listener = _bound(0)
        self._open: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self.threads: list[threading.Thread] = []
        if listens:
            self.come_up()

    @property
    def origin(self) -> str:
        return f"{'https' if self._wrap else 'http'}://localhost:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.origin}/v1/models/m"

    def come_up(self) -> None:
        self._listener.listen()
        thread = threading.Thread(target=self._accept, args=(self._listener,))
        self.threads.append(thread)
        thread.start()

    def go_down(self) -> None:
        """End all connections and refuse new ones, as a server that restarts."""
        self._close_listener()
        self._listener = _bound(self.port)
        self.end_connections()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            script = self._scripts[min(self.connections, len(self._scripts) - 1)]
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection, script))
            self.threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, script: Script) -> None:
        try:
            if self._wrap:
                connection = self._wrap(connection)
                self._open.append(connection)
            script(connection)
        except OSError:
            pass  # the client went away, which is what some tests are about
        finally:
            connection.close()

    def close(self) -> None:
        self._close_listener()
        self.end_connections()
        for thread in self.threads:
            thread.join()

    def _close_listener(self) -> None:
        with suppress(OSError):  # it may not listen at the moment
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def end_connections(self) -> None:
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def _bound(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    return listener


@contextmanager
def serving(*scripts: Script, wrap: Callable[[Any], Any] | None = None) -> Iterator[ScriptedServer]:
    server = ScriptedServer(scripts, wrap)
    try:
        yield server
    finally:
        server.close()


def read_request(connection: socket.socket) -> bytes:
    """One request, head and body; empty when the client has closed, even in the middle of it."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        piece = connection.recv(65536)
        if not piece:
            return b""
        body += piece
    return head + b"\r\n\r\n" + body


def response(status: int, body: bytes | str, *headers: str, length: bool = True) -> bytes:
    data = body.encode() if isinstance(body, str) else body
    head = [f"HTTP/1.1 {status} Whatever", *headers]
    if length:
        head.append(f"Content-Length: {len(data)}")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + data


def outputs(rows: list[list[float]] | None = None) -> bytes:
    return response(200, json.dumps({"outputs": [[-1.0, 1.0]] if rows is None else rows}))


def answering(*answers: bytes) -> Script:
    """Answers each request of a connection in turn, the last one for ever, then on until closed."""

    def script(connection: socket.socket) -> None:
        at = 0
        while read_request(connection):
            connection.sendall(answers[min(at, len(answers) - 1)])
            at += 1

    return script


def once(answer: bytes) -> Script:
    """Answers one request and closes."""

    def script(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(answer)

    return script
