"""A batch into the bytes of a predict request."""

import json
from functools import lru_cache
from typing import Literal, get_args

from lightclient.model.encoding import Batch
from lightclient.serving.signature import DEFAULT_NAME, Signature

Form = Literal["columnar", "row"]
FORMS: tuple[Form, ...] = get_args(Form)


def build_request(batch: Batch, signature: Signature, form: Form = "columnar") -> bytes:
    """Write the JSON body of a predict request.

    Columnar: `{"inputs": {name: rows}}`; row: `{"instances": [{name: row}, …]}`
    (TensorFlow Serving, g3doc/api_rest.md).
    """
    columns = _columns(batch, signature)
    if form == "columnar":
        inputs = ",".join([f"{name}:[{','.join(rows)}]" for name, rows in columns.items()])
        body = f'"inputs":{{{inputs}}}'
    else:
        named = [[f"{name}:{row}" for row in rows] for name, rows in columns.items()]
        instances = ",".join([f"{{{','.join(row)}}}" for row in zip(*named, strict=True)])
        body = f'"instances":[{instances}]'
    if signature.name != DEFAULT_NAME:
        body = f'"signature_name":{_quoted(signature.name)},{body}'
    return f"{{{body}}}".encode()


def _columns(batch: Batch, signature: Signature) -> dict[str, list[str]]:
    """Each input's rows as JSON, by its quoted name."""
    padding = batch.padding
    columns = {signature.input_ids: _filled(batch, batch.input_ids, padding.token_id)}
    if signature.attention_mask:
        one, zero = ("true", "false") if signature.mask_dtype == "DT_BOOL" else ("1", "0")
        columns[signature.attention_mask] = _templates(batch, one, zero)
    if signature.token_type_ids:
        columns[signature.token_type_ids] = _filled(batch, batch.token_type_ids, padding.type_id)
    return {_quoted(name): rows for name, rows in columns.items()}


def _filled(batch: Batch, rows: list[list[int]], filler: int | None) -> list[str]:
    # Whole numbers only: the server refuses 1.0 for an int32 input (util/json_tensor.cc).
    templates = _templates(batch, "%d", filler)
    return [template % tuple(row) for template, row in zip(templates, rows, strict=True)]


def _templates(batch: Batch, token: str, filler: object) -> list[str]:
    """Each row of the batch with this for every token, and with its padding."""
    length, left = batch.length, batch.padding.left
    return [_template(token, len(ids), filler, length - len(ids), left) for ids in batch.input_ids]


@lru_cache(maxsize=64)  # more than a request needs, and little memory even for long rows
def _template(token: str, tokens: int, filler: object, fillers: int, left: bool) -> str:
    """One row. But for its ids, its text depends on these numbers alone.

    To fill it in takes half the time of json.dumps.
    """
    real, padding = f"{token}," * tokens, f"{filler}," * fillers
    row = padding + real if left else real + padding
    return f"[{row[:-1]}]"  # without the last comma


@lru_cache
def _quoted(name: str) -> str:
    return json.dumps(name)
