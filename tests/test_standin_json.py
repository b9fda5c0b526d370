"""The stand-in's JSON: what it reads, how it tells what is wrong, and what it quotes."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightclient.standin.jsontext import Written, pretty, quotation, read
from lightclient.standin.status import StatusError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
SHAPE = re.compile(r"JSON Parse error: [A-Z][^\n]* at offset: [0-9]+")


def complaint(body):
    with pytest.raises(StatusError) as caught:
        read(body)
    assert caught.value.code == "INVALID_ARGUMENT"
    return caught.value.message


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"\x1f\x8b", "Invalid value. at offset: 0"),
        (b'{"a":[1,"x}', "Missing a closing quotation mark in string. at offset: 8"),
        (b"{a: 1}", "Missing a name for object member. at offset: 1"),
        (b'{"a" 1}', "Missing a colon after a name of object member. at offset: 5"),
        (b'{"a":[1] "b"}', "Missing a comma or '}' after an object member. at offset: 9"),
        (b'{"a":1', "Missing a comma or '}' after an object member. at offset: 6"),
        (b'{"a":[1, 2', "Missing a comma or ']' after an array element. at offset: 10"),
        (b'[{"a":1}, {"b":2} {', "Missing a comma or ']' after an array element. at offset: 18"),
        (b"[01]", "Missing a comma or ']' after an array element. at offset: 2"),
        (b"[nan]", "Invalid value. at offset: 1"),
        (b"[-Inf]", "Invalid value. at offset: 1"),
        (b'["a\0"]', None),
        (b'["a\n"]', "Invalid control character at offset: 3"),
        (b'["\xff\\x"]', None),
        (b'["\\u12g4"]', None),
        (b'{"a":1,}', None),
    ],
)
def test_a_parse_error_has_the_shape_of_rapidjsons(body, told):
    message = complaint(body)
    assert SHAPE.fullmatch(message)
    assert told is None or message == f"JSON Parse error: {told}"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "The document is empty"),
        (b"[-" + b"9" * 5000 + b"]", "Number too big to be stored in double."),
        (b'["\\ud800"]', "The surrogate pair in string is invalid."),
        (b'{"\\ude00\\ud83d": 1}', "The surrogate pair in string is invalid."),
        (b"[" * 100_000, "The document is nested too deeply."),
        (b'{"a":' * 100_000, "The document is nested too deeply."),
    ],
)
def test_what_has_no_place_in_the_text(body, told):
    assert complaint(body) == f"JSON Parse error: {told}"


@pytest.mark.parametrize("deep", range(880, 1010))
def test_no_depth_is_more_than_an_error(deep):
    """Near Python's limit, too, where looking for the reason needs some depth of its own."""
    with pytest.raises(StatusError, match="JSON Parse error: "):
        read(b"[" * deep + b"1 2")


def test_what_the_server_takes():
    assert repr(read(b"[Infinity,-Infinity,NaN,-0]")) == "[inf, -inf, nan, 0]"
    assert read(b' \r\n\t{"a":1} and more') == {"a": 1}
    assert read(b'\xef\xbb\xbf{"a":1}') == {"a": 1}
    assert read(b'["\\ud83d\\ude00"]') == ["\U0001f600"]
    assert read(b"[18446744073709551615]") == [2**64 - 1]
    assert read(b'["\xff"]')[0].encode(errors="surrogateescape") == b"\xff"


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
    assert re.fullmatch(r"\[7(, 7)*(, )?", quotation([7] * 1000))
    assert 256 <= len(quotation([7] * 1000)) < 260
    assert quotation(["é" * 300, 1]) == '["' + "é" * 300 + '"'
    deep = []
    for _ in range(10_000):
        deep = [deep]
    assert quotation(deep) == "[" * 256


def test_what_is_written_already_stays_as_it_is():
    assert pretty([Written("1e+20"), "1e+20"], single_line=True) == '[1e+20, "1e+20"]'


@given(JSON)
def test_pretty_is_json_as_python_indents_it(value):
    assert pretty(value) == json.dumps(value, indent=4, ensure_ascii=False)
    assert json.loads(pretty(value, 3, single_line=True)) == value
