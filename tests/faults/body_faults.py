"""Answers in good HTTP whose body is not the logits that were asked for."""

import json

from lightclient import BadRequest, NotTensorFlowServing, ReplyError, ServerFailed
from tests.faults.fault import RIGHT, Fault
from tests.faults.server import Act, reply, shaped
from tests.scripted import response

_PAGE = "<!DOCTYPE html><html><body>Welcome to nginx!</body></html>"
_DEEP, _DEEPER = 10_000, 100_000


def _row_by_row(change) -> Act:
    """The right answer, with each row changed."""

    def shape(body: bytes) -> bytes:
        rows = [change(row) for row in json.loads(body)["outputs"]]
        return response(200, json.dumps({"outputs": rows}))

    return shaped(shape)


def _first_number(text: str) -> Act:
    """The right answer, with something else for its first number."""

    def shape(body: bytes) -> bytes:
        before, _, rest = body.decode().partition("[[")
        return response(200, f"{before}[[{text},{rest.partition(',')[2]}")

    return shaped(shape)


def _answer(change) -> Act:
    """The right answer, changed as a whole."""
    return shaped(lambda body: response(200, json.dumps(change(json.loads(body)["outputs"]))))


def _with_zeros(body: bytes) -> bytes:
    """The right numbers, the first one with a million zeros behind its point."""
    before, _, rest = body.decode().partition("[[")
    number, _, rest = rest.partition(",")
    return response(200, f"{before}[[{number}{'0' * 1_000_000},{rest}")


def _foreign(name: str, body: bytes | str) -> Fault:
    return Fault(name, reply(response(200, body)), (NotTensorFlowServing,))


def _wrong(name: str, act: Act) -> Fault:
    return Fault(name, act, (ReplyError,))


NO_ANSWERS = [
    _foreign("200 with HTML", _PAGE),
    _foreign("an empty body", ""),
    _foreign("half a JSON", '{"outputs": [[1.0, '),
    _foreign("JSON and more", '{"outputs": [[1.0, 2.0]]} {}'),
    _foreign("no UTF-8", b'{"outputs": [["\xff\xfe"]]}'),
    _foreign("NUL bytes", b"\0" * 5000),
    _foreign("an empty object", "{}"),
    _foreign("a bare list", "[[1.0, 2.0]]"),
    _foreign("a bare number", "1"),
    _foreign("null", "null"),
    _foreign("200 with an error", '{"error": "it is no 200 at all"}'),
    _foreign("100,000 deep", "[" * _DEEPER),
    _foreign("100,000 objects deep", '{"outputs":' * _DEEPER),
    _wrong("a whole number of 1 MB", _first_number("7" * 1_000_000)),
    Fault("10,000 deep", reply(response(200, '{"outputs": %s%s}' % ("[" * _DEEP, "]" * _DEEP))),  # noqa: UP031
          (NotTensorFlowServing, ReplyError)),
]  # fmt: skip

WRONG_ANSWERS = [
    _wrong("another model's labels", _row_by_row(lambda row: [*row, 0.0])),
    _wrong("a label too few", _row_by_row(lambda row: row[:1])),
    _wrong("empty rows", _row_by_row(lambda row: [])),
    _wrong("a token's logits each", _row_by_row(lambda row: [row] * 4)),
    _wrong("strings", _row_by_row(lambda row: [str(value) for value in row])),
    _wrong("nulls", _row_by_row(lambda row: [None, None])),
    _wrong("booleans", _row_by_row(lambda row: [True, False])),
    _wrong("numbers in a row of objects", _row_by_row(lambda row: {"scores": row})),
    _wrong("a string a row", _row_by_row(lambda row: "ab")),
    *(_wrong(f"{text} for a logit", _first_number(text)) for text in (
        "NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e39", '"1.0"', "null", "true", "[]",
        "{}", "1" + "0" * 400)),
    _wrong("a row too many", _answer(lambda rows: {"outputs": [*rows, rows[0]]})),
    _wrong("a row too few", _answer(lambda rows: {"outputs": rows[1:]})),
    _wrong("no rows", _answer(lambda rows: {"outputs": []})),
    _wrong("another output", _answer(lambda rows: {"outputs": {"pooled": rows, "hidden": rows}})),
    _wrong("null outputs", _answer(lambda rows: {"outputs": None})),
    _wrong("outputs that are a number", _answer(lambda rows: {"outputs": 1.5})),
    _wrong("outputs that are a string", _answer(lambda rows: {"outputs": "ab" * len(rows)})),
]  # fmt: skip


RIGHT_ANSWERS = [
    Fault("the row form", _answer(lambda rows: {"predictions": rows}), RIGHT),
    Fault("named outputs", _answer(lambda rows: {"outputs": {"logits": rows, "x": 1}}), RIGHT),
    Fault("named outputs row by row", _answer(
          lambda rows: {"predictions": [{"logits": row} for row in rows]}), RIGHT),
    Fault("unknown keys beside", _answer(lambda rows: {"x": [[1]], "outputs": rows}), RIGHT),
    Fault("a number of 1 MB", shaped(_with_zeros), RIGHT),
]  # fmt: skip


def _quoting(status: int, before: str, after: str = "") -> Act:
    """An error that quotes the request, as the server's own parser does."""

    def act(connection, request: bytes) -> bool:
        sent = request.partition(b"\r\n\r\n")[2].decode()
        words = json.dumps({"error": f"{before}{sent}{after}"})
        connection.sendall(response(status, words))
        return True

    return act


def _echoing(connection, request: bytes) -> bool:
    connection.sendall(response(200, request.partition(b"\r\n\r\n")[2]))
    return True


def _echoing_as_text(connection, request: bytes) -> bool:
    connection.sendall(response(200, b"<pre>" + request + b"\xff</pre>"))
    return True


QUOTING = [
    Fault("400 that quotes", _quoting(400, "JSON Value: ", " Type: Object is not of expected type"),
          (BadRequest,)),
    Fault("400 that quotes an object", _quoting(400, "Failed to process JSON object: "),
          (BadRequest,)),
    Fault("400 that quotes freely", _quoting(400, "refused: ", " is too bad"), (BadRequest,)),
    Fault("500 that quotes freely", _quoting(500, "could not run "), (ServerFailed,)),
    Fault("200 that is the request", _echoing, (NotTensorFlowServing,)),
    Fault("200 with the request in a page", _echoing_as_text, (NotTensorFlowServing,)),
]  # fmt: skip

FAULTS = [*NO_ANSWERS, *WRONG_ANSWERS, *RIGHT_ANSWERS, *QUOTING]
