"""Sockets and threads: who is connected, how many at once, and how it all ends."""

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from socketserver import BaseRequestHandler, TCPServer
from typing import Any

AT_ONCE = 64  # connections; beyond them, the one that is idle for longest makes room
END_SECONDS = 5.0  # how long `close` waits for models that are still computing
LOG = logging.getLogger("lightclient.standin")


class Connections(TCPServer):
    """Listens from the start until `close`, with a thread for each connection."""

    allow_reuse_address = os.name == "posix"  # elsewhere, it would let two servers share a port
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        handler: type[BaseRequestHandler],
        respond: Callable[[str, str, bytes], tuple[int, object]],
    ) -> None:
        self.address_family = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0][0]
        super().__init__(address, handler)
        self.respond = respond  # for the handlers: method, path and body to status and JSON value
        self._lock = threading.Lock()
        self._threads: dict[socket.socket, threading.Thread] = {}
        # Those that wait for another request, the longest idle one first.
        self._idle: dict[socket.socket, None] = {}
        self._acceptor = _thread(self.serve_forever)
        self._acceptor.start()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start the thread of a connection that was accepted."""
        thread = _thread(self._serve, request, client_address)
        with self._lock:
            # A thread does not remove itself: `close` must find it until it has truly ended.
            alive = {ours: its for ours, its in self._threads.items() if its.is_alive()}
            if len(alive) >= AT_ONCE and self._idle:
                oldest = next(iter(self._idle))
                del self._idle[oldest]  # nobody else is to hang up on it
                _hang_up(oldest)
            thread.start()
            self._threads = alive | {request: thread}

    @contextlib.contextmanager
    def idle(self, connection: socket.socket) -> Iterator[None]:
        """Within it, a connection may be ended to make room for another."""
        with self._lock:
            self._idle[connection] = None
        yield
        with self._lock:
            self._idle.pop(connection, None)

    def close(self) -> None:
        """End every connection, then every thread; idle and half-sent ones do not hold it up."""
        _hang_up(self.socket)  # wakes the acceptor on Linux; elsewhere, it looks twice a second
        self.shutdown()
        with self._lock:
            for connection in self._threads:
                _hang_up(connection)
        end = time.monotonic() + END_SECONDS
        for thread in (self._acceptor, *self._threads.values()):
            thread.join(max(0.0, end - time.monotonic()))
        self.server_close()
        if any(thread.is_alive() for thread in self._threads.values()):
            LOG.warning("a model was still computing after %s s: its thread is left", END_SECONDS)

    def _serve(self, connection: socket.socket, client_address: Any) -> None:
        try:
            # The client has gone (EOFError), keeps silent, or somebody hung up.
            with contextlib.suppress(OSError, EOFError):
                self.finish_request(connection, client_address)
        finally:
            # Under the lock, or `_hang_up` could meet another socket that got the same number.
            with self._lock:
                self._idle.pop(connection, None)
                connection.close()


def _thread(target: Callable[..., None], *arguments: object) -> threading.Thread:
    return threading.Thread(target=target, args=arguments, name="lightclient-standin", daemon=True)


def _hang_up(connection: socket.socket) -> None:
    """Wake whoever waits for it."""
    with contextlib.suppress(OSError):  # the other side may have hung up already
        connection.shutdown(socket.SHUT_RDWR)
