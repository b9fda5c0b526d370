"""Answers that come whole, in odd or broken HTTP."""

import gzip
import zlib
from email.utils import formatdate

from lightclient import (
    AccessDenied,
    BadRequest,
    ConnectionLost,
    ModelNotFound,
    NotTensorFlowServing,
    Overloaded,
    RedirectRefused,
    ReplyTooLarge,
    ServerFailed,
    TimedOut,
    Unavailable,
)
from tests.faults.fault import RIGHT, Fault
from tests.faults.server import close, pour, reply, reply_then, shaped, stay_silent
from tests.scripted import response

_OK = b"HTTP/1.1 200 OK\r\n"
_SIX_HOURS = 6 * 60 * 60
_HTML = "<html><h1>An error occurred</h1>The page is not available.</html>"
WRONG = b'{"outputs": [[99.0, -99.0]]}'


def _headed(*lines: bytes):
    """The right body under these header lines, and its length."""

    def shape(body: bytes) -> bytes:
        length = b"Content-Length: %d" % len(body)
        return b"\r\n".join([*lines, length, b"", body])

    return shape


def _chunks(body: bytes, size: int, extension: bytes = b"", trailer: bytes = b"") -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    chunks = b"".join(b"%x%b\r\n%b\r\n" % (len(p), extension, p) for p in pieces)
    return _OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n" + trailer + b"\r\n"


def _right(name: str, shape, last=None, **options) -> Fault:
    return Fault(name, shaped(shape, last), RIGHT, **options)


ODD = [
    _right("no Content-Length", lambda body: _OK + b"\r\n" + body, close, tls=True),
    _right("HTTP/1.0", lambda body: b"HTTP/1.0 200 OK\r\n\r\n" + body, close),
    _right("HTTP/1.0 with a length", _headed(b"HTTP/1.0 200 OK"), close),
    _right("Connection: close", _headed(b"HTTP/1.1 200 OK", b"Connection: close"), close, tls=True),
    _right("says close and stays", _headed(b"HTTP/1.1 200 OK", b"Connection: close"), stay_silent),
    _right("says keep-alive and closes", _headed(b"HTTP/1.1 200 OK"), close, tls=True),
    _right("chunked", lambda body: _chunks(body, 7), tls=True),
    _right("chunks of one byte", lambda body: _chunks(body, 1)),
    _right("chunks with extensions", lambda body: _chunks(body, 5, b";a=b")),
    _right("chunks with trailers", lambda body: _chunks(body, 5, trailer=b"X: y\r\n")),
    _right("100 Continue", lambda body: b"HTTP/1.1 100 Continue\r\n\r\n" + response(200, body)),
    _right("three 100 Continue", lambda body: b"HTTP/1.1 100 C\r\n\r\n" * 3 + response(200, body)),
    _right("more than announced", lambda body: response(200, body) + b"rest", tls=True),
    _right("a wrong answer behind", lambda body: response(200, body) + response(200, WRONG),
           tls=True),
    _right("space behind the body", lambda body: response(200, body + b"\r\n \t")),
    _right("a byte order mark", lambda body: response(200, b"\xef\xbb\xbf" + body)),
    _right("line ends without CR", lambda body: response(200, body).replace(b"\r\n", b"\n")),
    _right("invalid header bytes", _headed(b"HTTP/1.1 200 OK", b"X: \xff\xfe\x00\x01")),
    _right("a reason that is no ASCII", _headed(b"HTTP/1.1 200 \xc3\xa9\xff")),
    _right("no reason", _headed(b"HTTP/1.1 200")),
    _right("a folded header", _headed(b"HTTP/1.1 200 OK", b"X: a", b"  b")),
    _right("a header of 60 kB", _headed(b"HTTP/1.1 200 OK", b"X: " + b"x" * 60_000)),
    _right("99 headers", _headed(b"HTTP/1.1 200 OK", *[b"X: x"] * 97)),
    _right("another content type", _headed(b"HTTP/1.1 200 OK", b"Content-Type: text/html; x=\xff")),
    _right("identity coding", _headed(b"HTTP/1.1 200 OK", b"Content-Encoding: identity")),
]  # fmt: skip


