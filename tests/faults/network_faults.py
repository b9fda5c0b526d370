"""Connections that are not made, break, stall or drip."""

from lightclient import CannotConnect, ConnectionLost, NotTensorFlowServing, ReplyTooLarge, TimedOut
from tests.faults.fault import RIGHT, Fault
from tests.faults.server import close, drip, pour, reply_then, reset, shaped, stay_silent
from tests.scripted import response

SHORT = 0.3
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_LONG = _HEAD + b"Content-Length: 100000\r\n"
_CHUNKED = _HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
_HALF = b'{"outputs": [[1.5, '
_MEGABYTE = b" " * 2**20


def _cut(body: bytes) -> bytes:
    return response(200, body)[:-5]


def _chunked_cut(body: bytes) -> bytes:
    return _CHUNKED + b"%x\r\n%b" % (len(body), body[:-5])


def _without_last_chunk(body: bytes) -> bytes:
    return _CHUNKED + b"%x\r\n%b\r\n" % (len(body), body)


def _between_chunks(body: bytes) -> bytes:
    return _CHUNKED + b"5\r\n%b\r\n" % body[:5]


_CONNECTING = [
    Fault("nobody listens", close, (CannotConnect,), passing=RIGHT, listens=False),
    Fault("closes at once", close, (ConnectionLost,), at_accept=True),
    Fault("resets at once", reset, (ConnectionLost, CannotConnect), at_accept=True),
]
_BREAKING = [
    Fault("closes after the request", close, (ConnectionLost,), tls=True),
    Fault("resets after the request", reset, (ConnectionLost,), tls=True),
    *(
        Fault(f"closes in {name}", reply_then(head, close), (ConnectionLost,), tls=True)
        for name, head in (
            ("the version", b"HTTP/1"),
            ("the status", b"HTTP/1.1 20"),
            ("the reason", b"HTTP/1.1 200 O"),
            ("a header's name", b"HTTP/1.1 200 OK\r\nContent-Le"),
            ("between two headers", _HEAD),
            ("after the length", _LONG),
            ("before the body", _LONG + b"\r\n"),
        )
    ),
    Fault("resets in the headers", reply_then(_LONG, reset), (ConnectionLost,), tls=True),
    Fault("closes in the body", shaped(_cut, close), (ConnectionLost,), tls=True),
    Fault("resets in the body", shaped(_cut, reset), (ConnectionLost,), tls=True),
    Fault("closes in a chunk", shaped(_chunked_cut, close), (ConnectionLost,), tls=True),
    Fault("resets in a chunk", shaped(_chunked_cut, reset), (ConnectionLost,)),
    Fault("closes between two chunks", shaped(_between_chunks, close), (ConnectionLost,)),
    Fault("closes before the last chunk", shaped(_without_last_chunk, close), (ConnectionLost,)),
]


def _stall(name, act, **options) -> Fault:
    return Fault(name, act, (TimedOut,), timeout=SHORT, **options)


_STALLING = [
    _stall("never answers", stay_silent, tls=True),
    _stall("never reads nor answers", stay_silent, at_accept=True),
    _stall("stops in the status line", reply_then(b"HTTP/1.1 2", stay_silent)),
    _stall("stops in the headers", reply_then(_LONG, stay_silent)),
    _stall("stops before the body", reply_then(_LONG + b"\r\n", stay_silent)),
    _stall("stops in the body", shaped(_cut, stay_silent), tls=True),
    _stall("stops in a chunk", shaped(_chunked_cut, stay_silent)),
    _stall("stops before the last chunk", shaped(_without_last_chunk, stay_silent)),
    _stall("stops in a body of no length", reply_then(_HEAD + b"\r\n" + _HALF, stay_silent)),
    _stall("drips the status line", drip(b"HTTP/1.1 200 ", b"O", 0.05), tls=True),
    _stall("drips a header", drip(_HEAD + b"X: ", b"x", 0.05), tls=True),
    _stall("drips headers", drip(_HEAD, b"X: x\r\n", 0.05)),
    _stall("drips the body", drip(_LONG + b"\r\n", b" ", 0.05), tls=True),
    _stall("drips chunks", drip(_CHUNKED, b"1\r\n \r\n", 0.05), tls=True),
    _stall("drips a chunk's size", drip(_CHUNKED, b"0", 0.05)),
    _stall("drips trailers", drip(_CHUNKED + b"0\r\n", b"X: x\r\n", 0.05)),
    _stall("drips 100 Continue", drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.05)),
    _stall("100 Continue and no more", reply_then(b"HTTP/1.1 100 Continue\r\n\r\n", stay_silent)),
    Fault("drips a byte a second in the headers", drip(_HEAD + b"X: ", b"x", 1.0), (TimedOut,),
          timeout=1.3, heavy=True),
    Fault("drips a byte a second in the body", drip(_LONG + b"\r\n", b" ", 1.0), (TimedOut,),
          timeout=1.3, heavy=True, tls=True),
]  # fmt: skip

_ENDLESS = [
    Fault("a body of 1 GB, announced", pour(_HEAD + b"Content-Length: 1000000000\r\n\r\n",
          _MEGABYTE), (ReplyTooLarge,), at_once=True, tls=True),
    Fault("a body of 1 GB, not announced", pour(_HEAD + b"\r\n", _MEGABYTE, 1000),
          (ReplyTooLarge,), heavy=True, tls=True),
    Fault("a body of 1 GB in chunks", pour(_CHUNKED, b"100000\r\n" + _MEGABYTE + b"\r\n", 1000),
          (ReplyTooLarge,), heavy=True),
    Fault("one chunk of 1 GB", pour(_CHUNKED + b"40000000\r\n", _MEGABYTE, 1000),
          (ReplyTooLarge,), heavy=True),
    Fault("an error body of 1 GB", pour(b"HTTP/1.1 500 No\r\n\r\n", _MEGABYTE, 1000),
          (ReplyTooLarge,), heavy=True),
    Fault("endless chunks of one byte", pour(_CHUNKED, b"1\r\n \r\n" * 1000), (TimedOut,),
          timeout=SHORT,
        heavy=True),
    Fault("endless headers", pour(_HEAD, b"X: x\r\n" * 1000), (NotTensorFlowServing,)),
    Fault("endless trailers", pour(_CHUNKED + b"0\r\n", b"X: x\r\n" * 1000), (TimedOut,),
          timeout=SHORT,
        heavy=True),
    Fault("endless 100 Continue", pour(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000), (TimedOut,),
          timeout=SHORT,
        heavy=True),
]  # fmt: skip

FAULTS = [*_CONNECTING, *_BREAKING, *_STALLING, *_ENDLESS]
