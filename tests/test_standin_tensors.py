"""The stand-in's tensors: JSON to arrays and back, dtype by dtype."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lightclient.standin import TensorSpec
from lightclient.standin.inputs import from_columns, from_rows
from lightclient.standin.outputs import as_columns, as_rows
from lightclient.standin.signatures import DTYPES
from lightclient.standin.status import StatusError


def column(value, dtype):
    return from_columns(value, {"x": TensorSpec(dtype, None)})["x"]


def complaint(value, dtype):
    with pytest.raises(StatusError) as caught:
        column(value, dtype)
    return str(caught.value)


@pytest.mark.parametrize(
    ("dtype", "value", "wanted"),
    [
        ("int32", [2**31 - 1, -(2**31)], [2**31 - 1, -(2**31)]),
        ("int8", [-128, 127], [-128, 127]),
        ("uint8", [0, 255], [0, 255]),
        ("int16", [2**15 - 1], [2**15 - 1]),
        ("uint16", [2**16 - 1], [2**16 - 1]),
        ("uint32", [2**32 - 1], [2**32 - 1]),
        ("uint64", [2**64 - 1], [2**64 - 1]),
        ("int64", [-(2**63), 2**63 - 1], [-(2**63), 2**63 - 1]),
        ("float32", [1, 1e39, -1e-3], [1, float("inf"), np.float32(-1e-3)]),
        ("float64", [5e-324, 2**70], [5e-324, 2.0**70]),
        ("bool", [[True], [False]], [[True], [False]]),
        ("string", ["a\0", "b\0"], [b"a\0", b"b\0"]),
        ("string", ["é", {"b64": "_w==".replace("_", "/")}], ["é".encode(), b"\xff"]),
        ("float32", [], []),
        ("int32", [[], []], [[], []]),
    ],
)
def test_json_becomes_an_array(dtype, value, wanted):
    array = column(value, dtype)
    assert array.dtype == (object if dtype == "string" else dtype)
    assert array.tolist() == wanted


@pytest.mark.parametrize(
    ("dtype", "value", "message"),
    [
        ("int32", [2**31], "JSON Value: 2147483648 Type: Number is not of expected type: int32"),
        (
            "int64",
            [2**63],
            "JSON Value: 9223372036854775808 Type: Number is not of expected type: int64",
        ),
        ("int8", [128], "JSON Value: 128 Type: Number is not of expected type: int8"),
        ("uint64", [2**64], f"JSON Value: {2**64} Type: Number is not of expected type: uint64"),
        ("uint64", [-1], "JSON Value: -1 Type: Number is not of expected type: uint64"),
        ("uint32", [-1], "JSON Value: -1 Type: Number is not of expected type: uint32"),
        ("int32", [1, 1.0], "JSON Value: 1.0 Type: Number is not of expected type: int32"),
        ("int32", [1, None], "JSON Value: null Type: Null is not of expected type: int32"),
        ("float32", [True], "JSON Value: true Type: True is not of expected type: float"),
        ("float64", ["1"], 'JSON Value: "1" Type: String is not of expected type: double'),
        ("bool", [0], "JSON Value: 0 Type: Number is not of expected type: bool"),
        ("string", [1], "JSON Value: 1 Type: Number is not of expected type: string"),
        (
            "float32",
            [{"b64": "YQ=="}],
            'JSON Value: {\n    "b64": "YQ=="\n} Type: Object is not of expected type: float',
        ),
        (
            "string",
            [{"b64": "!"}],
            'JSON Value: {\n    "b64": "!"\n} Type: Object is not of expected type: string',
        ),
        (
            "string",
            [{"b64": "é"}],
            'JSON Value: {\n    "b64": "é"\n} Type: Object is not of expected type: string',
        ),
        (
            "string",
            ["\ud800"],
            'JSON Value: "\ud800" Type: String is not of expected type: string',
        ),
        ("string", ["a", None], "JSON Value: null Type: Null is not of expected type: string"),
        (
            "float32",
            [1, 10**400],
            f"JSON Value: {10**255} Type: Number is not of expected type: float",
        ),
        (
            "string",
            [{"c": "!"}],
            'JSON Value: {\n    "c": "!"\n} Type: Object is not of expected type: string',
        ),
        ("int32", [1, [2]], "JSON Value: [2] Type: Array is not of expected type: int32"),
        (
            "int32",
            [[1], 2],
            "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
        ),
    ],
)
def test_what_does_not_fit_is_named(dtype, value, message):
    assert complaint(value, dtype) == f"INVALID_ARGUMENT: {message}"


def test_types_json_cannot_fill_are_unimplemented():
    message = "UNIMPLEMENTED: Conversion of JSON Value: 1 to type: half"
    assert complaint([1], "float16") == message
    assert column([[]], "float16").shape == (1, 0)


def test_more_dimensions_than_numpy_has_are_refused():
    value = 1
    for _ in range(40):
        value = [value]
    assert "rank" in complaint(value, "int32")


def row_complaint(rows, **inputs):
    with pytest.raises(StatusError) as caught:
        from_rows(rows, {name: TensorSpec(dtype, None) for name, dtype in inputs.items()})
    return caught.value.message


def test_rows_must_be_alike():
    assert row_complaint([[1, 2, 3, 4], [[1, 2], [3, 4]]], x="int32") == (
        "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: "
        "Expecting shape [4] but got: [2, 2]"
    )
    assert row_complaint([1, {"x": 1}], x="int32") == (
        "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: "
        'JSON Value: {\n    "x": 1\n} Type: Object is not of expected type: int32'
    )
    assert row_complaint([{"x": 1, "y": 1}, {"y": 1}], x="int32", y="int32") == (
        "Failed to process element: 1 of 'instances' list. JSON object: "
        '{\n    "y": 1\n} keys must be equal to: x,y'
    )


NUMBERS = st.sampled_from(["float32", "float64", "int8", "int32", "int64", "uint32", "uint64"])
NUMBERS = NUMBERS.flatmap(
    lambda dtype: arrays.arrays(
        dtype,
        arrays.array_shapes(min_side=1, max_dims=3, max_side=4),
        elements={"allow_subnormal": False} if dtype.startswith("float") else None,
    )
)


@given(NUMBERS)
def test_numbers_come_back_as_they_were(array):
    specs = {"x": TensorSpec(array.dtype.name, None)}
    rows = from_rows(json.loads(json.dumps(as_rows({"x": array}))), specs)["x"]
    columns = from_columns(json.loads(json.dumps(as_columns({"x": array}))), specs)["x"]
    np.testing.assert_array_equal(rows, array)
    np.testing.assert_array_equal(columns, array)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.2, "0.2"), (16777216, "16777216.0"), (123456.789, "123456.789"), (1e20, "1e+20")],
)
def test_a_float32_is_as_short_as_it_can_be(value, text):
    assert json.dumps(as_columns({"y": np.float32(value).reshape(())})) == text


def test_what_is_too_small_for_a_normal_float_is_zero():
    assert as_columns({"y": np.array([-1e-40, 1], np.float32)}) == [0, 1]
    assert as_columns({"y": np.array(-5e-324)}) == 0


def test_bytes_lie_deep_in_lists():
    tensor = np.array([[b"a", b"b"]], dtype=object)
    encoded = [{"b64": "YQ=="}, {"b64": "Yg=="}]
    found = as_rows({"y_bytes": tensor, "z": tensor})
    assert found == [{"y_bytes": encoded, "z": ["a", "b"]}]
    assert as_columns({"y_bytes": tensor}) == [encoded]


def test_half_floats_are_not_written():
    with pytest.raises(StatusError, match="Failed to write JSON value for tensor type: half"):
        as_columns({"y": np.zeros(1, np.float16)})


def test_every_dtype_has_its_names():
    for dtype in DTYPES:
        assert TensorSpec(dtype, (None,)).dtype == dtype
