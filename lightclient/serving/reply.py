"""A reply into logits, or into the right error."""

import json
import re
from array import array
from collections.abc import Iterable
from http import HTTPStatus
from math import inf, isfinite
from typing import Any

from lightclient.errors import (
    AccessDenied,
    BadRequest,
    LightClientError,
    ModelNotFound,
    NotTensorFlowServing,
    Overloaded,
    ReplyError,
    ServerFailed,
    SignatureNotFound,
    TimedOut,
    Unavailable,
)
from lightclient.http.transport import Reply
from lightclient.messages import printable

Logits = list[list[float]]
_NUMBERS = frozenset({float, int})


def read_logits(reply: Reply, rows: int, labels: int, output: str | None = None) -> Logits:
    """Read the logits of a predict reply.

    Args:
        reply: the server's answer.
        rows: how many texts were sent.
        labels: how many logits each must have.
        output: the output's name, where the model has several.

    Returns:
        A list a text, of a float for each label, all finite and rounded to float32.

    Raises:
        ServerError: the server answered with an error; the class says which.
        TimedOut: the server's own time limit passed (504).
        ReplyError: the answer is not the logits of these rows.
        NotTensorFlowServing: it is not an answer of this protocol.
    """
    raise_for_status(reply)
    found = _tensor(reply, _predictions(reply), output)
    _check_shape(reply, found, rows, labels)
    return _finite(reply, found)


def float32(values: Iterable[float]) -> list[float]:
    """Round each value to float32; what is beyond it becomes infinite."""
    return array("f", values).tolist()


def _finite(reply: Reply, rows: Logits) -> Logits:
    logits = [_rounded(row) for row in rows]
    for at, row in enumerate(logits):
        if not all(map(isfinite, row)):
            label = next(label for label, value in enumerate(row) if not isfinite(value))
            raise ReplyError(
                f"{reply.url} answered {row[label]} as logit {label} of row {at}: that is no "
                "finite number, so no score can be made; the model's weights or its arithmetic "
                "(float16?) are broken",
                url=reply.url,
            )
    return logits


def _rounded(row: list[float]) -> list[float]:
    try:
        return float32(row)
    except OverflowError:  # a whole number beyond float64
        return [inf] * len(row)


def _predictions(reply: Reply) -> Any:
    """`predictions` of a row answer, `outputs` of a columnar one (g3doc/api_rest.md)."""
    answer = _json(reply)
    if isinstance(answer, dict):
        for key in ("outputs", "predictions"):
            if key in answer:
                return answer[key]
    raise NotTensorFlowServing(
        f"{reply.url} answered 200 without 'outputs' or 'predictions': is it TensorFlow Serving?",
        url=reply.url,
        status=reply.status,
    )


def _json(reply: Reply) -> Any:
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError) as error:
        raise NotTensorFlowServing(
            f"{reply.url} answered {reply.status} with {len(reply.body)} bytes that are no JSON: "
            "is it TensorFlow Serving's REST port (8501), and no proxy in the way?",
            url=reply.url,
            status=reply.status,
        ) from error


def _tensor(reply: Reply, found: Any, output: str | None) -> Any:
    """The one output that holds the logits, as a list of rows."""
    if isinstance(found, dict):
        return found[_output_name(reply, found, output)]
    if isinstance(found, list) and found and all(isinstance(row, dict) for row in found):
        return [row[_output_name(reply, row, output)] for row in found]
    return found


def _output_name(reply: Reply, outputs: dict[str, Any], output: str | None) -> str:
    name = output or "logits"
    if name in outputs:
        return name
    raise ReplyError(
        f"{reply.url} answered with {printable(', '.join(sorted(outputs)))}, and none is {name!r}; "
        "name the one that holds the logits: signature=Signature(output=...)",
        url=reply.url,
    )


def _check_shape(reply: Reply, found: Any, rows: int, labels: int) -> None:
    expected = f"expected {rows} rows of {labels} numbers, one for each label"
    if not isinstance(found, list):
        came = f"a {type(found).__name__}"
    elif len(found) != rows:
        came = f"{len(found)} rows"
    else:
        bad = next((at for at, row in enumerate(found) if not _is_row(row, labels)), None)
        if bad is None:
            return
        came = f"{_describe(found[bad])} in row {bad}"
    raise ReplyError(
        f"{reply.url} answered with {came}; {expected}. Do the bundle's labels (id2label) belong "
        "to the served model, and is this output its logits?",
        url=reply.url,
    )


