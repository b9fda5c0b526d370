"""What must not happen: code from data, secrets in words, trust by accident."""

import ast
import base64
import copy
import inspect
import json
import logging
import os
import pickle
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import lightclient
from lightclient import (
    Bundle,
    Classifier,
    InputError,
    LightClientError,
    Overloaded,
    RedirectRefused,
    SettingError,
    Signature,
)
from lightclient.settings import read_settings
from lightclient.standin import StandIn
from tests.scripted import answering, once, outputs, read_request, response, serving

PACKAGE = Path(lightclient.__file__).parent
SECRET = "open-sesame"
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "system", "popen"}
FORBIDDEN_MODULES = {"pickle", "marshal", "shelve", "subprocess", "yaml", "joblib"}


def nodes(kind: Any) -> list[Any]:
    trees = (ast.parse(path.read_text("utf-8")) for path in PACKAGE.rglob("*.py"))
    return [node for tree in trees for node in ast.walk(tree) if isinstance(node, kind)]


def test_nothing_is_run_that_was_read() -> None:
    called = {node.func.id for node in nodes(ast.Call) if isinstance(node.func, ast.Name)}
    called |= {
        node.func.attr
        for node in nodes(ast.Call)
        if isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) in ("os", "sys")
    }
    assert called & FORBIDDEN_CALLS == set()
    imported = {alias.name.split(".")[0] for node in nodes(ast.Import) for alias in node.names}
    imported |= {str(node.module).split(".")[0] for node in nodes(ast.ImportFrom)}
    assert "json" in imported
    assert imported & FORBIDDEN_MODULES == set()


def test_verification_cannot_be_switched_off() -> None:
    named = {node.attr for node in nodes(ast.Attribute)}
    assert "create_default_context" in named
    assert named & {"CERT_NONE", "CERT_OPTIONAL", "_create_unverified_context"} == set()
    assert not any("verify" in name for name in inspect.signature(Classifier).parameters)


def closes(connection: socket.socket) -> None:
    read_request(connection)


@pytest.mark.parametrize(
    "script",
    [
        closes,
        once(b"\x00\xff"),
        answering(response(401, '{"error": "who are you?"}')),
        answering(response(500, "<html>")),
        answering(response(302, "", "Location: http://other/")),
        answering(response(200, '{"outputs": "none"}')),
    ],
)
def test_secrets_are_in_no_message_log_or_traceback(
    script: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), serving(script) as server:
        classifier = Classifier(
            server.url, token=SECRET, headers={"X-Key": SECRET}, signature=Signature(), retries=0
        )
        with pytest.raises(LightClientError) as caught:
            classifier.classify("a text")
        with pytest.raises(LightClientError):
            list(classifier.classify_many(["a text"]))
    told = "".join(traceback.format_exception(caught.value))
    seen = [told, caplog.text, repr(classifier), repr(vars(classifier)), repr(vars(caught.value))]
    assert not any(SECRET in words for words in seen)
    assert SECRET.encode() not in pickle.dumps(caught.value)


TEXT = "sesquipedalian"


