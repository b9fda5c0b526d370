"""The reply to a predict request, read as logits."""

from array import array
from itertools import chain
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from lightclient.errors import ReplyError
from lightclient.http.transport import Reply
from lightclient.messages import printable
from lightclient.serving.refusal import foreign, read_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float32]"


def read_logits(reply: Reply, rows: int, labels: int, output: str | None = None) -> Floats:
    """Read the logits of a predict reply.

    `output`: its name, where the model has several.

    Returns:
        float32 of shape [rows, labels], all finite.

    Raises:
        ReplyError: the answer is not the logits of these rows.
        ServerError, TimedOut, NotTensorFlowServing: as `read_json`.
    """
    found = _tensor(reply, output)
    _check_shape(reply, found, rows, labels)
    # An array rounds as numpy does. Numbers beyond float32 become infinite, without the warning
    # that numpy would have to be kept from.
    values = array("f", list(chain.from_iterable(found)))
    if not isfinite(sum(values)):
        at = next(at for at, value in enumerate(values) if not isfinite(value))
        raise ReplyError(
            f"{reply.url} answered {values[at]} as logit {at % labels} of row {at // labels}: that "
            "is no finite number, so no score can be made; the model's weights or its arithmetic "
            "(float16?) are broken",
            url=reply.url,
        )
    return np.frombuffer(values, np.float32).reshape(rows, labels)


def _tensor(reply: Reply, output: str | None) -> Any:
    """`outputs` of a columnar answer, `predictions` of a row answer (g3doc/api_rest.md)."""
    answer = read_json(reply)
    key = "outputs" if "outputs" in answer else "predictions"
    if key not in answer:
        raise foreign(reply, "without 'outputs' or 'predictions'")
    found = answer[key]
    # The names are there only if the model has several outputs: of all rows in a columnar answer,
    # and of each in a row answer.
    if isinstance(found, dict):
        return _named(reply, found, output)
    if isinstance(found, list) and found and {dict} == set(map(type, found)):
        return [_named(reply, row, output) for row in found]
    return found


def _named(reply: Reply, outputs: dict[str, Any], output: str | None) -> Any:
    name = output or "logits"
    if name in outputs:
        return outputs[name]
    raise ReplyError(
        f"{reply.url} answered with {printable(', '.join(sorted(outputs)))}, and none is {name!r}; "
        "name the one that holds the logits: signature=Signature(output=...)",
        url=reply.url,
    )


def _check_shape(reply: Reply, found: Any, rows: int, labels: int) -> None:
    if not isinstance(found, list):
        came = f"a {type(found).__name__}"
    elif len(found) != rows:
        came = f"{len(found)} rows"
    elif _are_rows(found, labels):
        return
    else:
        at = next(at for at, row in enumerate(found) if not _are_rows([row], labels))
        came = f"{_describe(found[at])} in row {at}"
    raise ReplyError(
        f"{reply.url} answered with {came}; expected {rows} rows of {labels} numbers, one for each "
        "label. Do the bundle's labels (id2label) belong to the served model, and is this output "
        "its logits?",
        url=reply.url,
    )


def _are_rows(found: list[Any], labels: int) -> bool:
    # All rows at once, which is faster than one by one. The types are compared exactly, because an
    # array would take booleans for numbers.
    return (
        set(map(type, found)) == {list}
        and set(map(len, found)) == {labels}
        and set(map(type, chain.from_iterable(found))) == {float}
    )


def _describe(row: Any) -> str:
    if not isinstance(row, list):
        return f"a {type(row).__name__}"
    kinds = sorted({type(value).__name__ for value in row} - {"float"})
    return f"{len(row)} values" + (f" ({', '.join(kinds)} among them)" if kinds else "")
