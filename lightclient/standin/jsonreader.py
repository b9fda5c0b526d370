"""JSON bytes into values, with RapidJSON 1.1.0's errors and offsets.

The source of every rule here: rapidjson/reader.h (its iterative parser) as called by ParseJson in
tensorflow_serving/util/json_tensor.cc, with the flags NanAndInf and StopWhenDone: `NaN`, `Inf` and
`Infinity` are numbers, and what follows the first value is never looked at.

The standard library's parser does the work wherever it surely agrees; the slow one here has the
last word on everything else.
"""

import contextlib
import json
import re
from typing import Any, NoReturn

from lightclient.standin.status import StatusError

# Where the two parsers differ on text both accept: surrogates, huge exponents, huge integers.
_DOUBTFUL = re.compile(rb"\\u[dD][89a-fA-F]|[eE]\+?[0-9]{3}|[0-9]{300}")
_SPACE = re.compile(r"[ \t\r\n]*")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?(?:[eE]([+-]?[0-9]+))?")
_HEX = re.compile(r"[0-9a-fA-F]{4}")
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "/": "/"}
_WORDS = {"n": ("null", None), "t": ("true", True), "f": ("false", False)}
_MOST_DEEP = 1000  # the real server knows no limit

# What the parser waits for, and its complaint when something else comes.
_START, _FIRST_NAME, _NAME, _COLON, _VALUE, _MEMBER_END, _FIRST_ITEM, _ITEM, _ITEM_END = range(9)
_INVALID = "Invalid value."
_COMPLAINTS = {
    _START: "The document is empty.",
    _FIRST_NAME: "Missing a name for object member.",
    _NAME: "Missing a name for object member.",
    _COLON: "Missing a colon after a name of object member.",
    _VALUE: _INVALID,
    _MEMBER_END: "Missing a comma or '}' after an object member.",
    _FIRST_ITEM: _INVALID,
    _ITEM: _INVALID,
    _ITEM_END: "Missing a comma or ']' after an array element.",
}


def read(body: bytes) -> Any:
    """The value of a request's body.

    Bytes that are no UTF-8 pass unchecked, as in the real server: they are surrogate escapes in the
    strings. Of members with one name the first counts. Raises StatusError.
    """
    if not body:
        raise StatusError("JSON Parse error: The document is empty")
    text = body.decode(errors="surrogateescape")
    start = 1 if text.startswith("\ufeff") else 0
    if not _DOUBTFUL.search(body):
        # What fails here the slow parser will look at: it finds out what is wrong, and where.
        with contextlib.suppress(ValueError, RecursionError):
            value = _QUICK.raw_decode(text, _skip_space(text, start))[0]
            if isinstance(value, (dict, list)):  # a bare `0E` would end at its 0
                return value
    return _Parser(text, start).document()


def _first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        found = {}
        for name, value in pairs:
            found.setdefault(name, value)
    return found


def _whole(text: str) -> int | float:
    """Of 64 bits, with a sign or without; a float beyond."""
    if len(text) > 20:
        return float(text)
    number = int(text)
    return number if -(2**63) <= number < 2**64 else float(text)


_QUICK = json.JSONDecoder(object_pairs_hook=_first_wins, parse_int=_whole)


def _skip_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