@pytest.mark.parametrize(
    "script",
    [
        answering(outputs()),
        answering(response(503, TEXT, "Retry-After: 0.1"), outputs()),
        closes,
        once(TEXT.encode()),
        answering(response(400, json.dumps({"error": TEXT}))),
        answering(response(407, TEXT, f"Proxy-Authenticate: {SECRET}")),
        answering(response(302, TEXT, f"Location: http://{SECRET}@other/?key={SECRET}")),
        answering(response(200, TEXT)),
    ],
)
def test_no_record_of_the_log_holds_a_text_or_a_secret(
    script: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of any logger, at any level, in any attribute; also behind a proxy with a password."""
    caplog.set_level(logging.DEBUG)
    with serving(script) as server:
        monkeypatch.setenv("HTTP_PROXY", f"http://user:{SECRET}@localhost:{server.port}")
        classifier = Classifier(
            "http://model.example/v1/models/m",
            token=SECRET, headers={"X-Key": SECRET}, signature=Signature(), retries=1, timeout=1,
        )  # fmt: skip
        with suppress(LightClientError):
            classifier.classify(TEXT)
        list(classifier.classify_many([TEXT, f"{TEXT} again"], on_error="return"))
    told = [repr(vars(record)) for record in caplog.records]
    assert sum("'bytes_sent'" in words for words in told) >= 2
    password = base64.b64encode(f"user:{SECRET}".encode()).decode()
    for secret in (TEXT, SECRET, password, "input_ids"):  # no body of a request either
        assert not any(secret in words for words in told)


URL = "http://localhost:1/v1/models/m"
PICKLERS = [pickle.dumps, "cloudpickle"]


def dumps(pickler: Any) -> Callable[[object], bytes]:
    if callable(pickler):
        return pickler  # type: ignore[no-any-return]
    found: Callable[[object], bytes] = pytest.importorskip(pickler).dumps
    return found


@pytest.mark.parametrize("pickler", PICKLERS)
@pytest.mark.parametrize(
    ("given", "mend"),
    [({"token": SECRET}, "LIGHTCLIENT_TOKEN"), ({"headers": {"X-Key": SECRET}}, "function")],
)
def test_a_secret_that_was_passed_by_value_is_not_pickled(
    pickler: Any, given: dict[str, Any], mend: str
) -> None:
    classifier = Classifier(URL, signature=Signature(), **given)
    for secretive in (classifier, classifier.classify, read_settings({}, **given)):
        with pytest.raises(InputError, match=mend) as caught:
            dumps(pickler)(secretive)
        assert SECRET not in str(caught.value)


def test_a_copy_stays_in_the_process_and_may_have_its_secrets() -> None:
    def authorized(connection: socket.socket) -> None:
        sent = read_request(connection)
        assert f"Bearer {SECRET}".encode() in sent
        assert b"X-Key: " + SECRET.encode() in sent
        connection.sendall(outputs())

    with serving(authorized) as server:
        classifier = Classifier(
            server.url, signature=Signature(), token=SECRET, headers={"X-Key": SECRET}
        )
        for copied in (copy.copy(classifier), copy.deepcopy([classifier])[0]):
            assert copied.classify("a text")
            assert copied._asker.predictor is not classifier._asker.predictor


@pytest.mark.parametrize("pickler", PICKLERS)
def test_a_pickle_names_the_variable_of_the_token(
    pickler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIGHTCLIENT_TOKEN", SECRET)
    monkeypatch.setenv("HTTP_PROXY", f"http://user:{SECRET}@localhost:1")
    pickled = dumps(pickler)(Classifier(URL, signature=Signature(), client_cert="client.pem"))
    assert SECRET.encode() not in pickled
    assert len(pickled) < 1000
    monkeypatch.setenv("LIGHTCLIENT_TOKEN", "another's")
    assert pickle.loads(pickled)._asker.settings.token == "another's"
    monkeypatch.delenv("LIGHTCLIENT_TOKEN")
    with pytest.raises(SettingError, match="LIGHTCLIENT_TOKEN"):
        pickle.loads(pickled)


ELSEWHERE = """
import pickle, sys
[answer] = pickle.loads(sys.stdin.buffer.read())(["a text"])
print(answer.label)
"""


def token_of_the_worker() -> str:
    return os.environ["TOKEN_OF_THE_WORKER"]


def headers_of_the_worker(method: str, url: str, body: bytes) -> dict[str, str]:
    return {"X-Key": os.environ["TOKEN_OF_THE_WORKER"]}


class Vault:
    def __init__(self, secret: str) -> None:
        self.secret = secret

    def __call__(self) -> str:
        return self.secret


class EmptyVault(Vault):
    """One that has fetched nothing yet, like a mapping."""

    def __bool__(self) -> bool:
        return False


def function_of_the_program() -> Callable[[], str]:
    def token() -> str:
        return SECRET

    token.__module__, token.__qualname__ = "__main__", "token_of_main"
    vars(sys.modules["__main__"])["token_of_main"] = token
    return token


@pytest.mark.parametrize("pickler", PICKLERS)
@pytest.mark.parametrize(
    "token",
    [partial(str, SECRET), Vault(SECRET), EmptyVault(SECRET), Vault(SECRET).__call__,
     SECRET.strip, lambda: SECRET, function_of_the_program()],
    ids=["partial", "object", "false object", "method", "method of str", "lambda", "main"],
)  # fmt: skip
def test_only_functions_of_a_module_travel(pickler: Any, token: Any) -> None:
    for given in ({"token": token}, {"headers": token}):
        with pytest.raises(InputError, match="a function of a module") as caught:
            dumps(pickler)(Classifier(URL, signature=Signature(), **given))
        assert SECRET not in str(caught.value)


def test_a_function_fetches_the_token_where_it_is_called() -> None:
    cloudpickle = pytest.importorskip("cloudpickle")
    sent: list[bytes] = []

    def handle(connection: socket.socket) -> None:
        sent.append(read_request(connection))
        connection.sendall(outputs())

    with serving(handle) as server:
        classifier = Classifier(
            server.url, signature=Signature(),
            token=token_of_the_worker, headers=headers_of_the_worker,
        )  # fmt: skip
        pickled = cloudpickle.dumps(lambda texts: classifier.classify(texts))
        done = subprocess.run(
            [sys.executable, "-c", ELSEWHERE],
            input=pickled, env={**os.environ, "TOKEN_OF_THE_WORKER": SECRET},
            stdout=subprocess.PIPE, timeout=60, check=True,
        )  # fmt: skip
    assert done.stdout.strip() == b"POSITIVE"
    assert SECRET.encode() not in pickled
    assert f"Bearer {SECRET}".encode() in sent[0]
    assert b"X-Key: " + SECRET.encode() in sent[0]


def test_a_bundle_travels_and_holds_nothing_but_the_model() -> None:
    bundle = Bundle.load()
    again = pickle.loads(pickle.dumps(Classifier(URL, bundle=bundle)))
    assert again._asker.settings.bundle.fingerprint == bundle.fingerprint
    assert len(pickle.dumps(bundle)) < 1_000_000


def test_an_engine_that_retries_reads_the_data_of_a_pickled_error() -> None:
    busy = response(429, '{"error": "busy"}', "Retry-After: 7")
    with serving(answering(busy)) as server:
        classifier = Classifier(server.url, signature=Signature(), token=SECRET, retries=0)
        [_, error] = classifier.classify_many(["\ud800", "a"], on_error="return")
    pickled = pickle.dumps(error)
    again = pickle.loads(pickled)
    assert isinstance(again, Overloaded)
    assert (again.retry_after, again.index, again.status, again.attempts) == (7.0, 1, 429, 1)
    assert str(again) == str(error)
    assert SECRET.encode() not in pickled


def test_a_redirect_carries_nothing_on() -> None:
    with serving(closes) as elsewhere:
        moved = response(307, "", f"Location: {elsewhere.url}")
        with serving(answering(moved)) as server:
            classifier = Classifier(server.url, token=SECRET, signature=Signature())
            with pytest.raises(RedirectRefused):
                classifier.classify("a text")
        assert elsewhere.connections == 0


def test_the_stand_in_listens_to_this_machine_only() -> None:
    stand_in = StandIn()
    with stand_in:
        assert stand_in.address[0] == "127.0.0.1"
