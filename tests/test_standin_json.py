"""The stand-in's JSON: RapidJSON's parse errors, quotations and numbers."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightclient.standin import jsonreader
from lightclient.standin.jsonreader import read
from lightclient.standin.jsontext import quotation, quoted
from lightclient.standin.status import StatusError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def slowly(body):
    text = body.decode(errors="surrogateescape")
    return jsonreader._Parser(text, int(text.startswith("\ufeff"))).document()


def outcome(function, body):
    try:
        return repr(function(body))
    except StatusError as error:
        return error.message


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"  ", "The document is empty. at offset: 2"),
        (b"]", "The document is empty. at offset: 0"),
        (b"\x1f\x8b", "Invalid value. at offset: 0"),
        (b'{"a":[1,]}', "Invalid value. at offset: 8"),
        (b'{"a":1,}', "Missing a name for object member. at offset: 7"),
        (b'{"a" 1}', "Missing a colon after a name of object member. at offset: 5"),
        (b'{"a":1 "b"}', "Missing a comma or '}' after an object member. at offset: 7"),
        (b"[01]", "Missing a comma or ']' after an array element. at offset: 2"),
        (b"[tru]", "Invalid value. at offset: 4"),
        (b"[Infin]", "Invalid value. at offset: 6"),
        (b"[-]", "Invalid value. at offset: 2"),
        (b"[1.]", "Miss fraction part in number. at offset: 3"),
        (b"[1e+]", "Miss exponent in number. at offset: 4"),
        (b"[1e309]", "Number too big to be stored in double. at offset: 1"),
        (b"[" + b"9" * 400 + b"]", "Number too big to be stored in double. at offset: 1"),
        (b'["ab', "Missing a closing quotation mark in string. at offset: 4"),
        (b'["a\0"]', "Missing a closing quotation mark in string. at offset: 3"),
        (b'["a\n"]', "Invalid escape character in string. at offset: 3"),
        (b'["\xff\\x"]', "Invalid escape character in string. at offset: 3"),
        (b'["\\u12g4"]', "Incorrect hex digit after \\u escape in string. at offset: 2"),
        (b'["\\ud800"]', "The surrogate pair in string is invalid. at offset: 2"),
    ],
)
def test_a_parse_error_reads_and_points_as_rapidjsons_does(body, complaint):
    with pytest.raises(StatusError) as caught:
        read(body)
    assert caught.value.message == f"JSON Parse error: {complaint}"


def test_what_rapidjson_takes_and_python_does_not():
    assert repr(read(b"[Inf,-Inf,-NaN,NaN,-0]")) == "[inf, -inf, nan, nan, 0]"
    assert read(b'{"a":1} and more') == {"a": 1}
    assert read(b'\xef\xbb\xbf{"a":1}') == {"a": 1}
    assert read(b'{"a":1,"a":2}') == {"a": 1}
    assert read(b'["\\ud83d\\ude00"]') == ["\U0001f600"]
    assert read(b"[18446744073709551616]") == [2.0**64]


def test_nesting_has_an_end():
    with pytest.raises(StatusError, match="nested deeper"):
        read(b"[" * 100_000)


@given(JSON)
def test_both_parsers_agree_on_json(value):
    body = json.dumps(value).encode()
    assert outcome(read, body) == outcome(slowly, body)


@given(st.binary() | st.text('[]{},:"\\u0129dDeE.+-tfn ', max_size=12).map(str.encode))
def test_both_parsers_agree_on_rubbish(body):
    if body:
        assert outcome(read, body) == outcome(slowly, body)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([1, [2.0, None]], "[1, [2.0, null]]"),
        ({}, "{}"),
        ({"a": {"b": True}}, '{\n    "a": {\n        "b": true\n    }\n}'),
        ([float("nan"), 1], "["),
        ([1, float("inf")], "[1, "),
        (1e21, "1e21"),
        (1e20, "100000000000000000000.0"),
        (0.0000015, "0.0000015"),
        (1.5e-7, "1.5e-7"),
        (-0.0, "-0.0"),
        (2**64, "18446744073709552000.0"),
        ("\x1f/é", '"\\u001F/é"'),
    ],
)
def test_a_quotation_is_written_as_rapidjson_writes(value, text):
    assert quotation(value) == text


def test_a_long_quotation_stops_after_256_bytes():
    assert quotation([7] * 1000) == "[7" + ", 7" * 85
    assert quotation(["é" * 200, 1]) == '["' + "é" * 200 + '"'


@given(st.text())
def test_a_quoted_text_is_its_json(text):
    assert json.loads(quoted(text)) == text
