"""Answers with an error status, turned into errors that say what to do.

The statuses and messages are those of TensorFlow Serving (model_servers/http_server.cc) and of the
proxies in front of it.
"""

import json
import re

from lightclient.errors import (
    AccessDenied,
    BadRequest,
    LightClientError,
    ModelNotFound,
    NotTensorFlowServing,
    Overloaded,
    ServerFailed,
    SignatureNotFound,
    TimedOut,
    Unavailable,
)
from lightclient.http.transport import Reply
from lightclient.messages import printable

# What an answer means: its error, and what to do about it.
_Cause = tuple[type[LightClientError], str]
_TOO_LARGE = (
    "The request is too large for the server or a proxy: send fewer texts in one list, or give "
    "them to classify_many."
)
_BY_STATUS: dict[int, _Cause] = {
    401: (AccessDenied, "Pass token= or headers=, or set LIGHTCLIENT_TOKEN."),
    403: (AccessDenied, "These credentials may not use this model; pass others by token=."),
    404: (
        ModelNotFound,
        "Check the model's name and version in the URL, and that the server has loaded it: "
        "its status is at GET /v1/models/NAME, and `lightclient check` walks through.",
    ),
    407: (AccessDenied, "The proxy wants credentials: HTTP_PROXY=http://USER:PASSWORD@HOST:PORT."),
    408: (TimedOut, "The server gave up waiting; try again, or send fewer texts at once."),
    413: (BadRequest, _TOO_LARGE),
    429: (Overloaded, "The server has too much to do; send less at once, or add servers."),
    503: (Unavailable, "The server is not ready: is the model still loading? Try again later."),
    504: (
        TimedOut,
        "The server's own time limit passed (--rest_api_timeout_in_ms); send fewer or shorter "
        "texts at once, or raise it.",
    ),
}
# Proxies answer with these too, and without the JSON error of TensorFlow Serving.
_OF_PROXIES = _BY_STATUS.keys() - {404}
# A server that batches requests says so (batching/batching_session.cc).
_MIXED_LENGTHS = "padding is turned off"
_BY_WORDS_OF_400: dict[str, _Cause] = {
    "version label": (
        ModelNotFound,
        "Check the label in the URL; labels are set in the server's model config file.",
    ),
    "not found in signature def": (
        SignatureNotFound,
        "`lightclient check` shows the signatures there are; pass one as signature=.",
    ),
    _MIXED_LENGTHS: (
        BadRequest,
        "The server batches requests of different lengths: pass pad_to=N, one length for all.",
    ),
    "payload size exceeds": (BadRequest, _TOO_LARGE),  # Google's words
    "Incompatible shapes": (
        BadRequest,
        "The model takes another length: leave signature= out, so that the client asks for it.",
    ),
}


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
        raise NotTensorFlowServing(
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
        **({"retry_after": reply.retry_after} if kind in (Overloaded, Unavailable) else {}),
    )


def refuses_lengths(error: BadRequest) -> bool:
    """Whether the server batches requests, and refused different lengths in one batch."""
    return _MIXED_LENGTHS in error.server_message


def _server_message(reply: Reply) -> str | None:
    """The text of `{"error": text}`; None if the body is something else.

    Vertex AI writes `{"error": {"message": text}}`, and SageMaker `{"message": text}`.
    """
    try:
        answer = json.loads(reply.body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(answer, dict):
        return None
    message = answer.get("error") or answer.get("Message") or answer.get("message")
    if isinstance(message, dict):
        message = message.get("message")
    return message if isinstance(message, str) else None


def _cause(status: int, message: str) -> _Cause:
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:
        return ServerFailed, "The server failed; its log tells why."
    for words, cause in _BY_WORDS_OF_400.items():
        if words in message:
            return cause
    return BadRequest, "Does the served model fit this bundle? `lightclient check` tells."


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


def _without_ids(message: str) -> str:
    # Cut first: the patterns take long over a message of megabytes, and its end is not shown.
    return printable(_LISTS.sub("[…]", _QUOTED.sub(r"\1…", message[:_LONGEST])))
