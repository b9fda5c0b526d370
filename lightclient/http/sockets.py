"""Sockets that never wait beyond the deadline of the exchange that uses them."""

import os
import socket
import ssl
import threading
from contextlib import suppress
from errno import EINPROGRESS, EWOULDBLOCK
from typing import Any

from urllib3.util.wait import wait_for_write

from lightclient.http.deadline import Deadline
from lightclient.http.exchange import Exchange


class TimedSocket(socket.socket):
    """A socket that takes an `Exchange` as its timeout and asks its deadline before every wait."""

    exchange: Exchange

    def settimeout(self, exchange: Any) -> None:
        """Take an exchange."""
        self.exchange = exchange

    def gettimeout(self) -> Any:
        """The exchange. The ssl module copies it to the socket that it makes of this one."""
        return self.exchange

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """Send all of it."""
        rest = memoryview(data)
        while rest:
            super().settimeout(self.exchange.deadline.next_wait())
            try:
                rest = rest[super().send(rest, flags) :]
            except TimeoutError:
                continue  # whether any time is left, the deadline says

    def recv_into(self, *args: Any) -> int:
        """Read into a buffer; nothing, as at the end, where the whole answer is here."""
        while not self.exchange.complete:
            super().settimeout(self.exchange.deadline.next_wait())
            if self.exchange.received and hasattr(socket, "TCP_QUICKACK"):
                # TensorFlow Serving sends a long answer in pieces of 16 KiB, each of which waits
                # until the one before is acknowledged. Linux puts that off by 40 ms unless it is
                # told to be quick, and it forgets.
                self.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            try:
                size = super().recv_into(*args)
            except TimeoutError:
                continue
            self.exchange.receive(size)
            return size
        return 0


class TimedTLSSocket(TimedSocket, ssl.SSLSocket):
    """The same over TLS: here, `super()` in `TimedSocket` is an `SSLSocket`."""

    def recv(self, *args: Any) -> bytes:
        """Read, for the ssl module only, which tries out a socket whose peer has gone."""
        try:
            return super().recv(*args)
        except OSError:
            self.close()  # the ssl module forgets to
            raise

    def do_handshake(self, block: bool = False) -> None:
        """Do the TLS handshake, which verifies the server's certificate."""
        while True:
            socket.socket.settimeout(self, self.exchange.deadline.next_wait())
            with suppress(TimeoutError):
                return super().do_handshake(block)


def dial(host: str, port: int, exchange: Exchange) -> TimedSocket:
    """Connect to the first address of `host` that answers; raises OSError where none does."""
    failure, deadline = OSError(f"{host} has no address"), exchange.deadline
    addresses = _resolve(host, port, deadline)
    for at, (family, kind, protocol, _, address) in enumerate(addresses):
        sock = TimedSocket(family, kind, protocol)
        sock.settimeout(exchange)
        try:
            # Each gets its share of the time, so that one which is silent leaves some for the next.
            share = deadline.left / (len(addresses) - at)
            _connect(sock, address, Deadline(share, deadline.stop))
        except BaseException as error:
            sock.close()
            if not isinstance(error, OSError):
                raise
            failure = error
        else:
            return sock
    raise failure


def _connect(sock: socket.socket, address: Any, deadline: Deadline) -> None:
    sock.setblocking(False)
    error = sock.connect_ex(address)
    if error in (EINPROGRESS, EWOULDBLOCK):
        while not wait_for_write(sock, deadline.next_wait()):
            pass
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        raise OSError(error, os.strerror(error))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _resolve(host: str, port: int, deadline: Deadline) -> list[Any]:
    """The addresses of a host, from a thread, since the system's look-up knows no deadline."""
    try:  # a number needs no look-up
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except UnicodeError:
        raise socket.gaierror(socket.EAI_NONAME, "the host name cannot be looked up") from None
    except socket.gaierror:
        pass
    outcome: list[Any] = []

    def look_up() -> None:
        try:
            outcome.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as error:
            outcome.append(error)

    thread = threading.Thread(target=look_up, name="lightclient-resolve", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:  # the process has all the threads it may have
        raise OSError(str(error)) from error
    while thread.is_alive():
        thread.join(deadline.next_wait())
    [found] = outcome
    if isinstance(found, OSError):
        raise found
    return list(found)
