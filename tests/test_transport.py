"""Faults on real sockets: every call ends in time, with a reply or with one error of ours."""

import math
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import trustme

from lightclient import (
    CannotConnect,
    ConnectionLost,
    InputError,
    NotTensorFlowServing,
    RedirectRefused,
    ReplyTooLarge,
    TimedOut,
)
from lightclient.http.deadline import Deadline
from lightclient.http.headers import request_headers
from lightclient.http.tls import tls_context
from lightclient.http.transport import MAX_REPLY_BYTES, Reply, Transport
from lightclient.serving.address import parse_address
from tests.scripted import (
    ScriptedServer,
    answering,
    once,
    outputs,
    read_request,
    response,
    serving,
)

BODY = b'{"inputs": {}}'


def send(url: str, timeout: float = 5.0, **options: object) -> Reply:
    address = parse_address(url)
    transport = Transport(address.origin, **options)  # type: ignore[arg-type]
    try:
        return transport.send("POST", address.predict, BODY, Deadline(timeout))
    finally:
        transport.close()


def test_an_exchange() -> None:
    requests: list[bytes] = []

    def script(connection: socket.socket) -> None:
        requests.append(read_request(connection))
        connection.sendall(outputs())

    with serving(script) as server:
        reply = send(server.url)
    assert (reply.status, reply.attempts) == (200, 1)
    head, _, body = requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/models/m:predict HTTP/1.1\r\n")
    assert b"Content-Type: application/json" in head
    assert b"User-Agent: lightclient/" in head
    assert body == BODY


def test_connections_are_kept_and_taken_again() -> None:
    with serving(answering(outputs())) as server:
        address = parse_address(server.url)
        transport = Transport(address.origin)
        for _ in range(5):
            transport.send("POST", address.predict, BODY, Deadline(5))
        assert server.connections == 1
        transport.close()


