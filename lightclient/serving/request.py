"""A batch into the bytes of a predict request."""

import json
from collections.abc import Iterable
from typing import Literal, get_args

from lightclient.model.encoding import Batch
from lightclient.serving.signature import DEFAULT_NAME, Signature

Form = Literal["columnar", "row"]
FORMS: tuple[Form, ...] = get_args(Form)


def build_request(batch: Batch, signature: Signature, form: Form = "columnar") -> bytes:
    """Write the JSON body of a predict request.

    Columnar: `{"inputs": {name: rows}}`; row: `{"instances": [{name: row}, …]}`
    (TensorFlow Serving, g3doc/api_rest.md). Whole numbers are written as such: the server refuses
    `1.0` for an int32 input (util/json_tensor.cc).

    Most of it is padding and mask, so the JSON is put together from repeated strings.
    """
    columns = _columns(batch, signature)
    body = _columnar(columns) if form == "columnar" else _row_by_row(columns)
    named = signature.name != DEFAULT_NAME
    name = f'"signature_name":{json.dumps(signature.name)},' if named else ""
    return f"{{{name}{body}}}".encode()


def _columnar(columns: dict[str, list[str]]) -> str:
    inputs = (f"{json.dumps(name)}:[{','.join(rows)}]" for name, rows in columns.items())
    return f'"inputs":{{{",".join(inputs)}}}'


def _row_by_row(columns: dict[str, list[str]]) -> str:
    keys = [json.dumps(name) for name in columns]
    instances = (
        ",".join(f"{key}:{row}" for key, row in zip(keys, rows, strict=True))
        for rows in zip(*columns.values(), strict=True)
    )
    return f'"instances":[{",".join(f"{{{instance}}}" for instance in instances)}]'


def _columns(batch: Batch, signature: Signature) -> dict[str, list[str]]:
    """Each input's rows as JSON."""
    columns = {signature.input_ids: _padded(batch, _texts(batch.input_ids), batch.padding.token_id)}
    if signature.attention_mask:
        one, zero = ("true", "false") if signature.mask_dtype == "DT_BOOL" else ("1", "0")
        ones = (f",{one}" * len(ids) for ids in batch.input_ids)
        columns[signature.attention_mask] = _padded(batch, (text[1:] for text in ones), zero)
    if signature.token_type_ids:
        columns[signature.token_type_ids] = _padded(
            batch, _texts(batch.token_type_ids), batch.padding.type_id
        )
    return columns


def _texts(rows: Iterable[list[int]]) -> Iterable[str]:
    return ((("%d," * len(row)) % tuple(row))[:-1] for row in rows)


def _padded(batch: Batch, rows: Iterable[str], filler: object) -> list[str]:
    counts = (batch.length - len(ids) for ids in batch.input_ids)
    if batch.padding.left:
        before = f"{filler},"
        return [f"[{before * n}{row}]" for n, row in zip(counts, rows, strict=True)]
    after = f",{filler}"
    return [f"[{row}{after * n}]" for n, row in zip(counts, rows, strict=True)]
