"""Every recorded exchange with the real server, replayed over a socket."""

import gzip
import http.client
import json
import re

import pytest

from lightclient.standin import StandIn
from tests.misc_model import later_exchanges, later_models, recorded_exchanges, recorded_models

EXCHANGES = recorded_exchanges() + later_exchanges()
# What is wrong with a text is told in the words of the parser, and each has its own.
PARSER = re.compile(r'(JSON Parse error: )[^"]*')


@pytest.fixture(scope="module")
def address():
    standin = StandIn(recorded_models() | later_models())
    standin.start()
    yield standin.address
    standin.close()


def send(address, request):
    body = (request["body"] or "").encode()
    if request.get("gzip"):
        body = gzip.compress(body)
    connection = http.client.HTTPConnection(*address, timeout=10)
    connection.putrequest(request["method"], request["path"], skip_accept_encoding=True)
    for name, value in request["headers"].items():
        connection.putheader(name, value)
    if request["body"] is not None or request["method"] != "GET":
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer, text


def comparable(value):
    """JSON without an order, in which NaN equals NaN and one parse error another."""
    return PARSER.sub(r"\1…", json.dumps(value, sort_keys=True))


@pytest.mark.parametrize("exchange", EXCHANGES, ids=[item["name"] for item in EXCHANGES])
def test_a_recorded_request_is_answered_as_recorded(address, exchange):
    answer, text = send(address, exchange["request"])
    wanted = exchange["response"]
    assert (answer.status, answer.getheader("Content-Type")) == (
        wanted["status"],
        wanted["content_type"],
    )
    if exchange.get("error_from_model"):
        assert json.loads(text)["error"]
    elif wanted["content_type"] == "application/json":
        assert comparable(json.loads(text)) == comparable(json.loads(wanted["body"]))
    else:
        assert text == wanted["body"]
    assert (answer.getheader("Connection") == "close") == (wanted["content_type"] == "text/html")


def test_all_exchanges_are_there():
    assert len(EXCHANGES) == 87 + 5
