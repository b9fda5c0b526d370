"""What must not happen: code from data, secrets in words, trust by accident."""

import ast
import inspect
import logging
import pickle
import socket
import traceback
from pathlib import Path
from typing import Any

import pytest

import lightclient
from lightclient import Classifier, LightClientError, RedirectRefused, Signature
from lightclient.standin import StandIn
from tests.scripted import answering, once, read_request, response, serving

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
