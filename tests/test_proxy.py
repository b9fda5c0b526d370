"""Proxies named by the environment, with a real one on loopback: proxy.py."""

import base64
import logging
import pickle
import signal
import socket
import struct
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import proxy
import pytest

import lightclient
from lightclient import (
    AccessDenied,
    CannotConnect,
    Classifier,
    ConnectionLost,
    LightClientError,
    SettingError,
    Signature,
    SignatureError,
    TimedOut,
)
from lightclient.settings import find_proxy
from lightclient.standin import StandIn
from tests.faults.certificates import Certificates
from tests.scripted import answering, outputs, read_request, response, serving

CREDENTIALS = "user:open:sesame@home"
IN_A_URL = "user:open%3Asesame%40home"
SECRETS = ("sesame", base64.b64encode(CREDENTIALS.encode()).decode())
MODEL = "http://model.example:8501/v1/models/m"


@contextmanager
def real_proxy(*options: str) -> Iterator[str]:
    """Host and port of a proxy that wants credentials, and so answers only who asks it rightly."""
    # It takes the signals of the process, and later tests want Ctrl-C back.
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    with proxy.Proxy([
        "--hostname", "127.0.0.1", "--port", "0", "--num-workers", "1", "--num-acceptors", "1",
        "--threadless", "--local-executor", "1", "--log-level", "CRITICAL",
        "--basic-auth", CREDENTIALS, *options,
    ]) as running:  # fmt: skip
        yield f"127.0.0.1:{running.flags.port}"
    for number, handler in handlers.items():
        if signal.getsignal(number) != handler:
            signal.signal(number, handler)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


def test_http_goes_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with real_proxy() as address, StandIn() as url:
        monkeypatch.setenv("HTTP_PROXY", f"http://{IN_A_URL}@{address}")
        with Classifier(url) as classifier:
            assert classifier.classify("I like you. I love you").label == "POSITIVE"
            assert len(list(classifier.classify_many(["a gem"] * 300))) == 300


def test_https_goes_through_a_tunnel(
    monkeypatch: pytest.MonkeyPatch, certificates: Certificates
) -> None:
    with real_proxy() as address, serving(answering(outputs()), wrap=certificates.good) as server:
        url = server.url.replace("localhost", "127.0.0.1")
        monkeypatch.setenv("HTTPS_PROXY", f"http://{IN_A_URL}@{address}")
        with Classifier(url, ca_certs=certificates.file, signature=Signature()) as classifier:
            for _ in range(3):
                assert classifier.classify("a text").label == "POSITIVE"
        assert server.connections == 1


def test_a_certificate_is_verified_through_a_tunnel(
    monkeypatch: pytest.MonkeyPatch, certificates: Certificates
) -> None:
    with real_proxy() as address, serving(answering(outputs()), wrap=certificates.good) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{IN_A_URL}@{address}")
        classifier = Classifier(server.url.replace("localhost", "127.0.0.1"), signature=Signature())
        with pytest.raises(CannotConnect, match="not trusted; pass ca_certs="):
            classifier.classify("a text")


