"""HTTP answers in any pieces: read whole, or refused, and nothing of the next one taken."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightclient.http.response import (
    Head,
    MalformedError,
    OverBudgetError,
    Stream,
    read_body,
    read_head,
)


def stream_of(data: bytes, sizes: Iterator[int] | None = None) -> Stream:
    """A stream that gives `data` in pieces of these sizes, then ends."""
    at = 0

    def receive(most: int) -> bytes:
        nonlocal at
        size = next(sizes, most) if sizes else most
        piece = data[at : at + min(size, most)]
        at += len(piece)
        return piece

    return Stream(receive)


def read(data: bytes, sizes: Iterator[int] | None = None, most: int = 10**6) -> tuple[Head, bytes]:
    stream = stream_of(data, sizes)
    head = read_head(stream)
    return head, read_body(stream, head, most)


bodies = st.binary(max_size=300)


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


@given(framed(), bodies, st.lists(st.integers(1, 40)))
def test_an_answer_in_any_pieces(answer: tuple[bytes, bytes], more: bytes, sizes: Any) -> None:
    data, body = answer
    stream = stream_of(data + more, iter(sizes))
    head = read_head(stream)
    assert (head.status, head.keeps_open) == (200, True)
    assert read_body(stream, head, 1000) == body
    assert stream.rest() == more


@given(framed(), st.data())
def test_an_answer_cut_anywhere_is_no_answer(answer: tuple[bytes, bytes], data: Any) -> None:
    whole = answer[0]
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(ConnectionResetError):
        read(whole[:cut])


@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_refused(data: bytes) -> None:
    for start in (
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ):
        try:
            read(start + data, most=100)
        except (MalformedError, OSError):
            continue


@pytest.mark.parametrize(
    ("head", "keeps_open"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0", True),
        (b"HTTP/1.1 200\r\ncontent-length:0", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0, 0", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0", True),
        (b"HTTP/1.1 200 OK\nContent-Length: 0", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: a\r\n b", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive, Close", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive", True),
        (b"HTTP/1.1 200 OK", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0", False),
    ],
)
def test_heads(head: bytes, keeps_open: bool) -> None:
    found, body = read(head + b"\r\n\r\n")
    assert (found.status, found.keeps_open, body) == (200, keeps_open, b"")


def test_100_is_passed_over_and_fields_are_joined() -> None:
    data = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 Busy\r\nX: a\r\nx: b\r\n c\r\n\r\nrest"
    head, body = read(data)
    assert (head.status, head.fields, body) == (429, {"x": "a, b c"}, b"rest")


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
        b"HTTP/1.1 200 OK\r\n: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n12345",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n12345",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n12345",
        b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\n12345",
        b"HTTP/1.1 200 OK\r\nContent-Length: %b\r\n\r\n" % (b"9" * 30),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1_0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}x\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
    ],
)
def test_what_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        read(data)


@pytest.mark.parametrize(
    "data",
    [
        b"Content-Length: 11\r\n\r\n" + b"x" * 11,
        b"Content-Length: 99999999999\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n6\r\n123456\r\n0\r\n\r\n",
        b"\r\n" + b"x" * 11,
    ],
)
def test_more_than_is_allowed(data: bytes) -> None:
    with pytest.raises(OverBudgetError):
        read(b"HTTP/1.1 200 OK\r\n" + data, most=10)