def _foreign(name: str, act, **options) -> Fault:
    return Fault(name, act, (NotTensorFlowServing,), **options)


def _length_is(length: bytes):
    return lambda body: _OK + b"Content-Length: " + length + b"\r\n\r\n" + body


BROKEN = [
    _foreign("a length that is too short", shaped(lambda body: response(200, body).replace(
             b"Length: ", b"Length: 1\r\nX: ")), tls=True),
    Fault("a length that is too long", shaped(_length_is(b"99999"), close), (ConnectionLost,),
          tls=True),
    Fault("a length that is too long, and waits", shaped(_length_is(b"99999"), stay_silent),
          (TimedOut,), timeout=0.3),
    _foreign("a length of 0", reply(response(200, ""))),
    _foreign("a header line of 1 MB", reply_then(_OK + b"X: " + b"x" * 2**20, close), tls=True),
    _foreign("a status line of 1 MB", reply_then(b"HTTP/1.1 200 " + b"x" * 2**20, close)),
    _foreign("an endless header line", pour(_OK + b"X: ", b"x" * 65536)),
    _foreign("1000 headers", reply_then(_OK + b"X: x\r\n" * 1000 + b"\r\n{}", close)),
    _foreign("a header without a colon", shaped(_headed(b"HTTP/1.1 200 OK", b"colonless"), close)),
    _foreign("invalid bytes in a header's name", shaped(_headed(b"HTTP/1.1 200 OK", b"\xe9: y"))),
    _foreign("no status line", reply_then(b"<html>hello</html>\r\n", close)),
    _foreign("SSH", reply_then(b"SSH-2.0-OpenSSH_9.2\r\n", close), at_accept=True),
    _foreign("gRPC", reply_then(b"\0\0\x18\x04\0\0\0\0\0\0\x04\0\x3f\xff\xff", close)),
    _foreign("binary noise", reply_then(bytes(range(256)) * 300, close)),
    _foreign("HTTP/3.0", reply_then(b"HTTP/3.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", close)),
    _foreign("status abc", reply_then(b"HTTP/1.1 abc OK\r\n\r\n", close)),
    _foreign("status 99", reply_then(b"HTTP/1.1 99 OK\r\n\r\n", close)),
    _foreign("status 1000", reply_then(b"HTTP/1.1 1000 OK\r\n\r\n", close)),
    _foreign("101", reply(response(101, "", length=False))),
    _foreign("102", reply(response(102, "", length=False))),
    _foreign("103, then the answer", shaped(
             lambda body: response(103, "", length=False) + response(200, body))),
    Fault("a chunk size that is none", reply_then(
          _OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}", close), (NotTensorFlowServing,)),
    Fault("a negative chunk size", reply_then(
          _OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n{}", close),
          (NotTensorFlowServing,)),
]  # fmt: skip

_BOMB = zlib.compressobj(wbits=31)
_BOMB_HEAD = _BOMB.compress(b"[" + b" " * 2**24)


def _coded(coding: str, body: bytes) -> bytes:
    return response(200, body, f"Content-Encoding: {coding}")


COMPRESSED = [
    _right("gzip", lambda body: _coded("gzip", gzip.compress(body)), tls=True),
    _foreign("gzip cut short", shaped(lambda body: _coded("gzip", gzip.compress(body)[:-9]))),
    _foreign("gzip twice", shaped(lambda body: _coded("gzip", gzip.compress(body) * 2))),
    Fault("gzip that inflates to 100 MB", reply(_coded("gzip", gzip.compress(bytes(10**8)))),
          (ReplyTooLarge,)),
    _foreign("broken gzip", reply(_coded("gzip", b"\x1f\x8b\x08nothing"))),
    _foreign("broken gzip that is not announced", reply(response(200, b"\x1f\x8b\x08nothing"))),
    Fault("gzip without end", pour(
          _OK + b"Content-Encoding: gzip\r\n\r\n" + _BOMB_HEAD, _BOMB_HEAD), (ReplyTooLarge,),
          heavy=True),
    _foreign("deflate, br and more", reply(_coded("deflate, br, zstd", b"x"))),
    _foreign("chunked gzip as transfer coding", shaped(lambda body: _OK
             + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + gzip.compress(body), close)),
]  # fmt: skip


def _error(status: int, words: str = "", *headers: str) -> bytes:
    return response(status, '{"error": "%s"}' % words, *headers)  # noqa: UP031


def _status(name: str, kind, data: bytes, **options) -> Fault:
    return Fault(name, reply(data), (kind,), **options)


_NOT_FOUND = "Servable not found for request: Latest(m)"
_LOADING = "Could not find any versions of model m"
_PAST, _AHEAD = formatdate(0, usegmt=True), formatdate(4e9, usegmt=True)


def _later(status: int, value: str) -> bytes:
    return _error(status, "later", f"Retry-After: {value}")


STATUSES = [
    *(_status(f"{code} elsewhere", RedirectRefused,
              response(code, "", "Location: http://elsewhere.example/v1")) for code in
      (301, 302, 307, 308)),
    _status("301 to nowhere", RedirectRefused, response(301, "")),
    _status("304", RedirectRefused, response(304, "", length=False)),
    _status("400", BadRequest, _error(400, "no")),
    _status("401", AccessDenied, _error(401, "who")),
    _status("401 with HTML", AccessDenied, response(401, _HTML, "WWW-Authenticate: Basic")),
    _status("403", AccessDenied, _error(403, "no")),
    _status("403 with HTML", AccessDenied, response(403, _HTML)),
    _status("404 while loading", ModelNotFound, _error(404, _LOADING)),
    _status("404 for good", ModelNotFound, _error(404, _NOT_FOUND)),
    _status("404 with HTML", NotTensorFlowServing, response(404, _HTML)),
    _status("405 with HTML", NotTensorFlowServing, response(405, _HTML)),
    _status("407 of a proxy", AccessDenied, response(407, _HTML)),
    _status("408", TimedOut, response(408, "")),
    _status("413", BadRequest, response(413, _HTML)),
    _status("418 with JSON", BadRequest, _error(418, "teapot")),
    _status("429", Overloaded, _error(429, "busy")),
    _status("500", ServerFailed, _error(500, "broke")),
    _status("500 with an empty body", ServerFailed, response(500, "")),
    _status("500 nested 100,000 deep", ServerFailed, response(500, "[" * 100_000)),
    _status("501", ServerFailed, response(501, _HTML)),
    _status("502 with HTML", ServerFailed, response(502, _HTML)),
    _status("503", Unavailable, _error(503, "loading")),
    _status("503 with HTML", Unavailable, response(503, _HTML)),
    _status("504", TimedOut, _error(504, "Timed out")),
    _status("504 with HTML", TimedOut, response(504, _HTML)),
    _status("599", ServerFailed, response(599, "")),
    _status("999", ServerFailed, response(999, "")),
    _status("204", NotTensorFlowServing, response(204, "", length=False)),
    _status("206", NotTensorFlowServing, response(206, '{"outputs": [[1.0, 2.0]]}')),
]  # fmt: skip

RETRY_AFTER = [
    *(_status(f"{status}, Retry-After {name}", kind, _later(status, value))
      for status, kind in ((429, Overloaded), (503, Unavailable))
      for name, value in (
          ("0", "0"), ("a date in the past", _PAST), ("nonsense", "soon"), ("-5", "-5"),
          ("a date that is none", "Mon, 99 Foo 2026 25:61:61 GMT"), ("nothing", ""))),
    *(_status(f"{status}, Retry-After {name}", kind, _later(status, value), passing=(kind,),
              at_once=True)
      for status, kind in ((429, Overloaded), (503, Unavailable))
      for name, value in (
          ("6 hours", str(_SIX_HOURS)), ("a date far ahead", _AHEAD), ("endless", "9" * 400))),
    _status("429, Retry-After 1 s", Overloaded, _later(429, "1"), heavy=True),
]  # fmt: skip

FAULTS = [*ODD, *BROKEN, *COMPRESSED, *STATUSES, *RETRY_AFTER]
