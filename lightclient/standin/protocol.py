"""One request in, one answer out: the whole REST API, without a socket.

Sources: tensorflow_serving/model_servers/http_server.cc, http_rest_api_handler.cc and
http_rest_api_util.cc; for what never gets that far, libevent's http.c and
tensorflow_serving/util/net_http.
"""

import logging
import re
import traceback
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from lightclient.standin.jsontext import read, written
from lightclient.standin.metadata import metadata_of, status_of
from lightclient.standin.models import ServedModel
from lightclient.standin.modelspec import GET, POST, ModelSpec, number_of
from lightclient.standin.prediction import predict
from lightclient.standin.status import HTTP_STATUS, StatusError

LOG = logging.getLogger("lightclient.standin")
REASONS = {status.value: status.phrase for status in HTTPStatus}
REASONS |= {413: "Request Entity Too Large", 499: "Client Closed Request"}
INFLATED_BYTES = 100 * 1024 * 1024  # kMaxUncompressedBytes in util/net_http/compression/gzip_zlib.h
_METHODS = ("GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH")
_URI = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?#-]|%[0-9A-Fa-f]{2})*")
_AUTHORITY = re.compile(r"https?://[^/?#]*", re.IGNORECASE)


@dataclass(frozen=True)
class Request:
    """`target` as it stood in the request line; the headers' names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    minor: int = 1  # HTTP/1.1 or 1.0

    @property
    def keep_alive(self) -> bool:
        """Whether the client wants to send another request."""
        wish = self.headers.get("connection", "").lower()
        return wish != "close" if self.minor else wish == "keep-alive"


@dataclass(frozen=True)
class Answer:
    """`close`: whether the connection must end after it."""

    status: int
    content_type: str
    body: bytes
    close: bool = False


def respond(models: Mapping[str, ServedModel], request: Request) -> Answer:
    """Answer any request. Nothing is raised: what goes wrong here is logged and answered."""
    if request.method not in _METHODS:
        return html(501)
    if not _URI.fullmatch(request.target):
        return html(400)
    # What comes through a proxy may name the host, too.
    path = _AUTHORITY.sub("", request.target, count=1)
    if not path.lower().startswith("/v1/"):
        return html(404)
    try:
        return _json(200, _dispatch(models, request, path))
    except StatusError as error:
        return _json(HTTP_STATUS[error.code], {"error": error.message})
    except Exception as error:  # noqa: BLE001  a failing model must not cut the connection
        kind, place = type(error).__name__, traceback.extract_tb(error.__traceback__)[-1]
        # The log gets no message, since that may quote the request.
        LOG.error("%s in %s, line %s", kind, place.filename, place.lineno)  # noqa: TRY400
        return _json(500, {"error": f"{kind}: {error}"})


def html(status: int) -> Answer:
    """The error page of libevent itself, after which it closes the connection."""
    page = (
        f"<HTML><HEAD>\n<TITLE>{status} {REASONS[status]}</TITLE>\n</HEAD><BODY>\n"
        f"<H1>{REASONS[status]}</H1>\n</BODY></HTML>\n"
    )
    return Answer(status, "text/html", page.encode(), close=True)


def _json(status: int, value: object) -> Answer:
    return Answer(status, "application/json", written(value))


def _dispatch(models: Mapping[str, ServedModel], request: Request, path: str) -> object:
    if request.method == "POST" and (found := POST.fullmatch(path)):
        spec, document = ModelSpec.of(found), read(_body(request))
        version = number_of(models, spec)
        return predict(models[spec.name].versions[version], document)
    if request.method == "GET" and (found := GET.fullmatch(path)):
        spec = ModelSpec.of(found)
        if not spec.name:
            raise StatusError("Missing model name in request.")
        return metadata_of(models, spec) if found[4] else status_of(models, spec)
    raise StatusError(f"Malformed request: {request.method} {path}")


def _body(request: Request) -> bytes:
    """The body, inflated if it says so; nothing at all if that fails.

    Source: tensorflow_serving/util/net_http/server/internal/evhttp_request.cc.
    """
    if "gzip" not in request.headers.get("content-encoding", ""):
        return request.body
    inflater = zlib.decompressobj(wbits=31)
    try:
        body = inflater.decompress(request.body, INFLATED_BYTES)
    except zlib.error:
        return b""
    return body if inflater.eof and not inflater.unused_data else b""
