"""The server's metadata, recorded from the real one and varied from there."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightclient import Bundle, InputError, NotTensorFlowServing, Signature, SignatureError
from lightclient.http.transport import Reply
from lightclient.serving import signature
from lightclient.serving.plan import check_lengths, make_plan
from tests.exchanges import EXCHANGES


def recorded(name: str) -> bytes:
    return next(e["response"]["body"] for e in EXCHANGES if e["name"] == name).encode()


def read_signature(body: bytes, name: str | None = None) -> Signature:
    return signature.read_metadata(
        Reply(200, body, "http://h/v1/models/m/metadata"), name
    ).signature


def tensor(*dims: int, dtype: str = "DT_INT32") -> dict[str, Any]:
    shape = {"dim": [{"size": str(size), "name": ""} for size in dims], "unknown_rank": False}
    return {"name": "x:0", "dtype": dtype, "tensor_shape": shape}


LOGITS = {"logits": tensor(-1, 2, dtype="DT_FLOAT")}


def metadata(inputs: Any, outputs: Any = LOGITS, name: str = "serving_default") -> bytes:
    signature = {"inputs": inputs, "outputs": outputs, "method_name": "…/predict"}
    signatures = {"signature_def": {"signature_def": {name: signature}}}
    return json.dumps({"metadata": signatures}).encode()


def test_the_real_server_s_free_length() -> None:
    assert read_signature(recorded("metadata")) == Signature(output="logits", classes=2)


def test_the_real_server_s_fixed_length() -> None:
    told = read_signature(recorded("metadata, fixed shape"))
    assert told == Signature(length=100, output="logits", classes=2)


@pytest.mark.parametrize(
    "names",
    [
        ("input_ids", "attention_mask", "token_type_ids"),
        ("input_word_ids", "input_mask", "input_type_ids"),
        ("input_word_ids", "input_mask", "segment_ids"),
        ("token_ids", "padding_mask", "segment_ids"),
    ],
)
def test_aliases(names: tuple[str, str, str]) -> None:
    told = read_signature(metadata({name: tensor(-1, -1) for name in names}))
    assert (told.input_ids, told.attention_mask, told.token_type_ids) == names


def test_a_bool_mask_and_wide_ids() -> None:
    inputs = {
        "token_ids": tensor(-1, 64, dtype="DT_INT64"),
        "padding_mask": tensor(-1, -1, dtype="DT_BOOL"),
    }
    told = read_signature(metadata(inputs))
    assert (told.mask_dtype, told.length) == ("DT_BOOL", 64)


def test_an_unknown_rank_is_a_free_length() -> None:
    free = {"dtype": "DT_INT32", "tensor_shape": {"dim": [], "unknown_rank": True}}
    told = read_signature(metadata({"input_ids": free}))
    assert (told.length, told.attention_mask) == (None, None)


def test_which_signature() -> None:
    inputs = {"input_ids": tensor(-1, -1)}
    assert read_signature(metadata(inputs, name="only")).name == "only"
    assert read_signature(metadata(inputs, name="other"), "other").name == "other"
    with pytest.raises(SignatureError, match="no signature 'absent'; it has serving_default"):
        read_signature(metadata(inputs), "absent")


def test_several_outputs() -> None:
    inputs = {"input_ids": tensor(-1, -1)}
    hidden = tensor(-1, -1, 768, dtype="DT_FLOAT")
    assert read_signature(metadata(inputs, LOGITS | {"hidden": hidden})).output == "logits"
    assert read_signature(metadata(inputs, {"dense": tensor(-1, 3)})) == Signature(
        attention_mask=None, output="dense", classes=3
    )
    with pytest.raises(SignatureError, match="gives dense, hidden: which one"):
        read_signature(metadata(inputs, {"dense": tensor(-1, 3), "hidden": hidden}))


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"x": tensor(-1)}, "takes x, of which this client knows none"),
        ({"input_ids": tensor(-1, -1), "pixels": tensor(-1, 3)}, "knows input_ids"),
        ({"attention_mask": tensor(-1, -1)}, "takes attention_mask"),
        ({"input_ids": tensor(-1, -1, dtype="DT_STRING")}, "takes DT_STRING"),
        ({"input_ids": tensor(-1, 5), "attention_mask": tensor(-1, 6)}, "different lengths"),
        ({"input_ids": tensor(1, 100)}, r"has the shape \[1, 100\]"),
        ({"input_ids": tensor(-1)}, r"has the shape \[-1\]"),
    ],
)
def test_what_does_not_fit(inputs: Any, words: str) -> None:
    with pytest.raises(SignatureError, match=words):
        read_signature(metadata(inputs))


@pytest.mark.parametrize(
    "body",
    [
        b"{}", b'{"metadata": 3}', b'{"name": "m", "ready": true}',
        b'{"metadata": {"signature_def": {"signature_def": []}}}',
        b'{"metadata": {"signature_def": {"signature_def": {"serving_default": 1}}}}',
        metadata({"input_ids": {"dtype": 3}}),
        metadata({"input_ids": tensor(-1, -1)}, outputs=[]),
        metadata({"input_ids": tensor(-1, -1)}, outputs={}),
        metadata({"input_ids": {"dtype": "DT_INT32", "tensor_shape": {"dim": [{"size": "x"}]}}}),
        metadata({"input_ids": {"tensor_shape": {"dim": [{"size": -1}, {"size": float("inf")}]}}}),
        metadata({"input_ids": tensor(-1, 20_000_000)}),
    ],
)  # fmt: skip
def test_what_is_no_metadata(body: bytes) -> None:
    with pytest.raises(SignatureError):
        read_signature(body)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"<html></html>", b"\xff", b"[" * 100_000, b"null", b"[]", b"3"]
)
def test_metadata_that_is_no_json_object_is_another_server_s(body: bytes) -> None:
    with pytest.raises(NotTensorFlowServing, match="TensorFlow Serving's REST port"):
        read_signature(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(json_values, json_values)
def test_any_json_is_a_signature_or_our_error(inputs: Any, outputs: Any) -> None:
    with suppress(SignatureError):
        assert isinstance(read_signature(metadata(inputs, outputs)), Signature)


@pytest.mark.parametrize(
    "arguments",
    [{"input_ids": ""}, {"input_ids": b"x"}, {"input_ids": None}, {"name": 5}, {"name": None},
     {"attention_mask": 123}, {"token_type_ids": b"x"}, {"output": ["x"]}, {"mask_dtype": "int32"},
     {"mask_dtype": []}, {"length": 0}, {"length": "100"}, {"length": True}, {"length": 10**8},
     {"attention_mask": "input_ids"}],
)  # fmt: skip
def test_a_signature_by_hand_is_checked(arguments: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"^Signature"):
        Signature(**arguments)


def test_fit() -> None:
    bundle = Bundle.load()

    def lengths(
        signature: Signature, max_length: int | None, pad_to: int | None
    ) -> tuple[int | None, int | None]:
        plan = make_plan(signature, bundle, max_length, pad_to)
        return plan.limit, plan.length

    assert lengths(Signature(), None, None) == (512, None)
    assert lengths(Signature(), 64, None) == (64, None)
    assert lengths(Signature(), None, 64) == (64, 64)
    assert lengths(Signature(), 32, 64) == (32, 64)
    fixed = Signature(length=100)
    assert lengths(fixed, None, None) == (100, 100)
    assert lengths(fixed, 50, None) == (50, 100)
    assert lengths(Signature(length=1024), None, None) == (512, 1024)
    with pytest.raises(InputError, match="pad_to=64, but the model takes rows of 100"):
        make_plan(fixed, bundle, None, 64)
    with pytest.raises(SignatureError, match=r"gives 3 logits, .* has 2 labels"):
        make_plan(Signature(classes=3), bundle, None, None)


@pytest.mark.parametrize("name", ["max_length", "pad_to"])
@pytest.mark.parametrize(
    ("value", "words"),
    [(2, "from 3 to 512, not 2: less has no room"), (513, "not 513.*takes no more"),
     ("9", "whole number"), (True, "whole number"), (9.0, "whole number")],
)  # fmt: skip
def test_lengths_are_checked(name: str, value: Any, words: str) -> None:
    lengths: dict[str, Any] = {"max_length": None, "pad_to": None, name: value}
    with pytest.raises(InputError, match=f"^{name}.*{words}"):
        check_lengths(Bundle.load(), **lengths)
