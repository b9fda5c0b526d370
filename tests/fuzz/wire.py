"""A loopback server that says whatever bytes it is given, once, and then answers properly."""

import socket
import threading
from contextlib import suppress

from lightclient.http.transport import Transport
from lightclient.serving.address import parse_address
from tests.scripted import read_request, response


class Wire:
    """`marker`: the body of every answer but the first."""

    marker = b'{"the next": "answer"}'

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._address = parse_address(
            f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1/models/m"
        )
        self._data, self._stays_open = b"", False
        threading.Thread(target=self._accept, daemon=True).start()

    def answer(self, data: bytes, *, stays_open: bool) -> None:
        """Say `data` to each request but that for /again; then close, unless it `stays_open`."""
        self._data, self._stays_open = data, stays_open

    def transport(self, retries: int) -> Transport:
        return Transport(self._address.origin, retries=retries, max_reply_bytes=100_000)

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while request := read_request(connection):
                if request.startswith(b"GET /again "):
                    connection.sendall(response(200, self.marker))
                    continue
                connection.sendall(self._data)
                if not self._stays_open:
                    return
