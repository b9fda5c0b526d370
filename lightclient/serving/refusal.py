"""Answers of the server: their JSON, or the error that they mean and what to do about it.

The statuses and messages are those of TensorFlow Serving (model_servers/http_server.cc) and of the
proxies in front of it.
"""

import json
import re
from typing import Any

from lightclient import errors
from lightclient.http.transport import Reply
from lightclient.messages import printable

# Whole numbers are read as floats. They mean the same where logits are expected, and Python would
# refuse those of very many digits.
_DECODER = json.JSONDecoder(parse_int=float)
# The command leaves this sentence out, when it is `lightclient check` that meets the error.
SEE_CHECK = " `lightclient check` tells more."
# A server that batches requests says so (batching/batching_session.cc).
_MIXED_LENGTHS = "padding is turned off"
# What an answer means: its status, words in its message, its error, and what to do about it.
_CAUSES = (
    (401, "", errors.AccessDenied, "Pass token= or headers=, or set LIGHTCLIENT_TOKEN."),
    (403, "", errors.AccessDenied,
     "These credentials may not use this model; pass others by token=."),
    (404, "", errors.ModelNotFound,
     "Check the model's name and version in the URL, and that the server has loaded it: its status "
     "is at GET /v1/models/NAME." + SEE_CHECK),
    (407, "", errors.AccessDenied,
     "The proxy wants credentials: HTTP_PROXY=http://USER:PASSWORD@HOST:PORT."),
    (408, "", errors.TimedOut,
     "The server gave up waiting; try again, or send fewer texts at once."),
    (413, "", errors.BadRequest,
     "The request is too large for the server or a proxy; send fewer texts."),
    (429, "", errors.Overloaded,
     "The server has too much to do; send less at once, or add servers."),
    (503, "", errors.Unavailable,
     "The server is not ready: is the model still loading? Try again later."),
    (504, "", errors.TimedOut,
     "The server's own time limit passed (--rest_api_timeout_in_ms); send fewer or shorter texts "
     "at once, or raise it."),
    (None, "version label", errors.ModelNotFound,
     "Check the label in the URL; labels are set in the server's model config file."),
    (None, "not found in signature def", errors.SignatureNotFound,
     "Pass one of the model's signatures as signature=." + SEE_CHECK),
    (None, _MIXED_LENGTHS, errors.BadRequest,
     "The server batches requests of different lengths: pass pad_to=N, one length for all."),
    (None, "Incompatible shapes", errors.BadRequest,
     "The model takes another length: leave signature= out, so that the client asks for it."),
    (None, "", errors.BadRequest, "Does the served model fit this bundle?" + SEE_CHECK),
)  # fmt: skip
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


def read_json(reply: Reply) -> Any:
    """Read the JSON of an answer, in which every number is a float.

    Raises:
        ServerError, TimedOut: the server answered with an error; see `raise_for_status`.
        NotTensorFlowServing: it is not an answer of this protocol.
    """
    raise_for_status(reply)
    try:
        return _DECODER.decode(reply.body.decode())
    except (ValueError, RecursionError) as error:
        raise errors.NotTensorFlowServing(
            f"{reply.url} answered {reply.status} with {len(reply.body)} bytes that are no JSON: "
            "is it TensorFlow Serving's REST port (8501), and no proxy in the way?",
            url=reply.url,
            status=reply.status,
        ) from error


def raise_for_status(reply: Reply) -> None:
    """Raise the error that an answer means, unless its status is 200.

    Raises:
        ServerError: the class says which.
        TimedOut: the server's own time limit passed.
        NotTensorFlowServing: the answer is not one of this protocol.
    """
    if reply.status == 200:
        return
    message = _server_message(reply)
    if message is None and reply.status not in _OF_PROXIES and reply.status < 500:
        raise errors.NotTensorFlowServing(
            f"{reply.url} answered {reply.status} without the JSON error of TensorFlow Serving: is "
            "this its REST port (8501, not 8500), and is the path right?",
            url=reply.url,
            status=reply.status,
        )
    kind, mend = _cause(reply.status, message or "")
    said = f": {_without_ids(message)}" if message else ""
    tried = f" (tried {reply.attempts} times)" if reply.attempts > 1 else ""
    raise kind(
        f"{reply.url} answered {reply.status}{tried}{said}\n{mend}",
        url=reply.url,
        status=reply.status,
        server_message=message or "",
        attempts=reply.attempts,
        retry_after=reply.retry_after,
    )


def refuses_lengths(error: errors.BadRequest) -> bool:
    """Whether the server batches requests, and refused different lengths in one batch."""
    return _MIXED_LENGTHS in error.server_message


def _server_message(reply: Reply) -> str | None:
    """The text of `{"error": text}`; None if the body is something else."""
    try:
        message = json.loads(reply.body)["error"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return message if isinstance(message, str) else None


def _cause(status: int, message: str) -> tuple[type[errors.LightClientError], str]:
    for known, words, kind, mend in _CAUSES:
        if known == status or (known is None and status < 500 and words in message):
            return kind, mend
    return errors.ServerFailed, "The server failed; its log tells why."


def _without_ids(message: str) -> str:
    # Cut first: the patterns take long over a message of megabytes, and its end is not shown.
    return printable(_LISTS.sub("[…]", _QUOTED.sub(r"\1…", message[:_LONGEST])))
