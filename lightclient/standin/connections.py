"""Sockets and threads: who is connected, how many at once, and how it all ends."""

import contextlib
import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lightclient.standin.protocol import Answer, Request, html
from lightclient.standin.wire import HEAD_BYTES, Incoming, WireError, answer_bytes

AT_ONCE = 64  # connections; further ones wait
QUIET_SECONDS = 60.0  # how long a socket may neither give nor take a byte
LINGER_SECONDS = 2.0  # how long the rest of a refused request is read, so that its answer arrives
END_SECONDS = 5.0  # how long `close` waits for models that are still computing
LOG = logging.getLogger("lightclient.standin")


class Connections:
    """Serves a listening socket until `close`, with a thread for each connection."""

    def __init__(self, listener: socket.socket, respond: Callable[[Request], Answer]) -> None:
        self._listener = listener
        self._respond = respond
        self._lock = threading.Lock()
        self._slots = threading.Semaphore(AT_ONCE)
        self._threads: dict[socket.socket, threading.Thread] = {}
        self._idle: dict[socket.socket, None] = {}
        self._crowded = False
        self._closing = False
        self._wake_in, self._wake_out = socket.socketpair()
        self._acceptor = threading.Thread(
            target=self._accept_all, name="lightclient-standin", daemon=True
        )
        self._acceptor.start()

    def close(self) -> None:
        """Ends every connection, then every thread; idle and half-sent ones do not hold it up."""
        with self._lock:
            self._closing = True
            for connection in self._threads:
                _hang_up(connection)
            threads = [self._acceptor, *self._threads.values()]
        self._wake_in.send(b"x")
        end = time.monotonic() + END_SECONDS
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        for ours in (self._listener, self._wake_in, self._wake_out):
            ours.close()
        if any(thread.is_alive() for thread in threads):
            LOG.warning("a model was still computing after %s s: its thread is left", END_SECONDS)

    def _accept_all(self) -> None:
        self._listener.setblocking(False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._wake_out, selectors.EVENT_READ)
            while not self._closing:
                selector.select()
                if self._take_slot() and not self._accept():
                    self._slots.release()

    def _take_slot(self) -> bool:
        """Waits for one of the places; with all taken, idle connections have to make room."""
        self._crowded = not self._slots.acquire(blocking=False)
        while self._crowded and not self._closing:
            with self._lock:
                for connection in list(self._idle)[:1]:
                    del self._idle[connection]
                    _hang_up(connection)
            self._crowded = not self._slots.acquire(timeout=0.1)
        return not self._crowded

    def _accept(self) -> bool:
        """Whether a connection came and now has a thread."""
        try:
            connection, _ = self._listener.accept()
        except OSError:  # nothing there, gone again, or no file descriptor left
            return False
        thread = threading.Thread(
            target=self._serve, args=(connection,), name="lightclient-standin", daemon=True
        )
        with self._lock:
            if self._closing:
                connection.close()
                return False
            # The thread does not remove itself: `close` must find it until it has truly ended.
            alive = {ours: its for ours, its in self._threads.items() if its.is_alive()}
            self._threads = alive | {connection: thread}
            thread.start()
        return True

    def _serve(self, connection: socket.socket) -> None:
        try:
            # OSError: the client has gone, keeps silent, or `close` ended the connection.
            with contextlib.suppress(OSError, EOFError):
                self._talk(connection)
        finally:
            connection.close()
            self._slots.release()

    def _talk(self, connection: socket.socket) -> None:
        connection.settimeout(QUIET_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection.makefile("rb") as stream:
            incoming = Incoming(stream, connection.sendall)
            while self._exchange(connection, incoming):
                incoming = Incoming(stream, connection.sendall)

    def _exchange(self, connection: socket.socket, incoming: Incoming) -> bool:
        """One request and its answer; whether another may follow."""
        with self._resting(connection):
            first_line = incoming.stream.readline(HEAD_BYTES)
        if not first_line:
            return False
        try:
            request = incoming.read(first_line)
        except WireError as error:
            connection.sendall(_last_words(html(error.status)))
            _linger(connection)
            return False
        answer = self._respond(request)
        bodiless = request.method == "HEAD"
        keep = incoming.keep_alive and not answer.close and not bodiless
        connection.sendall(
            answer_bytes(answer, minor=incoming.minor, keep_alive=keep, bodiless=bodiless)
        )
        return keep and not self._crowded

    @contextmanager
    def _resting(self, connection: socket.socket) -> Iterator[None]:
        """Marks it as one that may be hung up on when others wait."""
        with self._lock:
            self._idle[connection] = None
        try:
            yield
        finally:
            with self._lock:
                self._idle.pop(connection, None)


def _last_words(answer: Answer) -> bytes:
    return answer_bytes(answer, minor=1, keep_alive=False, bodiless=False)


def _hang_up(connection: socket.socket) -> None:
    """Wakes whoever reads from or writes to it."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _linger(connection: socket.socket) -> None:
    """Closing with unread bytes would reset the connection and lose the answer."""
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(LINGER_SECONDS)
    end = time.monotonic() + LINGER_SECONDS
    while time.monotonic() < end and connection.recv(65536):
        pass
