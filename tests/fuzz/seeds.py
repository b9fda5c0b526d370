"""Where the fuzzer starts: real data, in the bytes that the targets read their choices off."""

import json

from tests.exchanges import EXCHANGES
from tests.golden import FOLDERS, GOLDEN, read

_RAW = bytes(1)  # the choice that says: the rest is the document itself


def _texts() -> list[bytes]:
    seeds = []
    for at, folder in enumerate(FOLDERS):
        cases = read(folder / "golden.json")["cases"][:8]
        seeds += [bytes([at, 0, 0, 0, 0, 0, 0]) + case["text"].encode() for case in cases]
        seeds.append(bytes([at, 1, 2, 0, 0, 3, 1]) + cases[0]["text"].encode())
    return seeds


def _bodies() -> list[bytes]:
    return [(exchange["response"].get("body") or "").encode() for exchange in EXCHANGES]


def _reply() -> list[bytes]:
    raw = [bytes(4) + _RAW + body for body in _bodies()]
    return raw + [bytes([0, 0, 1, 0, 1, at]) + bytes(range(40)) for at in range(20)]


def _http() -> list[bytes]:
    body = b'{"outputs": [[0, 1]]}'
    heads = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n" + body,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n15\r\n" + body + b"\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n" + body,
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n" + body,
        b"HTTP/1.1 301 Moved\r\nLocation: http://elsewhere/\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    ]
    return [bytes([kept, 0, post]) + head for head in heads for kept, post in ((0, 1), (15, 0))]


def _metadata() -> list[bytes]:
    raw = [bytes(1) + _RAW + body for body in _bodies() if b"signature_def" in body]
    return raw + [bytes([0, 1, at]) + bytes(range(40)) for at in range(20)]


def _bundle() -> list[bytes]:
    choices = [
        (at, name, way) for at in range(len(FOLDERS)) for name in range(5) for way in range(4)
    ]
    return [bytes([at, 0, name, way]) + bytes((name, at, way) * 8) for at, name, way in choices]


def _carried() -> list[bytes]:
    """Each set of signatures with each bundle that may be given, and each way of answering."""
    folder = FOLDERS.index(GOLDEN / "distilbert")  # of two labels, as the default one
    sets = [bytes([folder, given, 0, at, at, 0, 0, 0]) for given in (0, 3, 4) for at in range(14)]
    ways = [bytes([at, 0, 0, 0, 4, 0, at, 6 + at, at, at]) for at in range(6)]
    files = [bytes([at, 0, 1, at, way]) for at in range(4) for way in (0, 3)]
    return [seed + bytes(range(at, 30)) for at, seed in enumerate(sets + ways + files)]


def _settings() -> list[bytes]:
    return [bytes([1, at % 6, 3]) + b"0.5" + bytes([1, at % 12, at, at, 0]) for at in range(100)]


def _files() -> list[bytes]:
    records = [{"text": "one"}, {"text": "two\n", "x": [1]}]
    contents = [
        b"one\ntwo\r\n\nthree",
        b'text,x\r\n"a ""b"", c",1\r\nd,2\r\n',
        b"text\tx\na\t1\n",
        "\n".join(map(json.dumps, records)).encode(),
    ]
    return [bytes([at, 0, 0, 0]) + body for at, body in enumerate(contents)]


SEEDS = {
    "texts": _texts, "reply": _reply, "http": _http, "metadata": _metadata, "bundle": _bundle,
    "carried": _carried, "settings": _settings, "files": _files,
}  # fmt: skip