def test_what_the_proxy_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole URL, and the server as Host (RFC 9112, 3.2.2)."""
    seen: list[bytes] = []

    def script(connection: socket.socket) -> None:
        while request := read_request(connection):
            seen.append(request)
            connection.sendall(outputs())

    with serving(script) as server:
        monkeypatch.setenv("http_proxy", f"{IN_A_URL}@127.0.0.1:{server.port}")  # no scheme
        with Classifier(MODEL, signature=Signature()) as classifier:
            classifier.classify("a text")
    head = seen[0].decode().partition("\r\n\r\n")[0].split("\r\n")
    assert head[0] == f"POST {MODEL}:predict HTTP/1.1"
    assert "Host: model.example:8501" in head
    assert f"proxy-authorization: basic {SECRETS[1]}".lower() in map(str.lower, head)


@pytest.mark.parametrize("no_proxy", ["a.b,model.example", ".example", "model.example:8501", "*"])
def test_no_proxy_names_hosts(no_proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    assert find_proxy("http", "model.example", 8501) == "http://proxy.example:3128"
    assert find_proxy("https", "model.example", 8501) is None
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert find_proxy("http", "model.example", 8501) is None


@pytest.mark.parametrize(
    "value",
    ["socks5://user:sesame@h:1080", "https://user:sesame@h", "http://user:sesame@", "http://h:x",
     "http://sésame@h", "http://h\n", "://", "http://user:sesame#x@h:3128", "http://h\\x:3",
     "http://a%zz:3", "http://[v1.a]:3"],
)  # fmt: skip
def test_what_is_no_http_proxy(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", value)
    with pytest.raises(SettingError, match="HTTP_PROXY must be") as caught:
        Classifier(MODEL)
    assert "sesame" not in str(caught.value)


def refusing(scheme: str, port: int, monkeypatch: pytest.MonkeyPatch) -> Classifier:
    monkeypatch.setenv(f"{scheme.upper()}_PROXY", f"http://{IN_A_URL}@127.0.0.1:{port}")
    url = MODEL.replace("http:", f"{scheme}:")
    return Classifier(url, signature=Signature(), retries=0, timeout=5)


def telling(error: LightClientError, *others: str) -> str:
    return "".join([*traceback.format_exception(error), repr(vars(error)), *others])


def test_a_password_in_any_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://user:p%E2%82%AC@127.0.0.1:9")
    with pytest.raises(CannotConnect, match="through the proxy"):
        Classifier(MODEL, signature=Signature(), retries=0).classify("a text")


def test_a_proxy_that_resets_before_the_handshake(
    monkeypatch: pytest.MonkeyPatch, certificates: Certificates
) -> None:
    def script(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 ok\r\n\r\n")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with serving(script) as server:
        classifier = refusing("https", server.port, monkeypatch)
        for _ in range(20):
            with pytest.raises((CannotConnect, ConnectionLost)):
                classifier.classify("a text")


@pytest.mark.parametrize(("scheme", "kind"), [("http", AccessDenied), ("https", CannotConnect)])
def test_a_proxy_that_wants_other_credentials(
    scheme: str, kind: type[LightClientError], monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    refusal = response(407, "who are you?", "Proxy-Authenticate: Basic")
    refusal = refusal.replace(b"Whatever", SECRETS[1].encode())
    with serving(answering(refusal)) as server:
        classifier = refusing(scheme, server.port, monkeypatch)
        with pytest.raises(kind, match="407") as caught:
            classifier.classify("a text")
        classifier.close()
    told = telling(caught.value, caplog.text, repr(classifier), repr(pickle.dumps(classifier)))
    assert not any(secret in told for secret in SECRETS)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_not_there(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(CannotConnect, match="through the proxy") as caught:
        refusing(scheme, port, monkeypatch).classify("a text")
    assert not any(secret in telling(caught.value) for secret in SECRETS)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_deadline_holds_for_a_silent_proxy(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(connection: socket.socket) -> None:
        while connection.recv(65536):
            pass

    with serving(silent) as server:
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", f"http://127.0.0.1:{server.port}")
        url = MODEL.replace("http:", f"{scheme}:")
        began = time.monotonic()
        with pytest.raises(TimedOut):
            Classifier(url, signature=Signature(), timeout=0.3).classify("a text")
        assert time.monotonic() - began < 5


def test_a_proxy_is_found_again_after_pickling(monkeypatch: pytest.MonkeyPatch) -> None:
    """It belongs to the machine, and its password does not travel."""
    with serving(answering(outputs())) as server:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        pickled = pickle.dumps(Classifier(MODEL, signature=Signature()))
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.port}")
        with pickle.loads(pickled) as classifier:
            assert classifier.classify("a text").label == "POSITIVE"


def test_classify_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with StandIn() as url, serving(answering(outputs())) as server:
        monkeypatch.setenv("LIGHTCLIENT_URL", url)
        assert lightclient.classify("a mess").label == "NEGATIVE"
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.port}")
        with pytest.raises(SignatureError):  # what answers now is no server of metadata
            lightclient.classify("a mess")