class _Parser:
    def __init__(self, text: str, position: int) -> None:
        self.text = text
        self.position = position
        self.state = _START
        self.open: list[Any] = []
        self.names: list[str] = []
        self.root: list[Any] = []

    def document(self) -> Any:
        while not self.root or self.open:
            self.position = _skip_space(self.text, self.position)
            char = self.peek()
            if char == "\0":
                self.fail(_COMPLAINTS[self.state])
            self.step(char)
        return self.root[0]

    def peek(self) -> str:
        """The next character; as in C, NUL is the end, in the middle of a text too."""
        return self.text[self.position : self.position + 1] or "\0"

    def take(self, expected: str) -> bool:
        if self.peek() == expected:
            self.position += 1
            return True
        return False

    def fail(self, complaint: str, position: int | None = None) -> NoReturn:
        before = self.text[: self.position if position is None else position]
        offset = len(before.encode(errors="surrogateescape"))
        raise StatusError(f"JSON Parse error: {complaint} at offset: {offset}")

    def step(self, char: str) -> None:
        if self.state in (_FIRST_NAME, _NAME):
            self.step_name(char)
        elif self.state == _COLON:
            if not self.take(":"):
                self.fail(_COMPLAINTS[_COLON])
            self.state = _VALUE
        elif self.state in (_MEMBER_END, _ITEM_END):
            self.step_end(char)
        else:
            self.step_value(char)

    def step_name(self, char: str) -> None:
        if char == '"':
            self.names.append(self.string())
            self.state = _COLON
        elif char == "}" and self.state == _FIRST_NAME:
            self.close()
        else:
            self.fail(_COMPLAINTS[self.state])

    def step_end(self, char: str) -> None:
        if char == ",":
            self.position += 1
            self.state = _NAME if self.state == _MEMBER_END else _ITEM
        elif char == ("}" if self.state == _MEMBER_END else "]"):
            self.close()
        else:
            self.fail(_COMPLAINTS[self.state])

    def step_value(self, char: str) -> None:
        if char == "]" and self.state == _FIRST_ITEM:
            self.close()
        elif char in "]},:":
            self.fail(_COMPLAINTS[self.state])
        elif char in "[{":
            self.begin([] if char == "[" else {})
        else:
            self.add(self.scalar(char))

    def begin(self, container: Any) -> None:
        if len(self.open) == _MOST_DEEP:
            raise StatusError(f"JSON nested deeper than {_MOST_DEEP} levels")
        self.add(container)
        self.open.append(container)
        self.position += 1
        self.state = _FIRST_ITEM if isinstance(container, list) else _FIRST_NAME

    def add(self, value: Any) -> None:
        parent = self.open[-1] if self.open else self.root
        if isinstance(parent, dict):
            parent.setdefault(self.names.pop(), value)
        else:
            parent.append(value)
        self.state = _MEMBER_END if isinstance(parent, dict) else _ITEM_END

    def close(self) -> None:
        self.open.pop()
        self.position += 1
        inside = self.open[-1] if self.open else None
        self.state = _MEMBER_END if isinstance(inside, dict) else _ITEM_END

    def scalar(self, char: str) -> Any:
        if char == '"':
            return self.string()
        if char in _WORDS:
            return self.word(char)
        return self.number()

    def word(self, char: str) -> Any:
        word, value = _WORDS[char]
        self.letters(word)
        return value

    def letters(self, word: str) -> None:
        for letter in word:
            if not self.take(letter):
                self.fail(_INVALID)

    def string(self) -> str:
        self.position += 1
        parts: list[str] = []
        while True:
            parts.append(self.plain())
            char = self.peek()
            if char == '"':
                self.position += 1
                return "".join(parts)
            if char == "\0":
                self.fail("Missing a closing quotation mark in string.")
            if char != "\\":
                self.fail("Invalid escape character in string.")
            parts.append(self.escape())

    def plain(self) -> str:
        found = _PLAIN.match(self.text, self.position)
        self.position = found.end() if found else self.position
        return found.group() if found else ""

    def escape(self) -> str:
        """One escape sequence; its errors point at the backslash."""
        start = self.position
        self.position += 1
        char = self.peek()
        if char in _ESCAPED:
            self.position += 1
            return _ESCAPED[char]
        if not self.take("u"):
            self.fail("Invalid escape character in string.", start)
        return self.unicode(start)

    def unicode(self, start: int) -> str:
        code = self.hex4(start)
        if 0xD800 <= code <= 0xDBFF:
            low = self.hex4(start) if self.take("\\") and self.take("u") else 0
            if not 0xDC00 <= low <= 0xDFFF:
                self.fail("The surrogate pair in string is invalid.", start)
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
        # A lone low surrogate is no error: RapidJSON writes it as three bytes.
        return chr(code).encode(errors="surrogatepass").decode(errors="surrogateescape")

    def hex4(self, start: int) -> int:
        found = _HEX.match(self.text, self.position)
        if not found:
            self.fail("Incorrect hex digit after \\u escape in string.", start)
        self.position = found.end()
        return int(found.group(), 16)

    def number(self) -> int | float:
        start = self.position
        found = _NUMBER.match(self.text, start)
        if not found:
            return self.word_number()
        self.position = found.end()
        self.check_number_end(found)
        whole, fraction, exponent = found.groups()
        if fraction is None and exponent is None and len(whole) < 20:
            return int(found.group())
        self.check_size(whole, fraction or ".", exponent or "0", start)
        return self.big_number(found.group())

    def check_number_end(self, found: re.Match[str]) -> None:
        """`1.` and `1e` are complaints of their own."""
        if found[2] is None and found[3] is None and self.take("."):
            self.fail("Miss fraction part in number.")
        if found[3] is None and (self.take("e") or self.take("E")):
            self.position += self.peek() in "+-"
            self.fail("Miss exponent in number.")

    def check_size(self, whole: str, fraction: str, exponent: str, start: int) -> None:
        """RapidJSON looks at the digits, not at the value: 0.001e310 is fine, 0e310 is not."""
        power = int(exponent[:20])
        if len(whole) > 309 or (power > 9 and power > 308 + len(fraction) - 1):
            self.fail("Number too big to be stored in double.", start)

    def big_number(self, text: str) -> int | float:
        return _whole(text) if text.lstrip("-").isdecimal() else float(text)

    def word_number(self) -> float:
        """`NaN`, `Inf` and `Infinity`, each with a sign or without."""
        sign = -1.0 if self.take("-") else 1.0
        if self.peek() == "N":
            self.letters("NaN")
            return sign * float("nan")
        self.letters("Inf")
        if self.peek() == "i":
            self.letters("inity")
        return sign * float("inf")
