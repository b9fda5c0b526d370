"""The body as text: whatever the batch, its JSON is the padded columns and nothing else."""

import json
import tracemalloc
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lightclient import Signature
from lightclient.model.encoding import Batch
from lightclient.model.tokenizer import Padding
from lightclient.serving.request import build_request

names = st.text(min_size=1, max_size=8)
rows = st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=6)


@st.composite
def batches(draw: Any) -> Batch:
    ids = draw(st.lists(rows, min_size=1, max_size=4))
    types = [draw(st.lists(st.integers(0, 3), min_size=len(r), max_size=len(r))) for r in ids]
    length = max(map(len, ids)) + draw(st.integers(0, 3))
    padding = Padding(draw(st.integers(0, 9)), draw(st.integers(0, 3)), draw(st.booleans()))
    return Batch(ids, types, [False] * len(ids), length, padding)


@st.composite
def signatures(draw: Any) -> Signature:
    ids, mask, types, name = draw(st.lists(names, min_size=4, max_size=4, unique=True))
    return Signature(
        input_ids=ids,
        attention_mask=draw(st.sampled_from([None, mask])),
        token_type_ids=draw(st.sampled_from([None, types])),
        mask_dtype=draw(st.sampled_from(["DT_INT32", "DT_BOOL"])),
        name=draw(st.sampled_from(["serving_default", name])),
    )


def padded(row: list[Any], filler: Any, batch: Batch) -> list[Any]:
    fill = [filler] * (batch.length - len(row))
    return fill + row if batch.padding.left else row + fill


def columns(batch: Batch, signature: Signature) -> dict[str, Any]:
    boolean = signature.mask_dtype == "DT_BOOL"
    one, zero = (True, False) if boolean else (1, 0)
    found = {
        signature.input_ids: [padded(r, batch.padding.token_id, batch) for r in batch.input_ids]
    }
    if signature.attention_mask:
        found[signature.attention_mask] = [
            padded([one] * len(r), zero, batch) for r in batch.input_ids
        ]
    if signature.token_type_ids:
        found[signature.token_type_ids] = [
            padded(r, batch.padding.type_id, batch) for r in batch.token_type_ids
        ]
    return found


@given(batches(), signatures())
def test_the_body_is_the_padded_columns(batch: Batch, signature: Signature) -> None:
    expected = columns(batch, signature)
    sent = json.loads(build_request(batch, signature, "columnar"))
    assert sent.pop("signature_name", "serving_default") == signature.name
    assert sent == {"inputs": expected}
    assert repr(sent["inputs"]) == repr(expected)  # == takes True for 1


@given(batches(), signatures())
def test_the_row_form_says_the_same(batch: Batch, signature: Signature) -> None:
    sent = json.loads(build_request(batch, signature, "row"))
    expected = columns(batch, signature)
    assert sent.pop("signature_name", "serving_default") == signature.name
    rows = [dict(zip(expected, row, strict=True)) for row in zip(*expected.values(), strict=True)]
    assert repr(sent) == repr({"instances": rows})


def test_little_is_kept_of_long_rows() -> None:
    padding = Padding(token_id=0, type_id=0, left=False)
    tracemalloc.start()
    for tokens in range(20_000, 20_100):
        row = [1] * tokens
        build_request(Batch([row], [row], [False], tokens + 10, padding), Signature())
    left, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert left < 5_000_000
