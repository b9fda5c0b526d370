"""Names that do not resolve, addresses that are dead, proxies that are not to be used."""

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import pytest

from lightclient import CannotConnect, TimedOut
from tests.faults.calls import CALLS
from tests.faults.case import case_of, classifier_of
from tests.faults.fault import RIGHT
from tests.faults.server import FaultServer

Records = list[logging.LogRecord]
NAME = "model.example"
_real = socket.getaddrinfo
# 200 texts are more requests than are under way at once: what connects then is in test_leaving.
ONE_WAVE = [name for name in CALLS if name != "many200"]


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Has `NAME` looked up by a function, or resolve to these addresses."""

    def set_up(found: Any) -> None:
        def look_up(host: str, port: int, *args: Any, flags: int = 0, **options: Any) -> Any:
            if host != NAME or flags & socket.AI_NUMERICHOST:
                return _real(host, port, *args, flags=flags, **options)
            return found() if callable(found) else [_address(ip, port) for ip in found]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)

    return set_up


def _address(ip: str, port: int) -> Any:
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    where = (ip, port, 0, 0) if ":" in ip else (ip, port)
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", where


def named(server: FaultServer) -> str:
    return server.url.replace("127.0.0.1", NAME)


def no_such_name() -> None:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def name_server_is_down() -> None:
    raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


def no_such_family() -> None:
    raise OSError(97, "Address family not supported")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "found", [no_such_name, name_server_is_down, no_such_family, []],
    ids=["none", "server down", "family", "no address"],
)  # fmt: skip
def test_a_name_that_does_not_resolve(
    found: Any, call: str, resolve: Callable[[Any], None], records: Records
) -> None:
    with case_of("a name that does not resolve", records) as (case, server):
        resolve(found)
        # A stream asks again until the deadline, which may pass in the middle of a look-up.
        expected = (CannotConnect, TimedOut) if CALLS[call].many else (CannotConnect,)
        classifier = classifier_of(named(server), timeout=0.5)
        case.ask(classifier, CALLS[call], expected, 0.5)
        resolve(["127.0.0.1"])
        case.end_well(classifier, server, 0.5)


@pytest.mark.parametrize("call", ONE_WAVE)
def test_a_look_up_that_never_ends(
    call: str, resolve: Callable[[Any], None], records: Records
) -> None:
    with case_of("a name that resolves too late", records) as (case, server):
        ended = threading.Event()
        resolve(ended.wait)
        classifier = classifier_of(named(server), timeout=0.4)
        case.ask(classifier, CALLS[call], (TimedOut,), 0.4)
        ended.set()
        resolve(["127.0.0.1"])
        case.end_well(classifier, server, 0.4)


@contextmanager
def deaf(ip: str, port: int) -> Iterator[None]:
    """An address that takes no connection: its queue is full and nobody accepts."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((ip, port), backlog=0))
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("dead", "is_deaf"),
    [(["127.0.0.2"], False), (["::1"], False), (["127.0.0.2"], True), (["127.0.0.2"] * 2, True)],
    ids=["refuses", "IPv6", "deaf", "two deaf"],
)
def test_a_dead_first_address(
    dead: list[str], is_deaf: bool, call: str,
    resolve: Callable[[Any], None], records: Records,
) -> None:  # fmt: skip
    with case_of("two addresses, the first dead", records) as (case, server):
        resolve([*dead, "127.0.0.1"])
        with deaf("127.0.0.2", server.port) if is_deaf else nullcontext():
            classifier = classifier_of(named(server), timeout=0.9)
            case.ask(classifier, CALLS[call], RIGHT, 0.9)
            case.end_well(classifier, server, 0.9)


@pytest.mark.parametrize("call", ONE_WAVE)
def test_all_addresses_dead(call: str, resolve: Callable[[Any], None], records: Records) -> None:
    with case_of("two addresses, both dead", records) as (case, server):
        resolve(["127.0.0.2", "127.0.0.2"])
        classifier = classifier_of(named(server), timeout=0.4)
        with deaf("127.0.0.2", server.port):
            case.ask(classifier, CALLS[call], (TimedOut,), 0.4)
        resolve(["127.0.0.1"])
        case.end_well(classifier, server, 0.4)


@pytest.mark.parametrize("call", ONE_WAVE)
def test_a_listener_that_never_accepts(call: str, records: Records) -> None:
    with case_of("a listener that never accepts", records, listens=False) as (case, server):
        fillers = server.play_deaf()
        classifier = classifier_of(server.url, timeout=0.4)
        case.ask(classifier, CALLS[call], (TimedOut,), 0.4)
        for filler in fillers:
            filler.close()
        server.mend()
        case.end_well(classifier, server, 2.0)


@pytest.mark.parametrize("call", CALLS)
def test_a_proxy_is_not_used_for_the_hosts_of_no_proxy(
    call: str, monkeypatch: pytest.MonkeyPatch, records: Records
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
            monkeypatch.setenv(name.upper(), f"http://127.0.0.1:{proxy.getsockname()[1]}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with case_of("a proxy in the environment", records) as (case, server):
            classifier = classifier_of(server.url)
            case.ask(classifier, CALLS[call], RIGHT, 10.0)
            case.end_well(classifier, server, 10.0)
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):
            proxy.accept()
