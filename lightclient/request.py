"""A batch into the bytes of a predict request."""

import json
from collections.abc import Iterable
from typing import Any, Literal, get_args

from lightclient.encoding import Batch
from lightclient.signature import DEFAULT_NAME, Signature

Form = Literal["columnar", "row"]
FORMS: tuple[Form, ...] = get_args(Form)


def build_request(batch: Batch, signature: Signature, form: Form = "columnar") -> bytes:
    """Write the JSON body of a predict request.

    Columnar: `{"inputs": {name: rows}}`; row: `{"instances": [{name: row}, …]}`
    (TensorFlow Serving, g3doc/api_rest.md). Whole numbers are written as such: the server refuses
    `1.0` for an int32 input (util/json_tensor.cc).
    """
    columns = _columns(batch, signature)
    body: dict[str, Any] = {}
    if signature.name != DEFAULT_NAME:
        body["signature_name"] = signature.name
    if form == "columnar":
        body["inputs"] = columns
    else:
        body["instances"] = [
            dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
        ]
    return json.dumps(body, separators=(",", ":")).encode()


def _columns(batch: Batch, signature: Signature) -> dict[str, list[list[Any]]]:
    columns = {signature.input_ids: _padded(batch, batch.input_ids, batch.padding.token_id)}
    if signature.attention_mask:
        one, zero = (True, False) if signature.mask_dtype == "DT_BOOL" else (1, 0)
        ones = ([one] * len(ids) for ids in batch.input_ids)
        columns[signature.attention_mask] = _padded(batch, ones, zero)
    if signature.token_type_ids:
        columns[signature.token_type_ids] = _padded(
            batch, batch.token_type_ids, batch.padding.type_id
        )
    return columns


def _padded(batch: Batch, rows: Iterable[list[Any]], filler: object) -> list[list[Any]]:
    if batch.padding.left:
        return [[filler] * (batch.length - len(row)) + row for row in rows]
    return [row + [filler] * (batch.length - len(row)) for row in rows]
