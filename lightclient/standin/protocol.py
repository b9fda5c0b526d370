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

from lightclient.standin.jsontext import members, quoted
from lightclient.standin.metadata import definitions_of, metadata_text, status_text
from lightclient.standin.models import ServedModel
from lightclient.standin.modelspec import GET, POST, ModelSpec, number_of
from lightclient.standin.prediction import predict, refuse
from lightclient.standin.status import HTTP_STATUS, StatusError

LOG = logging.getLogger("lightclient.standin")
REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    413: "Request Entity Too Large",
    417: "Expectation Failed",
    429: "Too Many Requests",
    499: "Client Closed Request",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
INFLATED_BYTES = 100 * 1024 * 1024  # kMaxUncompressedBytes in util/net_http/compression/gzip_zlib.h
_METHODS = ("GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH")
_URI = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?#-]|%[0-9A-Fa-f]{2})*")
_AUTHORITY = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^/?#]*")


@dataclass(frozen=True)
class Request:
    """`target` as it stood in the request line; the headers' names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """`close`: whether the connection must end after it."""

    status: int
    content_type: str
    body: bytes
    close: bool = False


def respond(models: Mapping[str, ServedModel], request: Request) -> Answer:
    """The answer to any request. Raises nothing: what goes wrong in here is logged and answered."""
    if request.method not in _METHODS:
        return html(501)
    if not _URI.fullmatch(request.target):
        return html(400)
    path = _AUTHORITY.sub("", request.target, count=1)
    if not path.lower().startswith("/v1/"):
        return html(404)
    if request.method == "OPTIONS":
        status = 200 if re.search("https?://", request.headers.get("origin", "")) else 400
        return Answer(status, "text/html; charset=ISO-8859-1", b"")
    return _guarded(models, request, path)


def html(status: int) -> Answer:
    """The error page of libevent itself, after which it closes the connection."""
    page = (
        f"<HTML><HEAD>\n<TITLE>{status} {REASONS[status]}</TITLE>\n</HEAD><BODY>\n"
        f"<H1>{REASONS[status]}</H1>\n</BODY></HTML>\n"
    )
    return Answer(status, "text/html", page.encode(), close=True)


def _guarded(models: Mapping[str, ServedModel], request: Request, path: str) -> Answer:
    try:
        return _json(200, _dispatch(models, request, path))
    except StatusError as error:
        return _error(HTTP_STATUS[error.code], error.message)
    except Exception as error:  # noqa: BLE001  a failing model must not cut the connection
        _log(error)
        return _error(500, f"{type(error).__name__}: {error}")


def _log(error: Exception) -> None:
    """What failed and where; the message stays out, since it may quote the request."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    LOG.error("%s in %s, line %s", type(error).__name__, place.filename, place.lineno)


def _json(status: int, text: str) -> Answer:
    return Answer(status, "application/json", text.encode(errors="surrogateescape"))


def _error(status: int, message: str) -> Answer:
    return _json(status, members([("error", quoted(message))], 0) if message else "")


def _dispatch(models: Mapping[str, ServedModel], request: Request, path: str) -> str:
    if request.method == "POST" and (found := POST.fullmatch(path)):
        spec = ModelSpec.of(found)
        if found[4] == "predict":
            return predict(models, spec, _body(request))
        if found[4] in ("classify", "regress"):
            refuse(models, spec, _body(request), found[4])
    if request.method == "GET" and (found := GET.fullmatch(path)):
        spec = ModelSpec.of(found)
        if not spec.name:
            raise StatusError("Missing model name in request.")
        return _metadata(models, spec) if found[4] == "metadata" else _status(models, spec)
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


def _status(models: Mapping[str, ServedModel], spec: ModelSpec) -> str:
    states = models[spec.name].states() if spec.name in models else {}
    if spec.version is not None and spec.version not in states:
        message = f"Could not find version {spec.version} of model {spec.name}"
        raise StatusError(message, code="NOT_FOUND")
    if not states:
        message = f"Could not find any versions of model {spec.name}"
        raise StatusError(message, code="NOT_FOUND")
    return status_text(states if spec.version is None else {spec.version: states[spec.version]})


def _metadata(models: Mapping[str, ServedModel], spec: ModelSpec) -> str:
    version = number_of(models, spec)
    model = models[spec.name]
    definitions = model.definitions.get(version) or definitions_of(model.versions[version])
    return metadata_text(spec.name, version, definitions)