@pytest.mark.parametrize(("later", "connections"), [(290.0, 1), (310.0, 2)])
def test_a_connection_is_used_for_five_minutes_at_most(
    later: float, connections: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a server which is added behind a name gets its share of the calls."""
    with serving(answering(outputs())) as server:
        transport = Transport(server.origin)
        transport.send("GET", "/", None, Deadline(5))
        now = time.monotonic() + later
        monkeypatch.setattr(time, "monotonic", lambda: now)
        transport.send("GET", "/", None, Deadline(5))
        assert server.connections == connections
        transport.close()


def test_connection_close_is_obeyed() -> None:
    answer = response(200, "{}", "Connection: close")
    with serving(once(answer)) as server:
        address = parse_address(server.url)
        transport = Transport(address.origin)
        for _ in range(3):
            assert transport.send("POST", address.predict, BODY, Deadline(5)).status == 200
        assert server.connections == 3


def test_a_kept_connection_that_died_costs_no_repeat() -> None:
    def dies_on_the_second(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(outputs())
        read_request(connection)  # and closes without an answer

    with serving(dies_on_the_second, answering(outputs())) as server:
        address = parse_address(server.url)
        transport = Transport(address.origin, retries=0)
        transport.send("POST", address.predict, BODY, Deadline(5))
        reply = transport.send("POST", address.predict, BODY, Deadline(5))
        assert (reply.status, reply.attempts, server.connections) == (200, 1, 2)
        transport.close()


def silent(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def dripping(data: bytes) -> object:
    def script(connection: socket.socket) -> None:
        read_request(connection)
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(0.02)

    return script


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
STALLS = {
    "never answers": silent,
    "drips the headers": dripping(HEAD + b"X: " + b"x" * 1000),
    "drips the body": dripping(HEAD + b"\r\n" + b" " * 1000),
    "drips chunks": dripping(CHUNKED + b"1\r\n.\r\n" * 300),
    "sends half a body": once(HEAD + b"\r\nhalf"),
}


@pytest.mark.parametrize("stall", STALLS)
def test_the_deadline_holds_for_the_whole_exchange(stall: str) -> None:
    script = STALLS[stall]

    def and_waits(connection: socket.socket) -> None:
        script(connection)  # type: ignore[operator]
        silent(connection)

    with serving(and_waits) as server:
        began = time.monotonic()
        with pytest.raises(TimedOut) as caught:
            send(server.url, timeout=0.5)
        # Without a deadline of its own, the exchange would last as long as the server likes.
        assert time.monotonic() - began < 5
    assert caught.value.timeout == 0.5
    assert caught.value.status is None


def test_a_listener_that_never_accepts() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        began = time.monotonic()
        with pytest.raises((TimedOut, CannotConnect)):
            send(f"http://127.0.0.1:{port}/v1/models/m", timeout=0.5)
        assert time.monotonic() - began < 5
        for filler in fillers:
            filler.close()


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(CannotConnect, match="is the server up") as caught:
        send(f"http://127.0.0.1:{port}/v1/models/m", retries=2)
    assert caught.value.attempts == 3
    assert str(caught.value).endswith("(tried 3 times)")
    assert caught.value.url == f"http://127.0.0.1:{port}/v1/models/m:predict"


def test_an_answer_to_a_request_that_is_still_being_sent() -> None:
    """The server closes with the rest unread, which resets the connection."""

    def refuse(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(response(413, '{"error": "too large"}', "Connection: close"))

    with serving(refuse) as server:
        address = parse_address(server.url)
        transport = Transport(address.origin, retries=0)
        assert transport.send("POST", address.predict, b" " * 8_000_000, Deadline(10)).status == 413
        transport.close()


def test_a_server_that_starts_late_is_reached_by_a_repeat() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    attempts: list[socket.socket] = []

    def start_late() -> None:
        listener = socket.create_server(("127.0.0.1", port))
        connection, _ = listener.accept()
        attempts.append(connection)
        read_request(connection)
        connection.sendall(outputs())
        connection.close()
        listener.close()

    starter = threading.Timer(0.05, start_late)
    starter.start()
    assert send(f"http://127.0.0.1:{port}/v1/models/m", retries=20).status == 200
    starter.join()


def test_a_name_that_does_not_resolve() -> None:
    with pytest.raises(CannotConnect, match="does not resolve") as caught:
        send("http://no-such-host.invalid:8501/v1/models/m")
    assert caught.value.attempts == 1


LOST = {
    "closes at once": lambda connection: None,
    "closes after the request": lambda connection: read_request(connection),
    "closes in the headers": once(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "closes in the body": once(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf"),
    "closes in a chunk": once(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf"),
}


@pytest.mark.parametrize("fault", [fault for fault in LOST if fault != "closes in the headers"])
def test_a_broken_connection_is_repeated(fault: str) -> None:
    with serving(LOST[fault], LOST[fault], answering(outputs())) as server:
        reply = send(server.url)
        assert (reply.status, reply.attempts) == (200, 3)
    with serving(LOST[fault]) as server, pytest.raises(ConnectionLost) as caught:
        send(server.url, retries=1)
    assert caught.value.attempts == 2


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again(status: int) -> None:
    busy = response(status, '{"error": "busy"}')
    with serving(answering(busy, busy, outputs())) as server:
        assert send(server.url).attempts == 3
        assert server.connections == 1
    with serving(answering(busy)) as server:
        reply = send(server.url, retries=2)
        assert (reply.status, reply.attempts) == (status, 3)


def test_other_statuses_are_not_repeated() -> None:
    for status in (400, 404, 500, 504):
        with serving(answering(response(status, "{}"))) as server:
            assert send(server.url).attempts == 1


def test_retry_after_is_waited_for_inside_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    busy = response(503, "{}", "Retry-After: 2")
    with serving(answering(busy, outputs())) as server:
        assert send(server.url).attempts == 2
    assert slept == [2.0]


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_beyond_the_deadline_ends_the_call(as_date: bool) -> None:
    value = formatdate(time.time() + 86400, usegmt=True) if as_date else "86400"
    with serving(answering(response(429, "{}", f"Retry-After: {value}"))) as server:
        reply = send(server.url)
    assert reply.attempts == 1
    assert reply.retry_after == pytest.approx(86400, abs=60)


def test_retry_after_without_end_ends_the_call() -> None:
    with serving(answering(response(503, "{}", f"Retry-After: {'9' * 400}"))) as server:
        reply = send(server.url)
    assert (reply.attempts, reply.retry_after) == (1, math.inf)


@pytest.mark.parametrize("value", ["soon", "-5", "1e3", "", "٣", "Mon, 99 Foo 2026"])
def test_nonsense_in_retry_after_counts_as_absent(value: str) -> None:
    busy = response(503, "{}", f"Retry-After: {value}").replace("٣".encode(), b"\xd9\xa3")
    with serving(answering(busy, outputs())) as server:
        assert send(server.url).attempts == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_refused(status: int) -> None:
    elsewhere = response(status, "", "Location: http://elsewhere/path?key=hidden")
    with serving(answering(elsewhere)) as server, pytest.raises(RedirectRefused) as caught:
        send(server.url)
    assert "hidden" not in str(caught.value)
    assert (caught.value.status, caught.value.location[:20]) == (status, "http://elsewhere/pat")


@pytest.mark.parametrize("chunked", [False, True])
def test_an_answer_over_the_limit_is_refused(chunked: bool) -> None:
    body = b" " * 5000
    answer = response(200, body)
    if chunked:
        pieces = b"1388\r\n" + body + b"\r\n0\r\n\r\n"
        answer = response(200, pieces, "Transfer-Encoding: chunked", length=False)
    with serving(answering(answer)) as server:
        with pytest.raises(ReplyTooLarge) as caught:
            send(server.url, max_reply_bytes=4999)
        assert send(server.url, max_reply_bytes=5000).body == body
    assert caught.value.limit == 4999


@pytest.mark.parametrize("size", [10**12, MAX_REPLY_BYTES + 1])
def test_an_announced_giant_is_refused_before_it_is_read(size: int) -> None:
    giant = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
    with serving(once(giant)) as server, pytest.raises(ReplyTooLarge):
        send(server.url)


@pytest.mark.parametrize(
    "answer",
    [
        b"\x00\x00\x18\x04\x00\x00\x00\x00\x00\x00\x04\x00\x3f\xff\xff",  # gRPC's first frame
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"<html>no status line</html>\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        response(200, b"\x1f\x8b", "Content-Encoding: gzip"),
    ],
)
def test_what_does_not_speak_plain_http(answer: bytes) -> None:
    with serving(once(answer)) as server, pytest.raises(NotTensorFlowServing):
        send(server.url)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 200 OK\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}and more than announced",
    ],
)
def test_odd_but_right_answers(answer: bytes) -> None:
    with serving(once(answer)) as server:
        assert send(server.url).body == b"{}"


def test_more_than_announced_does_not_spoil_the_next_answer() -> None:
    odd = response(200, "{}") + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"
    with serving(answering(odd)) as server:
        address = parse_address(server.url)
        transport = Transport(address.origin)
        for _ in range(3):
            assert transport.send("POST", address.predict, BODY, Deadline(5)).body == b"{}"
        transport.close()


@pytest.mark.parametrize("status", [101, 102, 103])
def test_an_interim_answer_is_not_taken_for_the_answer(status: int) -> None:
    """Nor is the real one, which comes after it, for the answer to the next request."""
    interim = response(status, "", length=False)
    with serving(answering(interim + response(200, "1"), response(200, "2"))) as server:
        address = parse_address(server.url)
        transport = Transport(address.origin)
        for _ in range(2):
            with pytest.raises(NotTensorFlowServing):
                transport.send("POST", address.predict, BODY, Deadline(5))
        assert server.connections == 2


def test_a_head_that_cannot_be_read_to_its_end(caplog: pytest.LogCaptureFixture) -> None:
    odd = b"HTTP/1.1 200 OK\r\nAuthorization Bearer hidden\r\nContent-Length: 2\r\n\r\n{}"
    with serving(once(odd)) as server, pytest.raises(NotTensorFlowServing) as caught:
        send(server.url)
    assert "hidden" not in str(caught.value) + caplog.text


@pytest.mark.parametrize("size", [b"-1", b"-5", b"zz", b"", b"1_9"])
def test_chunk_sizes_that_are_none(size: bytes) -> None:
    endless = CHUNKED + size + b"\r\n" + b" " * 2_000_000
    with serving(once(endless)) as server:
        kinds = (NotTensorFlowServing, ConnectionLost, ReplyTooLarge)
        with pytest.raises(kinds):
            send(server.url, max_reply_bytes=1000, retries=0)


def test_a_head_without_end_is_bounded() -> None:
    def endless(connection: socket.socket) -> None:
        read_request(connection)
        for _ in range(1000):
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)

    # From Python 3.14 on, http.client itself takes no more than a hundred of them.
    with (
        serving(endless) as server,
        pytest.raises((ReplyTooLarge, TimedOut, NotTensorFlowServing)),
    ):
        send(server.url, max_reply_bytes=1000, retries=0)


def test_an_answer_that_nobody_asked_for_is_not_taken() -> None:
    """It comes while the connection lies idle, and waits there for the next request."""
    idle, sent = threading.Event(), threading.Event()

    def intrusive(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(response(200, "first"))
        idle.wait()
        connection.sendall(response(200, "wrong"))
        sent.set()
        read_request(connection)

    with serving(intrusive, answering(response(200, "second"))) as server:
        address = parse_address(server.url)
        transport = Transport(address.origin)
        assert transport.send("POST", address.predict, BODY, Deadline(5)).body == b"first"
        idle.set()
        sent.wait()
        assert transport.send("POST", address.predict, BODY, Deadline(5)).body == b"second"
        transport.close()


def test_a_dead_first_address_leaves_time_for_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(answering(outputs())) as server:
        try:
            dead = socket.create_server(("127.0.0.2", server.port), backlog=0)
        except OSError:
            pytest.skip("this machine has one loopback address only")
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.2", server.port))

        real = socket.getaddrinfo

        def two(host: str, port: int, *args: Any, flags: int = 0, **options: Any) -> Any:
            if host != "model.example" or flags & socket.AI_NUMERICHOST:
                return real(host, port, *args, flags=flags, **options)
            found = real("127.0.0.1", port, type=socket.SOCK_STREAM)
            return [(*found[0][:4], ("127.0.0.2", port)), *found]

        monkeypatch.setattr(socket, "getaddrinfo", two)
        url = server.url.replace("localhost", "model.example")
        assert send(url, timeout=2).status == 200
        for opened in (dead, *fillers):
            opened.close()


class Certificates:
    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.file = folder / "ca.pem"
        self.authority.cert_pem.write_to_path(str(self.file))
        self.client = folder / "client.pem"
        self.authority.issue_cert("client").private_key_and_cert_chain_pem.write_to_path(
            str(self.client)
        )

    def context(self, host: str = "localhost") -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(host).configure_cert(context)
        return context


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls"))


def tls(context: ssl.SSLContext) -> object:
    return lambda connection: context.wrap_socket(connection, server_side=True)


@pytest.fixture
def tls_server(certificates: Certificates) -> Iterator[ScriptedServer]:
    with serving(answering(outputs()), wrap=tls(certificates.context())) as server:  # type: ignore[arg-type]
        yield server


def test_tls_with_an_authority_of_one_s_own(
    tls_server: ScriptedServer, certificates: Certificates
) -> None:
    address = parse_address(tls_server.url)
    transport = Transport(address.origin, ca_certs=certificates.file)
    for _ in range(3):
        assert transport.send("POST", address.predict, BODY, Deadline(5)).status == 200
    assert tls_server.connections == 1
    transport.close()


def test_an_untrusted_certificate(tls_server: ScriptedServer) -> None:
    with pytest.raises(CannotConnect, match="not trusted; pass ca_certs=") as caught:
        send(tls_server.url, ca_certs=None)
    assert caught.value.attempts == 1


def test_a_certificate_for_another_host(certificates: Certificates) -> None:
    wrap = tls(certificates.context("elsewhere.example"))
    with serving(answering(outputs()), wrap=wrap) as server, pytest.raises(CannotConnect):  # type: ignore[arg-type]
        send(server.url, ca_certs=certificates.file)


def test_a_client_certificate(certificates: Certificates) -> None:
    context = certificates.context()
    context.verify_mode = ssl.CERT_REQUIRED
    certificates.authority.configure_trust(context)
    with serving(answering(outputs()), wrap=tls(context)) as server:  # type: ignore[arg-type]
        own = certificates.client
        assert send(server.url, ca_certs=certificates.file, client_cert=own).status == 200
        with pytest.raises((CannotConnect, ConnectionLost)):
            send(server.url, ca_certs=certificates.file, retries=0)


def test_bytes_beyond_the_answer_do_not_spoil_the_next_one_over_tls(
    certificates: Certificates,
) -> None:
    def script(connection: socket.socket) -> None:
        while request := read_request(connection):
            body = request.partition(b"\r\n\r\n")[2]
            answer = response(200, body)
            # The answer fills the client's buffer, so that the rest waits decrypted inside TLS.
            padded = response(200, body + b" " * (8192 - len(answer) - 3))
            connection.sendall(padded + response(200, "not asked for"))

    with serving(script, wrap=tls(certificates.context())) as server:  # type: ignore[arg-type]
        address = parse_address(server.url)
        transport = Transport(address.origin, ca_certs=certificates.file)
        for body in (b"first", b"second", b"third"):
            assert transport.send("POST", address.predict, body, Deadline(5)).body.strip() == body
        transport.close()


def test_an_encrypted_key_is_refused_and_not_asked_for(
    certificates: Certificates, tmp_path: Path
) -> None:
    from cryptography.hazmat.primitives import serialization

    pem = certificates.client.read_bytes()
    key = serialization.load_pem_private_key(pem, None)
    encrypted = tmp_path / "key.pem"
    encrypted.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(InputError, match="encrypted"):
        tls_context(None, (str(certificates.client), str(encrypted)))


@pytest.mark.parametrize("given", [3, b"x", ("a", "b", "c", "d"), "a\x00b"])
def test_arguments_that_are_no_files(given: object) -> None:
    with pytest.raises(InputError, match=r"^client_cert"):
        tls_context(None, given)  # type: ignore[arg-type]


@pytest.mark.parametrize("host", ["a..b", ".a", "a" * 70])
def test_host_names_that_cannot_be(host: str) -> None:
    with pytest.raises(CannotConnect):
        send(f"http://{host}/v1/models/m", retries=0)


def test_the_deadline_holds_over_tls(certificates: Certificates) -> None:
    for script in (STALLS["drips the body"], STALLS["drips the headers"], silent):
        with serving(script, wrap=tls(certificates.context())) as server:  # type: ignore[arg-type]
            began = time.monotonic()
            with pytest.raises(TimedOut):
                send(server.url, 0.5, ca_certs=certificates.file)
            assert time.monotonic() - began < 5


def test_the_deadline_holds_for_the_handshake() -> None:
    with serving(silent) as server:
        url = server.url.replace("http://", "https://")
        began = time.monotonic()
        with pytest.raises(TimedOut, match="connecting"):
            send(url, 0.5, ca_certs=None)
        assert time.monotonic() - began < 5


def test_https_to_a_server_without_tls() -> None:
    def plain(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(response(400, "no TLS here"))

    with serving(plain) as server:
        url = server.url.replace("http://", "https://")
        with pytest.raises(CannotConnect, match="no TLS "):
            send(url, ca_certs=None, retries=0)


def test_http_to_a_server_with_tls(tls_server: ScriptedServer) -> None:
    url = tls_server.url.replace("https://", "http://")
    with pytest.raises((ConnectionLost, NotTensorFlowServing)):
        send(url, retries=0)


@pytest.mark.parametrize("argument", ["ca_certs", "client_cert"])
def test_files_that_are_no_certificates(argument: str, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("not PEM")
    for path in (broken, tmp_path / "absent.pem", tmp_path):
        arguments = {"ca_certs": None, "client_cert": None, argument: path}
        with pytest.raises(InputError, match=f"^{argument}"):
            tls_context(**arguments)  # type: ignore[arg-type]


def test_minimum_tls_version() -> None:
    context = tls_context(None, None)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


def test_many_threads_share_one_transport() -> None:
    def echo(connection: socket.socket) -> None:
        while request := read_request(connection):
            connection.sendall(response(200, request.partition(b"\r\n\r\n")[2]))

    with serving(echo) as server:
        address = parse_address(server.url)
        transport = Transport(address.origin)
        wrong: list[bytes] = []

        def work(name: int) -> None:
            for turn in range(50):
                body = b"%d-%d" % (name, turn)
                if transport.send("POST", address.predict, body, Deadline(20)).body != body:
                    wrong.append(body)

        threads = [threading.Thread(target=work, args=(name,)) for name in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        transport.close()
        assert not wrong
        assert server.connections <= 16


@pytest.mark.parametrize(
    ("headers", "token", "words"),
    [
        ({"X": "a\r\nY: b"}, None, "headers"),
        ({"X": "a\nb"}, None, "line break"),
        ({"X": "é"}, None, "ASCII"),
        ({"X": b"a"}, None, "not bytes"),
        ({"Content-Length": "3"}, None, "Content-Length is set by the client"),
        ({"transfer-encoding": "chunked"}, None, "is set by the client"),
        ({"Authorization: Bearer hidden": "x"}, None, "no header name"),
        ({"X:": "a"}, None, "no header name"),
        ({"": "a"}, None, "no header name"),
        ("X: a", None, "mapping"),
        (None, "hidden\n", "token"),
        (None, "Bearer hidden", "leave that word out"),
        (None, "", "token"),
    ],
)
def test_headers_are_checked(headers: object, token: str | None, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        request_headers(headers, token)  # type: ignore[arg-type]
    assert "hidden" not in str(caught.value)


def test_the_caller_s_headers_win() -> None:
    ours = request_headers({"user-agent": "mine", "X-Key": "k"}, "abc")
    assert ours["Authorization"] == "Bearer abc"
    assert ours["user-agent"] == "mine"
    assert "User-Agent" not in ours
