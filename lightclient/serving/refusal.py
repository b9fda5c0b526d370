"""Answers of the server: their JSON, or the error that they mean and what to do about it.

The statuses and messages are those of TensorFlow Serving (model_servers/http_server.cc) and of the
proxies in front of it.
"""

import json
import re
from codecs import BOM_UTF8
from typing import Any

from lightclient import errors
from lightclient.http.transport import Reply
from lightclient.messages import printable

# Whole numbers are read as floats. They mean the same where logits are expected, and Python would
# refuse those of very many digits.
_DECODER = json.JSONDecoder(parse_int=float)
# `lightclient check` leaves this sentence out.
SEE_CHECK = " `lightclient check` tells more."
# A server that batches requests says so (batching/batching_session.cc).
_MIXED_LENGTHS = "padding is turned off"
_TOO_MANY_ROWS = re.compile(r"is larger than maximum input batch size ([0-9]{1,9})\b")
_TOO_LARGE = (
    "The request is too large for the server or a proxy: send fewer texts in one list, or give "
    "them to classify_many."
)
# What an answer means, by its status, or by words in the message of any other: the error, and what
# to do about it.
_CAUSES: dict[int | str, tuple[type[errors.LightClientError], str]] = {
    401: (errors.AccessDenied,
          "Pass token= or headers=, or set LIGHTCLIENT_TOKEN; one that was sent may be too old."),
    403: (errors.AccessDenied, "These credentials may not use this model; pass others by token=."),
    404: (errors.ModelNotFound,
          "Check the model's name and version in the URL, and that the server has loaded it: its "
          "status is at GET /v1/models/NAME." + SEE_CHECK),
    407: (errors.AccessDenied,
          "The proxy wants credentials: HTTP_PROXY=http://USER:PASSWORD@HOST:PORT."),
    408: (errors.TimedOut, "The server gave up waiting; try again, or send fewer texts at once."),
    413: (errors.BadRequest, _TOO_LARGE),
    429: (errors.Overloaded, "The server has too much to do; send less at once, or add servers."),
    503: (errors.Unavailable, "Is the server still loading the model? Try again later."),
    504: (errors.TimedOut,
          "The server's own time limit passed (--rest_api_timeout_in_ms); send fewer or shorter "
          "texts at once, or raise it."),
    "version label": (errors.ModelNotFound,
                      "Check the URL's label; labels are set in the server's model config file."),
    "not found in signature def": (errors.SignatureNotFound,
                                   "Pass a signature of the model as signature=." + SEE_CHECK),
    _MIXED_LENGTHS: (errors.BadRequest,
                     "The server batches requests: pass pad_to=N, one length for all."),
    "payload size exceeds": (errors.BadRequest, _TOO_LARGE),  # Google's words
    "Incompatible shapes": (errors.BadRequest,
                            "The model takes another length: leave signature= out, to ask for it."),
    "": (errors.BadRequest, "Does the served model fit this bundle?" + SEE_CHECK),
}  # fmt: skip
# Proxies answer with these too, and with 500 and above, without TensorFlow Serving's JSON.
_OF_PROXIES = (401, 403, 407, 408, 413, 429)
# The server quotes the request, and so the token ids of somebody's text, behind these words.
_QUOTED = re.compile(r"(JSON (?:Value|object): )(\{.*\}|\[.*\]|[\[{].*|\"[^\"]*\"|\S+)", re.DOTALL)
# A proxy may quote it anywhere. These lists are ids: a list of lists, one behind an input's name,
# and one that is too long to be a tensor's shape.
_LISTS = re.compile(
    r"\[\s*\[\s*\d[\d\s,\[\]]*"
    r"|(?<=[\"']:)\s*\[[\d\s,\]]*"
    r"|\[\s*\d+(?:\s*,\s*\d+){4,}[\s,\]]*"
)
_LONGEST = 4096


def read_json(reply: Reply) -> dict[str, Any]:
    """Read the JSON object of an answer, in which every number is a float.

    Raises:
        ServerError: the status is not 200; the class says what it means.
        TimedOut: the server's own time limit passed.
        NotTensorFlowServing: it is not an answer of this protocol.
    """
    try:
        answer = _DECODER.decode(reply.body.removeprefix(BOM_UTF8).decode())
    except (ValueError, RecursionError):
        answer = None
    if reply.status != 200:
        raise _refusal(reply, _message(answer))
    if not isinstance(answer, dict):
        raise foreign(reply, f"with {len(reply.body)} bytes that are no JSON object")
    return answer


def _message(answer: object) -> object:
    """The server's words in `{"error": text}`."""
    if not isinstance(answer, dict):
        return None
    # Vertex AI writes {"error": {"message": text}}, and SageMaker {"message": text}.
    message = answer.get("error") or answer.get("Message") or answer.get("message")
    return message.get("message") if isinstance(message, dict) else message


def foreign(reply: Reply, what: str) -> errors.NotTensorFlowServing:
    """The error for an answer of something else, which came with `what`."""
    words = (
        f"{reply.url} answered {reply.status} {what}: is it TensorFlow Serving's REST port (8501, "
        "not 8500), is the path right, and is no proxy in the way?"
    )
    return errors.NotTensorFlowServing(words, url=reply.url, status=reply.status)


def _refusal(reply: Reply, message: object) -> errors.LightClientError:
    if not isinstance(message, str):
        # A proxy's own page comes without that JSON, and its status is all that it tells.
        if reply.status not in _OF_PROXIES and reply.status < 500:
            return foreign(reply, "without the JSON error of TensorFlow Serving")
        message = ""
    kind, mend = _cause(reply.status, message)
    said = f": {_without_ids(message)}" if message else ""
    tried = f" (tried {reply.attempts} times)" if reply.attempts > 1 else ""
    return kind(
        f"{reply.url} answered {reply.status}{tried}{said}\n{mend}",
        url=reply.url,
        status=reply.status,
        server_message=message,
        attempts=reply.attempts,
        retry_after=reply.retry_after,
    )


def _cause(status: int, message: str) -> tuple[type[errors.LightClientError], str]:
    if status >= 500 and status not in _CAUSES:
        return errors.ServerFailed, "The server failed; its log tells why."
    # Most refusals have status 400, so that only their words tell them apart; "" is in any.
    words = (known for known in _CAUSES if isinstance(known, str) and known in message)
    return _CAUSES[status if status in _CAUSES else next(words)]


def refuses_lengths(error: errors.BadRequest) -> bool:
    """Whether the server batches requests, and refused different lengths in one batch."""
    return _MIXED_LENGTHS in error.server_message


def row_limit(error: errors.BadRequest) -> int | None:
    """The most rows of one request, where a server that batches requests refused more of them."""
    found = _TOO_MANY_ROWS.search(error.server_message)
    return int(found[1]) if found else None


def _without_ids(message: str) -> str:
    # Cut first: the patterns take long over a message of megabytes, and its end is not shown.
    return printable(_LISTS.sub("[…]", _QUOTED.sub(r"\1…", message[:_LONGEST])))
