"""The stand-in's JSON: what it reads, what it refuses, and what it quotes."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightclient.standin.jsontext import quotation, read
from lightclient.standin.status import StatusError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def complaint(body):
    with pytest.raises(StatusError) as caught:
        read(body)
    assert caught.value.code == "INVALID_ARGUMENT"
    return caught.value.message


@pytest.mark.parametrize(
    "body",
    [
        b"\x1f\x8b", b'{"a":[1,"x}', b"{a: 1}", b'{"a" 1}', b'{"a":[1] "b"}', b'{"a":1',
        b'{"a":[1, 2', b"[01]", b"[nan]", b"[-Inf]", b'["a\0"]', b'["a\n"]', b'["\xff\\x"]',
        b'["\\u12g4"]', b'{"a":1,}',
    ],
)  # fmt: skip
def test_what_is_no_json_is_refused_with_its_place(body):
    assert re.fullmatch(r"JSON Parse error: .+ (\(char \d+\)|in position \d+: .+)", complaint(body))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "The document is empty"),
        (b"[" * 100_000, "The document is nested too deeply."),
        (b'{"a":' * 100_000, "The document is nested too deeply."),
    ],
)
def test_what_has_no_place_in_the_text(body, told):
    assert complaint(body) == f"JSON Parse error: {told}"


def test_a_number_of_too_many_digits_is_refused():
    assert "digits" in complaint(b"[-" + b"9" * 5000 + b"]")


def test_what_the_server_takes():
    assert repr(read(b"[Infinity,-Infinity,NaN,-0]")) == "[inf, -inf, nan, 0]"
    assert read(b' \r\n\t{"a":1} and more') == {"a": 1}
    assert read(b'\xef\xbb\xbf{"a":1}') == {"a": 1}
    assert read(b'["\\ud83d\\ude00"]') == ["\U0001f600"]
    assert read(b"[18446744073709551615]") == [2**64 - 1]


@given(JSON)
def test_json_is_read(value):
    assert read(json.dumps(value).encode()) == value
    assert read(json.dumps(value, ensure_ascii=False, indent=2).encode()) == value


@given(st.binary() | st.text('[]{},:"\\u0129dDeE.+-tfn ', max_size=12).map(str.encode))
def test_anything_is_read_or_refused(body):
    try:
        read(body)
    except StatusError as error:
        assert error.message.startswith("JSON Parse error: ")  # noqa: PT017


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([1, [2.0, None]], "[1, [2.0, null]]"),
        ({}, "{}"),
        ([], "[]"),
        ([{"a": 1}], '[{\n        "a": 1\n    }]'),
        ({"a": {"b": True}, "c": []}, '{\n    "a": {\n        "b": true\n    },\n    "c": []\n}'),
        ("\t/é", '"\\t/é"'),
    ],
)
def test_a_quotation_is_laid_out_as_rapidjson_does(value, text):
    assert quotation(value) == text


def test_a_long_quotation_stops_after_256_characters():
    assert quotation([7] * 1000) == "[7" + ", 7" * 84 + ", "
    assert quotation(["é" * 300, 1]) == '["' + "é" * 254
    deep = []
    for _ in range(10_000):
        deep = [deep]
    assert quotation(deep) == "[" * 256
