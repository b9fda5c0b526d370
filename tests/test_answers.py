"""HTTP answers in any pieces: read whole, or refused, and nothing of one taken for the next."""

import logging
import socket
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightclient import ConnectionLost, LightClientError, NotTensorFlowServing, ReplyTooLarge
from lightclient.http.deadline import Deadline
from lightclient.http.transport import Reply, Transport
from tests.scripted import ScriptedServer, answering, read_request, response, serving

NEXT = b"the next answer"


class Answers:
    """A server that sends `data` in pieces of these sizes, then `NEXT` to whatever comes next."""

    def __init__(self) -> None:
        self.data, self.sizes, self.stays = b"", [], False  # type: ignore[var-annotated]
        self.server: ScriptedServer

    def script(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not read_request(connection):
            return
        for piece in self._pieces():
            connection.sendall(piece)
        while self.stays and read_request(connection):
            connection.sendall(response(200, NEXT))

    def _pieces(self) -> Iterator[bytes]:
        at = 0
        for size in self.sizes:
            yield self.data[at : at + size]
            at += size
        yield self.data[at:]

    def read(self, data: bytes, sizes: list[int] | None = None, most: int = 10**6) -> Reply:
        """The reply to one call, its connection closed by the server behind the data."""
        self.data, self.sizes, self.stays = data, sizes or [], False
        transport = Transport(self.server.origin, retries=0, max_reply_bytes=most)
        try:
            return transport.send("GET", "/", None, Deadline(10))
        finally:
            transport.close()

    def read_twice(self, data: bytes, sizes: list[int] | None = None) -> list[Reply]:
        """The replies to two calls, the connection left open behind the data."""
        self.data, self.sizes, self.stays = data, sizes or [], True
        transport = Transport(self.server.origin, retries=0)
        try:
            return [transport.send("GET", "/", None, Deadline(10)) for _ in range(2)]
        finally:
            transport.close()


@contextmanager
def answers_served() -> Iterator[Answers]:
    answers = Answers()
    with serving(answers.script) as answers.server:
        yield answers


@pytest.fixture(scope="module")
def answers() -> Iterator[Answers]:
    with answers_served() as served:
        yield served


bodies = st.binary(max_size=300)
few = settings(max_examples=40, deadline=None)


@st.composite
def framed(draw: Any) -> tuple[bytes, bytes]:
    """An answer and its body."""
    body = draw(bodies)
    if draw(st.booleans()):
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body), body
    cuts = sorted({0, len(body), *draw(st.lists(st.integers(0, len(body)), max_size=4))})
    chunks = [body[a:b] for a, b in pairwise(cuts)]
    lines = b"".join(b"%x;x=y\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
    return head + lines + b"0\r\nTrailer: t\r\n\r\n", body


@few
@given(framed(), st.lists(st.integers(1, 40), max_size=9))
def test_an_answer_in_any_pieces(
    answers: Answers, answer: tuple[bytes, bytes], sizes: list[int]
) -> None:
    first, second = answers.read_twice(answer[0], sizes)
    assert (first.status, first.body) == (200, answer[1])
    assert second.body in (NEXT, answer[1])  # the latter on a connection of its own


@few
@given(framed(), bodies.filter(bool), st.data())
def test_what_comes_with_the_end_of_an_answer_is_never_the_next_one(
    answers: Answers, answer: tuple[bytes, bytes], more: bytes, data: Any
) -> None:
    """What comes so late that the next request is on its way cannot be told from its answer."""
    cut = data.draw(st.integers(1, len(answer[0]) - 1))
    for surplus in (more, response(200, b"not asked for")):
        first, second = answers.read_twice(answer[0] + surplus, [cut])
        assert first.body == answer[1]
        assert second.body in (NEXT, answer[1])


@few
@given(framed(), st.data())
def test_an_answer_cut_anywhere_is_no_answer(
    answers: Answers, answer: tuple[bytes, bytes], data: Any
) -> None:
    whole, body = answer
    cut = data.draw(st.integers(0, len(whole) - 1))
    try:
        # Only the trailers may be missing, which say nothing that is used.
        assert answers.read(whole[:cut]).body == body
        assert whole[:cut].endswith(b"\r\n0\r\n") or b"\r\n0\r\n" in whole[:cut]
    except ConnectionLost:
        pass


@few
@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_refused(answers: Answers, data: bytes) -> None:
    for start in (
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ):
        try:
            answers.read(start + data, most=100)
        except LightClientError:
            continue


@pytest.mark.parametrize(
    ("head", "is_kept"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0", True),
        (b"HTTP/1.1 200\r\ncontent-length:0", True),
        (b"HTTP/1.1 200 OK\nContent-Length: 0", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: a\r\n b", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive, Close", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0", False),
    ],
)
def test_which_connections_are_kept(answers: Answers, head: bytes, is_kept: bool) -> None:
    before = answers.server.connections
    first, second = answers.read_twice(head + b"\r\n\r\n")
    assert (first.status, first.body) == (200, b"")
    assert answers.server.connections - before == (1 if is_kept else 2)
    assert second.body == (NEXT if is_kept else b"")


def test_a_body_without_a_length_ends_with_the_connection(answers: Answers) -> None:
    assert answers.read(b"HTTP/1.1 200 OK\r\n\r\nall of it").body == b"all of it"


def test_100_is_passed_over(answers: Answers) -> None:
    data = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 Busy\r\nRetry-After: 7\r\n\r\nrest"
    reply = answers.read(data)
    assert (reply.status, reply.retry_after, reply.body) == (429, 7.0, b"rest")


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n folded: before any\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno field\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nna me: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n12345",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n12345",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n12345",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n12345",
        b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n12345",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0_5\r\n\r\n12345",
        b"HTTP/1.1 200 OK\r\nContent-Length: %b\r\n\r\n12345" % (b"9" * 5000),
        b"HTTP/1.1 200 OK\r\n" + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1_0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}x\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
    ],
)
def test_what_is_malformed(answers: Answers, data: bytes) -> None:
    with pytest.raises(NotTensorFlowServing):
        answers.read(data)


@pytest.mark.parametrize(
    "data",
    [
        b"Content-Length: 11\r\n\r\n" + b"x" * 11,
        b"Content-Length: 99999999999\r\n\r\n",
        b"Content-Length: %b\r\n\r\n" % (b"9" * 18),
        b"Transfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n6\r\n123456\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n",
        b"\r\n" + b"x" * 11,
    ],
)
def test_more_than_is_allowed(answers: Answers, data: bytes) -> None:
    with pytest.raises(ReplyTooLarge):
        answers.read(b"HTTP/1.1 200 OK\r\n" + data, most=10)


def test_no_warning_is_logged(answers: Answers, caplog: pytest.LogCaptureFixture) -> None:
    both = b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    assert answers.read(b"HTTP/1.1 200 OK\r\n" + both).body == b"{}"
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_what_the_server_sent_stands_in_no_traceback(answers: Answers) -> None:
    for line in (b"HTTP/1.1 abc hidden", b"hidden", b"HTTP/9.9 hidden"):
        with pytest.raises(NotTensorFlowServing) as caught:
            answers.read(line + b"\r\n\r\n")
        assert "hidden" not in "".join(traceback.format_exception(caught.value))


def test_a_kept_connection_that_is_given_up_as_the_request_comes() -> None:
    late = response(408, "", "Connection: close")
    with serving(answering(response(200, "1"), late), answering(response(200, "2"))) as server:
        transport = Transport(server.origin, retries=0)
        assert [transport.send("GET", "/", None, Deadline(5)).body for _ in range(2)] == [
            b"1",
            b"2",
        ]
        transport.close()
