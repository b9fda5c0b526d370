"""How long a connection lasts."""

import json


def test_it_outlives_answers_and_errors(server, model):
    fine = {"instances": [model.row(1, 2)]}
    connection = server.connect()
    for _ in range(3):
        assert server.ask(connection=connection).status == 200
        assert server.predict(fine, connection=connection).status == 200
        assert server.predict(b"{", connection=connection).status == 400
        assert server.ask("/versions/987654321", connection=connection).status == 404
        assert server.ask("/", connection=connection).status == 400
    connection.close()


def head(server, version, *headers, body=b""):
    lines = [f"POST {server.path}:predict HTTP/{version}", "Host: localhost", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def last_answer(server, model, version, *headers):
    body = json.dumps({"instances": [model.row(1, 2)]}).encode()
    return server.raw(head(server, version, *headers, body=body))


def test_close_is_honoured(server, model):
    data = last_answer(server, model, "1.1", "Connection: close")
    assert data.startswith(b"HTTP/1.1 200 ")
    assert b"\r\nconnection: close\r\n" in data.lower()
    assert b'"predictions"' in data


def test_close_is_honoured_after_an_error(server):
    data = server.raw(head(server, "1.1", "Connection: close"))
    assert data.startswith(b"HTTP/1.1 400 ")
    assert b"The document is empty" in data


def test_http_1_0_ends_with_its_answer(server, model):
    data = last_answer(server, model, "1.0")
    assert data.startswith(b"HTTP/1.0 200 ")
    assert b'"predictions"' in data


def test_a_page_outside_the_api_ends_the_connection(server):
    data = server.raw(b"GET /v2/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert data.startswith(b"HTTP/1.1 404 ")
    assert b"<H1>Not Found</H1>" in data
