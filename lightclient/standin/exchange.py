"""HTTP/1.1 on one connection, as the standard library reads it: requests in, answers out."""

import json
import socket
import time
import zlib
from email.errors import FirstHeaderLineIsContinuationDefect, MissingHeaderBodySeparatorDefect
from http.server import BaseHTTPRequestHandler
from io import BufferedReader

from lightclient.standin.connections import Connections

BODY_BYTES = 64 * 1024 * 1024
INFLATED_BYTES = 100 * 1024 * 1024  # kMaxUncompressedBytes in util/net_http/compression/gzip_zlib.h
LINGER_SECONDS = 2.0  # how long the rest of a refused request is read
_LINE_BYTES = 1024  # between chunks
# What stands in a line that is no header, and after it, the library leaves out.
_LOST = (FirstHeaderLineIsContinuationDefect, MissingHeaderBodySeparatorDefect)


class Exchange(BaseHTTPRequestHandler):
    """Answers the requests of a connection one after the other."""

    server: Connections
    rfile: BufferedReader
    timeout = 60.0  # seconds for which the client may neither send nor take a byte
    # Without this, an answer may wait until the client has confirmed the one before it.
    disable_nagle_algorithm = True
    # A request that cannot be read counts as the default. With the library's, which is HTTP/0.9,
    # its answer would have no head.
    protocol_version = default_request_version = "HTTP/1.1"
    # The page of libevent, which the real server is built on.
    error_content_type = "text/html"
    error_message_format = (
        "<HTML><HEAD>\n<TITLE>%(code)d %(message)s</TITLE>\n</HEAD><BODY>\n"
        "<H1>%(message)s</H1>\n</BODY></HTML>\n"
    )

    def handle(self) -> None:
        """Answer until one side wants no more, or for `timeout`."""
        self.handle_one_request()
        while not self.close_connection:
            with self.server.idle(self.connection):
                self.rfile.peek(1)
            self.handle_one_request()

    def _answer(self) -> None:
        try:
            body = self._read_body()
        except (ValueError, OverflowError) as error:
            self.send_error(400 if isinstance(error, ValueError) else 413)
            return
        path = self.requestline.split()[1]  # in `self.path`, a // at the start is a /
        if path.lower().startswith("/v1/"):
            status, value = self.server.respond(self.command, path, body)
            self._send(status, json.dumps(value, indent=4).encode())
        else:
            self.send_error(404)

    # Any other method is refused with 501, as by libevent.
    do_GET = do_POST = do_HEAD = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = _answer  # noqa: N815

    def _send(self, status: int, content: bytes) -> None:
        self.protocol_version = self.request_version  # HTTP/1.0 is answered in kind
        self.send_response(status)
        del self.protocol_version  # or the next request, too, would be taken for one of HTTP/1.0
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        elif self.request_version == "HTTP/1.0":  # else the client waits for the end
            self.send_header("Connection", "keep-alive")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer with a page, and end the connection."""
        super().send_error(code)  # without words of its own, since they may quote the request
        # Closing with unread bytes would reset the connection, and the page could be lost.
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(LINGER_SECONDS)
        end = time.monotonic() + LINGER_SECONDS
        while time.monotonic() < end and self.connection.recv(65536):
            pass

    def version_string(self) -> str:
        """Name the server."""
        return "lightclient-standin"

    def log_message(self, *_: object) -> None:
        """Log nothing: a line for each request would bury what a test prints."""

    def _read_body(self) -> bytes:
        """Read the body, inflated if it says so; nothing at all if that fails.

        Raises ValueError for what is no length or no header, OverflowError for too large a body,
        and EOFError if the client leaves before its end. Source of the rule on what cannot be
        inflated: tensorflow_serving/util/net_http/server/internal/evhttp_request.cc.
        """
        if any(isinstance(defect, _LOST) for defect in self.headers.defects):
            raise ValueError
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = self._read_chunks()
        else:
            body = self._read(int(self.headers.get("Content-Length", "0")))
        if "gzip" not in self.headers.get("Content-Encoding", ""):
            return body
        inflater = zlib.decompressobj(wbits=31)
        try:
            body = inflater.decompress(body, INFLATED_BYTES)
        except zlib.error:
            return b""
        return body if inflater.eof and not inflater.unused_data else b""

    def _read_chunks(self) -> bytes:
        body = bytearray()
        while size := int(self.rfile.readline(_LINE_BYTES).partition(b";")[0], 16):
            body += self._read(size, len(body))
            self.rfile.read(2)  # the end of the line; if it is not, no size follows
        while self.rfile.readline(_LINE_BYTES).strip():
            pass  # trailers, which nothing here looks at
        return bytes(body)

    def _read(self, size: int, before: int = 0) -> bytes:
        if size < 0:
            raise ValueError
        if before + size > BODY_BYTES:
            raise OverflowError
        data = self.rfile.read(size)
        if len(data) < size:
            raise EOFError
        return data
