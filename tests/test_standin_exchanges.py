"""Every recorded exchange with the real server, replayed over a socket."""

import gzip
import http.client
import json
import re

import pytest

from lightclient.standin import StandIn
from tests.misc_model import later_exchanges, later_models, recorded_exchanges, recorded_models

EXCHANGES = recorded_exchanges() + later_exchanges()
# RapidJSON points behind the first wrong letter of a word, Python's parser at its start.
OFFSET = re.compile(r"(JSON Parse error: .*) at offset: [0-9]+")


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


def without_offset(text):
    return OFFSET.sub(r"\1 at offset: N", text)


def comparable(value):
    """JSON without an order, in which NaN equals NaN and one offset of a parse error another."""
    return without_offset(json.dumps(value, sort_keys=True))


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


# The real server writes several outputs, and the rows of an object, in an order of its own.
ONE_ORDER = [
    item
    for item in EXCHANGES
    if not item.get("error_from_model")
    and item["request"]["body"] is not None
    and not any(key in item["request"]["body"] for key in ("multi", "strs", "types", "incons"))
]


@pytest.mark.parametrize("exchange", ONE_ORDER, ids=[item["name"] for item in ONE_ORDER])
def test_white_space_is_the_real_servers_too(address, exchange):
    text = send(address, exchange["request"])[1]
    assert without_offset(text) == without_offset(exchange["response"]["body"])


def test_all_exchanges_are_there():
    assert len(EXCHANGES) == 87 + 5
