"""Sockets and threads: who is connected, how many at once, and how it all ends."""

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable
from io import BufferedReader

from lightclient.standin.protocol import Answer, Request, html
from lightclient.standin.wire import WireError, head_bytes, read_request

AT_ONCE = 64  # connections; beyond them, the one that is idle for longest makes room
ACCEPT_SECONDS = 0.2  # how often the end is looked for while nobody connects
QUIET_SECONDS = 60.0  # how long a socket may neither give nor take a byte
LINGER_SECONDS = 2.0  # how long the rest of a refused request is read, so that its answer arrives
END_SECONDS = 5.0  # how long `close` waits for models that are still computing
LOG = logging.getLogger("lightclient.standin")


class Connections:
    """Serves a listening socket until `close`, with a thread for each connection."""

    def __init__(self, listener: socket.socket, respond: Callable[[Request], Answer]) -> None:
        self.address: tuple[str, int] = listener.getsockname()[:2]
        self._listener = listener
        self._respond = respond
        self._lock = threading.Lock()
        self._threads: dict[socket.socket, threading.Thread] = {}
        # Those that wait for another request, the longest idle one first.
        self._idle: dict[socket.socket, None] = {}
        self._closing = False
        self._acceptor = _start_thread(self._accept_all)

    def close(self) -> None:
        """End every connection, then every thread; idle and half-sent ones do not hold it up."""
        with self._lock:
            self._closing = True
            for connection in (self._listener, *self._threads):
                _hang_up(connection)
            threads = [self._acceptor, *self._threads.values()]
        end = time.monotonic() + END_SECONDS
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        self._listener.close()
        if any(thread.is_alive() for thread in threads):
            LOG.warning("a model was still computing after %s s: its thread is left", END_SECONDS)

    def _accept_all(self) -> None:
        # `_hang_up` wakes whoever accepts on Linux. Elsewhere, it is this time-out that ends it.
        self._listener.settimeout(ACCEPT_SECONDS)
        while not self._closing:
            # Nobody came, or there is no file descriptor or no thread left for who did.
            with contextlib.suppress(OSError, RuntimeError):
                connection, _ = self._listener.accept()
                self._start(connection)

    def _start(self, connection: socket.socket) -> None:
        with self._lock:
            if self._closing:
                connection.close()
                return
            # A thread does not remove itself: `close` must find it until it has truly ended.
            alive = {ours: its for ours, its in self._threads.items() if its.is_alive()}
            if len(alive) >= AT_ONCE and self._idle:
                oldest = next(iter(self._idle))
                del self._idle[oldest]  # nobody else is to hang up on it
                _hang_up(oldest)
            self._threads = alive | {connection: _start_thread(self._serve, connection)}

    def _serve(self, connection: socket.socket) -> None:
        try:
            # The client has gone (EOFError), keeps silent, or `close` ended the connection.
            with contextlib.suppress(OSError, EOFError):
                connection.settimeout(QUIET_SECONDS)
                # Without this, an answer may wait until the client has confirmed the one before it.
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with connection.makefile("rb") as stream:
                    while self._exchange(connection, stream):
                        self._wait(connection, stream)
        finally:
            # Under the lock, or `_hang_up` could meet another socket that got the same number.
            with self._lock:
                self._idle.pop(connection, None)
                connection.close()

    def _exchange(self, connection: socket.socket, stream: BufferedReader) -> bool:
        """Answer one request; tell whether another may follow."""
        try:
            request = read_request(stream, connection.sendall)
        except WireError as error:
            answer = html(error.status)
            connection.sendall(head_bytes(answer, minor=1, keep_alive=False) + answer.body)
            _linger(connection)
            return False
        answer = self._respond(request)
        bodiless = request.method == "HEAD"
        keep = request.keep_alive and not (answer.close or bodiless)
        head = head_bytes(answer, minor=request.minor, keep_alive=keep)
        connection.sendall(head + (b"" if bodiless else answer.body))
        return keep

    def _wait(self, connection: socket.socket, stream: BufferedReader) -> None:
        """Wait until the next request begins, or somebody hangs up."""
        with self._lock:
            self._idle[connection] = None
        stream.peek(1)
        with self._lock:
            self._idle.pop(connection, None)


def _start_thread(target: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(
        target=target, args=arguments, name="lightclient-standin", daemon=True
    )
    thread.start()
    return thread


def _hang_up(connection: socket.socket) -> None:
    """Wake whoever waits for it."""
    with contextlib.suppress(OSError):  # the other side may have hung up already
        connection.shutdown(socket.SHUT_RDWR)


def _linger(connection: socket.socket) -> None:
    """Read on for a while: closing with unread bytes would reset the connection."""
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(LINGER_SECONDS)
    end = time.monotonic() + LINGER_SECONDS
    while time.monotonic() < end and connection.recv(65536):
        pass
