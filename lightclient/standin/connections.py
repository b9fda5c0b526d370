"""Sockets and threads: who is connected, how many at once, and how it all ends."""

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable
from typing import BinaryIO

from lightclient.standin.protocol import Answer, Request, html
from lightclient.standin.wire import HEAD_BYTES, WireError, head_bytes, read_request

AT_ONCE = 64  # connections; further ones wait
ACCEPT_SECONDS = 0.2  # how often the end is looked for while nobody connects
ROOM_SECONDS = 0.05  # how long they wait before an idle connection has to make room
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
        self._slots = threading.Semaphore(AT_ONCE)
        self._threads: dict[socket.socket, threading.Thread] = {}
        self._idle: dict[socket.socket, None] = {}  # the longest idle one first
        self._crowded = False
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
            with contextlib.suppress(OSError):  # nobody came, or no file descriptor is left
                connection, _ = self._listener.accept()
                if not self._start(connection):
                    connection.close()

    def _start(self, connection: socket.socket) -> bool:
        """Give the connection a thread, once there is a place for it; False if the end is first.

        While all are taken, a connection that is idle is ended, and those that are busy end with
        their next answer.
        """
        while not self._slots.acquire(timeout=ROOM_SECONDS):
            self._crowded = True
            with self._lock:
                for idle in list(self._idle)[:1]:
                    _hang_up(idle)
            if self._closing:
                return False
        self._crowded = False
        with self._lock:
            if self._closing:
                return False
            # A thread does not remove itself: `close` must find it until it has truly ended.
            alive = {ours: its for ours, its in self._threads.items() if its.is_alive()}
            self._threads = alive | {connection: _start_thread(self._serve, connection)}
        return True

    def _serve(self, connection: socket.socket) -> None:
        try:
            # OSError: the client has gone, keeps silent, or `close` ended the connection.
            with contextlib.suppress(OSError, EOFError):
                connection.settimeout(QUIET_SECONDS)
                # Without this, an answer may wait until the client has confirmed the one before it.
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with connection.makefile("rb") as stream:
                    while self._exchange(connection, stream):
                        pass
        finally:
            # Under the lock, or `_hang_up` could meet another socket that got the same number.
            with self._lock:
                self._idle.pop(connection, None)
                connection.close()
            self._slots.release()

    def _exchange(self, connection: socket.socket, stream: BinaryIO) -> bool:
        """Answer one request; tell whether another may follow."""
        with self._lock:
            self._idle[connection] = None
        first_line = stream.readline(HEAD_BYTES)
        with self._lock:
            del self._idle[connection]
        if not first_line:
            return False
        try:
            request = read_request(first_line, stream, connection.sendall)
        except WireError as error:
            answer = html(error.status)
            connection.sendall(head_bytes(answer, minor=1, keep_alive=False) + answer.body)
            _linger(connection)
            return False
        answer = self._respond(request)
        bodiless = request.method == "HEAD"
        keep = request.keep_alive and not (answer.close or bodiless or self._crowded)
        head = head_bytes(answer, minor=request.minor, keep_alive=keep)
        connection.sendall(head + (b"" if bodiless else answer.body))
        return keep


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
