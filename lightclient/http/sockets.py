"""Connections on which no single wait outlasts the deadline of the call.

A socket's own timeout bounds one wait, so that a server which drips a byte a second is never late
(urllib3's Timeout has the same gap). Here each wait is given what is left of the deadline.
"""

import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from errno import EINPROGRESS, EWOULDBLOCK
from typing import Any, cast

from urllib3.connection import HTTPConnection
from urllib3.util.wait import wait_for_write

from lightclient.http.deadline import Deadline
from lightclient.http.response import OverBudgetError, Stream

_UNDER_WAY = (EINPROGRESS, EWOULDBLOCK)
_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux only


class _Timed:
    """For a socket class: every wait gets what is left of `deadline`.

    `budget`: the bytes that may still come, which bounds what a server can make the client hold,
    whatever lengths it announces.
    """

    deadline: Deadline
    budget: int

    def recv(self, *args: Any) -> bytes:
        piece: bytes | None = None
        while piece is None:
            self.settimeout(self.deadline.stretch())  # type: ignore[attr-defined]
            if _QUICKACK is not None:
                # TensorFlow Serving holds each next 16 KiB of an answer back until the last ones
                # are acknowledged, which Linux puts off by 40 ms, unless told, and soon told again.
                self.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)  # type: ignore[attr-defined]
            with suppress(TimeoutError):
                piece = super().recv(*args)  # type: ignore[misc]
        self.budget -= len(piece)
        if self.budget < 0:
            raise OverBudgetError
        return piece

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        rest = memoryview(data)
        while rest:
            self.settimeout(self.deadline.stretch())  # type: ignore[attr-defined]
            with suppress(TimeoutError):
                rest = rest[super().send(rest, flags) :]  # type: ignore[misc]


class TimedSocket(_Timed, socket.socket):
    """A plain socket under a deadline."""


class TimedTLSSocket(_Timed, ssl.SSLSocket):
    """A TLS socket under a deadline; `SSLContext.sslsocket_class` makes them."""

    def shake_hands(self) -> None:
        """Agree on keys, and verify the server."""
        agreed = False
        while not agreed:
            self.settimeout(self.deadline.stretch())
            with suppress(TimeoutError):
                self.do_handshake()
                agreed = True


class Connection(HTTPConnection):
    """An HTTP connection under the deadline of the call that uses it."""

    deadline: Deadline

    def begin(self, deadline: Deadline, budget: int) -> None:
        """Hold all that follows against `deadline` and `budget`; connect if need be.

        Raises:
            OSError: nobody answers. TimeoutError: the deadline passed.
        """
        self.deadline = deadline
        if self.sock is None:
            self.connect()
        sock = cast(_Timed, self.sock)
        sock.deadline, sock.budget = deadline, budget

    def ask(self, request: bytes) -> Stream:
        """Send a request, head and body in one write; give the stream of its answer."""
        # The server may have answered before it closed: read on.
        with suppress(BrokenPipeError, ConnectionResetError):
            self.sock.sendall(request)
        return Stream(self.sock.recv)

    @property
    def is_spotless(self) -> bool:
        """Whether it is open and holds no byte beyond the answer, so that another may follow."""
        return self.sock is not None and not getattr(self.sock, "pending", int)()

    def _new_conn(self) -> socket.socket:
        return dial(self._dns_host, self.port, self.deadline)


class TLSConnection(Connection):
    """The same with TLS. `context` verifies the server's certificate and host name."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        super().__init__(host, port)
        self._context = context

    def _new_conn(self) -> socket.socket:
        plain = dial(self._dns_host, self.port, self.deadline)
        try:
            name = self.host.rstrip(".")  # as certificates hold it
            tls = self._context.wrap_socket(
                plain, server_hostname=name, do_handshake_on_connect=False
            )
        except BaseException:
            plain.close()
            raise
        return _agreed(cast(TimedTLSSocket, tls), self.deadline)


def _agreed(tls: TimedTLSSocket, deadline: Deadline) -> TimedTLSSocket:
    tls.deadline = deadline
    try:
        tls.shake_hands()
    except BaseException:
        tls.close()
        raise
    return tls


def dial(host: str, port: int, deadline: Deadline) -> TimedSocket:
    """Connect to the first address of `host` that answers.

    Each address gets its share of what is left, so that a dead one leaves time for the next.
    """
    failure: OSError = OSError(f"{host} has no address")
    addresses = resolve(host, port, deadline)
    for at, (family, kind, protocol, _, address) in enumerate(addresses):
        sock = TimedSocket(family, kind, protocol)
        try:
            _connect(sock, address, deadline.part(len(addresses) - at))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            sock.deadline = deadline
            return sock
    raise failure


def _connect(sock: socket.socket, address: Any, deadline: Deadline) -> None:
    sock.setblocking(False)
    error = sock.connect_ex(address)
    if error in _UNDER_WAY:
        while not wait_for_write(sock, deadline.stretch()):
            pass
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        raise OSError(error, os.strerror(error))


def resolve(host: str, port: int, deadline: Deadline) -> list[Any]:
    """Look a host name up, in a thread of its own: the system's look-up knows no deadline.

    Raises:
        socket.gaierror: there is no such name. TimeoutError: the deadline passed.
    """
    with suppress(socket.gaierror, UnicodeError):  # a name, not a number
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    outcome: list[Any] = []

    def look_up() -> None:
        try:
            outcome.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            outcome.append(error)

    thread = threading.Thread(target=look_up, name="lightclient-resolve", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:  # the process has all the threads it may have
        raise OSError(str(error)) from error
    while thread.is_alive():
        thread.join(deadline.stretch())
    if isinstance(outcome[0], UnicodeError):
        raise socket.gaierror(socket.EAI_NONAME, "the host name cannot be looked up")
    if isinstance(outcome[0], OSError):
        raise outcome[0]
    found: list[Any] = outcome[0]
    return found


class Pool:
    """Idle connections to one server, kept alive for whichever thread calls next.

    It grows to as many as were ever in use at once. After a fork the child closes its copies and
    opens its own, so that it never shares a socket with its parent. `connect` makes a connection
    that is not yet open.
    """

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self.connect = connect
        self._idle: list[Connection] = []
        self._pid = os.getpid()

    def take(self) -> Connection:
        """An idle connection that is still open (the last one used), or a new one not yet open."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self.close()
        for connection in self._drain():
            if connection.is_connected:
                return connection
            connection.close()
        return self.connect()

    def give_back(self, connection: Connection) -> None:
        """Keep a connection whose exchange is complete."""
        if connection.is_spotless:
            self._idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Close the idle connections."""
        for connection in self._drain():
            connection.close()

    def _drain(self) -> Iterator[Connection]:
        with suppress(IndexError):  # not `while self._idle`: other threads take from it too
            while True:
                yield self._idle.pop()