def _is_row(row: Any, labels: int) -> bool:
    """A list of numbers; neither strings nor booleans, which float32 would take for numbers."""
    return isinstance(row, list) and len(row) == labels and _NUMBERS.issuperset(map(type, row))


def _describe(row: Any) -> str:
    if not isinstance(row, list):
        return f"a {type(row).__name__}"
    kinds = sorted({type(value).__name__ for value in row} - {"float", "int"})
    return f"{len(row)} values" + (f" ({', '.join(kinds)} among them)" if kinds else "")


def raise_for_status(reply: Reply) -> None:
    """Turn an error answer into its error; do nothing for status 200.

    The statuses are those of TensorFlow Serving (model_servers/http_server.cc), and those of the
    proxies that stand before it.

    Raises:
        ServerError, TimedOut, NotTensorFlowServing
    """
    if reply.status == HTTPStatus.OK:
        return
    message = _server_message(reply)
    kind, mend = _kind(reply.status, message)
    if message is None and reply.status not in _TOLD_BY_PROXIES and reply.status < 500:
        raise NotTensorFlowServing(
            f"{reply.url} answered {reply.status} without the JSON error of TensorFlow Serving: is "
            "this its REST port (8501, not 8500), and is the path right?",
            url=reply.url,
            status=reply.status,
        )
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
    """Whether the server batches requests, and refused those of different lengths in a batch."""
    return _MIXED_LENGTHS in error.server_message


def _server_message(reply: Reply) -> str | None:
    """The text of `{"error": text}`; None if the body is something else."""
    try:
        answer = json.loads(reply.body)
    except (ValueError, RecursionError):
        return None
    message = answer.get("error") if isinstance(answer, dict) else None
    return message if isinstance(message, str) else None


_KINDS: dict[int, tuple[type[LightClientError], str]] = {
    401: (AccessDenied, "Pass token= or headers=, or set LIGHTCLIENT_TOKEN."),
    403: (AccessDenied, "These credentials may not use this model; pass others by token=."),
    404: (
        ModelNotFound,
        "Check the model's name and version in the URL, and that the server has loaded it: "
        "its status is at GET /v1/models/NAME, and `lightclient check` walks through.",
    ),
    413: (BadRequest, "The request is too large for the server or a proxy; send fewer texts."),
    408: (TimedOut, "The server gave up waiting; try again, or send fewer texts at once."),
    429: (Overloaded, "The server has too much to do; send less at once, or add servers."),
    503: (Unavailable, "The server is not ready: is the model still loading? Try again later."),
    504: (
        TimedOut,
        "The server's own time limit passed (--rest_api_timeout_in_ms); send fewer or shorter "
        "texts at once, or raise it.",
    ),
}
_TOLD_BY_PROXIES = _KINDS.keys() - {404}
# From a server that batches requests (batching/batching_session.cc).
_MIXED_LENGTHS = "padding is turned off"
_MENDS_OF_400: tuple[tuple[str, type[LightClientError], str], ...] = (
    (
        "version label",
        ModelNotFound,
        "Check the label in the URL; labels are set in the server's model config file.",
    ),
    (
        "not found in signature def",
        SignatureNotFound,
        "`lightclient check` shows the signatures there are; pass one as signature=.",
    ),
    (
        _MIXED_LENGTHS,
        BadRequest,
        "The server batches requests of different lengths: pass pad_to=N, one length for all.",
    ),
    (
        "Incompatible shapes",
        BadRequest,
        "The model takes another length: leave signature= out, so that the client asks for it.",
    ),
)


def _kind(status: int, message: str | None) -> tuple[type[LightClientError], str]:
    if status in _KINDS:
        return _KINDS[status]
    if status >= 500:
        return ServerFailed, "The server failed; its log tells why."
    for words, kind, mend in _MENDS_OF_400:
        if words in (message or ""):
            return kind, mend
    return BadRequest, "Does the served model fit this bundle? `lightclient check` tells."


# The server quotes the request, and so the token ids of somebody's text, behind these words.
_QUOTED = re.compile(r"(JSON (?:Value|object): )(\{.*\}|\[.*\]|[\[{].*|\"[^\"]*\"|\S+)", re.DOTALL)
# A proxy may do so anywhere: a list of lists, of an input's name, or longer than a tensor's shape.
_LISTS = re.compile(
    r"\[\s*\[\s*\d[\d\s,\[\]]*"
    r"|(?<=[\"']:)\s*\[[\d\s,\]]*"
    r"|\[\s*\d+(?:\s*,\s*\d+){4,}[\s,\]]*"
)


def _without_ids(message: str) -> str:
    return printable(_LISTS.sub("[…]", _QUOTED.sub(r"\1…", message)))
