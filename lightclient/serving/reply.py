"""The reply to a predict request, read as logits."""

import json
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from lightclient.errors import NotTensorFlowServing, ReplyError
from lightclient.http.transport import Reply
from lightclient.messages import printable
from lightclient.serving.refusal import raise_for_status

if TYPE_CHECKING:
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float32]"
_NUMBERS = frozenset({float, int})
_HUGE = 1e300


def read_logits(reply: Reply, rows: int, labels: int, output: str | None = None) -> Floats:
    """Read the logits of a predict reply.

    Args:
        reply: the server's answer.
        rows: how many texts were sent.
        labels: how many logits each must have.
        output: the output's name, where the model has several.

    Returns:
        float32 of shape [rows, labels], all finite.

    Raises:
        ServerError, TimedOut: the server answered with an error; see `raise_for_status`.
        ReplyError: the answer is not the logits of these rows.
        NotTensorFlowServing: it is not an answer of this protocol.
    """
    raise_for_status(reply)
    found = _tensor(reply, _predictions(reply), output)
    _check_shape(reply, found, rows, labels)
    return _finite(reply, found)


def _finite(reply: Reply, rows: list[list[float]]) -> Floats:
    logits = _float32(rows)
    if not np.isfinite(logits).all():
        at, label = np.argwhere(~np.isfinite(logits))[0].tolist()
        raise ReplyError(
            f"{reply.url} answered {logits[at, label]} as logit {label} of row {at}: that is no "
            "finite number, so no score can be made; the model's weights or its arithmetic "
            "(float16?) are broken",
            url=reply.url,
        )
    return logits


def _float32(rows: list[list[float]]) -> Floats:
    """The numbers rounded to float32; what is beyond it becomes infinite."""
    with np.errstate(all="ignore"):
        try:
            return np.array(rows, dtype=np.float32)
        except OverflowError:  # a whole number beyond float64
            bounded = [[min(max(value, -_HUGE), _HUGE) for value in row] for row in rows]
            return np.array(bounded, dtype=np.float32)


def _predictions(reply: Reply) -> Any:
    """`predictions` of a row answer, `outputs` of a columnar one (g3doc/api_rest.md)."""
    try:
        answer = json.loads(reply.body)
    except (ValueError, RecursionError) as error:
        raise NotTensorFlowServing(
            f"{reply.url} answered {reply.status} with {len(reply.body)} bytes that are no JSON: "
            "is it TensorFlow Serving's REST port (8501), and no proxy in the way?",
            url=reply.url,
            status=reply.status,
        ) from error
    if isinstance(answer, dict):
        for key in ("outputs", "predictions"):
            if key in answer:
                return answer[key]
    raise NotTensorFlowServing(
        f"{reply.url} answered 200 without 'outputs' or 'predictions': is it TensorFlow Serving?",
        url=reply.url,
        status=reply.status,
    )


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
    """A list of numbers. Strings and booleans are none, though numpy would convert them."""
    return isinstance(row, list) and len(row) == labels and _NUMBERS.issuperset(map(type, row))


def _describe(row: Any) -> str:
    if not isinstance(row, list):
        return f"a {type(row).__name__}"
    kinds = sorted({type(value).__name__ for value in row} - {"float", "int"})
    return f"{len(row)} values" + (f" ({', '.join(kinds)} among them)" if kinds else "")
