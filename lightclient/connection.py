"""Connections on which no single wait outlasts the deadline of the call.

A socket's own timeout bounds one wait, so that a server which drips a byte a second is never late
(urllib3's Timeout has the same gap). Here each wait is given what is left of the deadline.
"""

import http.client
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, cast

from urllib3.connection import HTTPConnection, HTTPSConnection

from lightclient.deadline import Deadline

_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux only


class OverBudgetError(OSError):
    """More bytes came than one exchange may have."""


class _Timed:
    """For a socket class: every wait gets what is left of `deadline`.

    `budget`: the bytes that may still come, which bounds what a server can make the client hold,
    whatever lengths it announces.
    """

    deadline: Deadline
    budget: int

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        received: int | None = None
        while received is None:
            self.settimeout(self.deadline.stretch())  # type: ignore[attr-defined]
            if _QUICKACK is not None:
                # TensorFlow Serving holds each next 16 KiB of an answer back until the last ones
                # are acknowledged, which Linux puts off by 40 ms, unless told, and soon told again.
                self.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)  # type: ignore[attr-defined]
            with suppress(TimeoutError):
                received = super().recv_into(*args, **kwargs)  # type: ignore[misc]
        self.budget -= received
        if self.budget < 0:
            raise OverBudgetError
        return received

    def send(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(self.deadline.remaining())  # type: ignore[attr-defined]
        sent: int = super().send(*args, **kwargs)  # type: ignore[misc]
        return sent

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        self.settimeout(self.deadline.remaining())  # type: ignore[attr-defined]
        super().sendall(*args, **kwargs)  # type: ignore[misc]


class TimedSocket(_Timed, socket.socket):
    """A plain socket under a deadline."""


class TimedTLSSocket(_Timed, ssl.SSLSocket):
    """A TLS socket under a deadline; `SSLContext.sslsocket_class` makes them."""


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
        self.timeout = deadline.remaining()
        sock = cast(_Timed, self.sock)
        sock.deadline, sock.budget = deadline, budget

    def exchange(self, request: bytes) -> http.client.HTTPResponse:
        """Send a request, head and body in one write; give the answer, its body still to be read.

        The standard library's response: urllib3's logs a malformed head, which may quote
        credentials.
        """
        with suppress(BrokenPipeError):  # the server may have answered before it closed: read on
            self.sock.sendall(request)
        response = http.client.HTTPResponse(self.sock)
        try:
            response.begin()
        except BaseException:
            response.close()
            raise
        if response.will_close:
            self.close()
        return response

    @property
    def is_spotless(self) -> bool:
        """Whether it is open and holds no byte beyond the answer, so that another may follow."""
        return self.sock is not None and not getattr(self.sock, "pending", int)()

    def _new_conn(self) -> socket.socket:
        return dial(self._dns_host, self.port, self.deadline)


class TLSConnection(Connection, HTTPSConnection):
    """The same with TLS."""


def dial(host: str, port: int, deadline: Deadline) -> TimedSocket:
    """Connect to the first address of `host` that answers.

    Each address gets its share of what is left, so that a dead one leaves time for the next.
    """
    failure: OSError = OSError(f"{host} has no address")
    addresses = resolve(host, port, deadline)
    for at, (family, kind, protocol, _, address) in enumerate(addresses):
        sock = TimedSocket(family, kind, protocol)
        try:
            sock.settimeout(deadline.remaining() / (len(addresses) - at))
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            sock.close()
            failure = error
        else:
            sock.deadline = deadline
            sock.settimeout(deadline.remaining())
            return sock
    raise failure


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
    thread.join(deadline.remaining())
    if not outcome:
        raise TimeoutError("the name look-up did not end in time")
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
