"""What is fuzzed: one function a target. Any outcome but a result or one of our errors is raised.

Each takes a fuzzer's bytes and reads its choices off them, the most natural choice for a 0, so
that seeds are easily written. `TARGETS` names them all.
"""

import json
import math
import os
import pickle
import resource
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import replace
from functools import lru_cache, wraps
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from lightclient import Bundle, Classifier, InputError, LightClientError, Signature
from lightclient.classification import Classification
from lightclient.cli.output import FORMS as OUTPUTS
from lightclient.cli.output import Added
from lightclient.cli.rows import KINDS, Row, read_rows
from lightclient.http.deadline import Deadline
from lightclient.http.headers import request_headers
from lightclient.http.transport import Reply
from lightclient.model.encoding import Text, check_text, make_batch, tokenize
from lightclient.scoring import classify_logits
from lightclient.serving import signature as signature_module
from lightclient.serving.address import parse_address
from lightclient.serving.plan import make_plan
from lightclient.serving.reply import read_logits
from lightclient.serving.request import FORMS, build_request
from lightclient.settings import read_settings
from tests.exchanges import EXCHANGES
from tests.fuzz.carried import CarriedModel, Host, nothing_written
from tests.fuzz.draw import HOSTILE, Draw, as_text, broken, dumped, mutated
from tests.fuzz.wire import Wire
from tests.golden import FOLDERS
from tests.oracle import Oracle

Target = Callable[[bytes], None]
MOST_SECONDS = 5.0
MOST_MEGABYTES = 500
MOST_WORDS = 4_000
URL = "http://127.0.0.1:1/v1/models/m"


class TooMuchError(AssertionError):
    """An input that takes more time or memory than any may."""


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def target(run: Target) -> Target:
    """Let our errors pass, and hold time and memory to their bounds."""

    @wraps(run)
    def bounded(data: bytes) -> None:
        began, before = time.process_time(), _peak_megabytes()
        try:
            run(data)
        except LightClientError as error:
            _check_error(error)
        took, grown = time.process_time() - began, _peak_megabytes() - before
        if took > MOST_SECONDS:
            raise TooMuchError(f"{took:.1f} s")
        if grown > MOST_MEGABYTES:
            raise TooMuchError(f"{grown:.0f} MB")

    return bounded


def _check_error(error: LightClientError) -> None:
    """It can be shown, logged, and sent to another process."""
    assert 0 < len(str(error)) < MOST_WORDS, f"a message of {len(str(error))} characters"
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (type(error), str(error))


@lru_cache
def _bundle(at: int) -> Bundle:
    return Bundle.load(FOLDERS[at])


@lru_cache
def _library_s_own(at: int) -> Oracle:
    return Oracle(_bundle(at))


@target
def texts(data: bytes) -> None:
    """Texts into a request: as valid as the library's own truncation makes them."""
    draw = Draw(data)
    at, limit = draw.below(len(FOLDERS)), draw.pick([None, 8, 16, 3, 2, 1, 0])
    pairs, form, length = draw.chance(3), draw.pick(FORMS), draw.pick([None, 16, 400])
    times, count = draw.pick([1, 1, 3, 40, 400]), 1 + draw.below(3)
    words = as_text(draw.rest())
    parts = [words[n::count] * times if draw.chance(2) else words * times for n in range(count)]
    # Short pairs: the library makes each piece it cuts off the one with each of the other.
    given: list[Any] = [(part[:3000], words[:40]) for part in parts] if pairs else list(parts)
    bundle = _bundle(at)
    checked = [check_text(text, f"texts[{n}]") for n, text in enumerate(given)]
    rows = tokenize(checked, bundle, limit)
    for text, row in zip(checked, rows, strict=True):
        assert row.input_ids == _cut_by_the_library(text, at, limit), "not the library's own ids"
        assert tokenize([text], bundle, limit) == [row], "alone it has other ids"
    if length is not None:
        length = max(length, *(len(row.input_ids) for row in rows))
    batch = make_batch(rows, bundle, length)
    body = json.loads(build_request(batch, Signature(token_type_ids="types"), form))
    _check_request(body, len(rows), batch.length)


def _cut_by_the_library(text: Text, at: int, limit: int | None) -> list[int]:
    side = "left" if _bundle(at).loaded.cut_left else "right"
    return _library_s_own(at).ids(text, limit, side)


def _check_request(body: Any, count: int, length: int) -> None:
    if "inputs" in body:
        columns = list(body["inputs"].values())
    else:
        columns = [
            list(column) for column in zip(*(r.values() for r in body["instances"]), strict=True)
        ]
    assert len(columns) == 3
    for column in columns:
        assert [len(row) for row in column] == [length] * count


_REPLIES = [
    exchange["response"]["body"].encode() for exchange in EXCHANGES
    if "body" in exchange["response"]
]  # fmt: skip
_JSON_REPLIES = [b'{"outputs": [[-1.5, 1.5]]}', b'{"outputs": {"logits": [[0, 1.5]], "x": [[1]]}}',
                 b'{"predictions": [{"logits": [0, 1e30], "h": 1}]}', *_REPLIES]  # fmt: skip


@target
def reply(data: bytes) -> None:
    """An answer's bytes into logits and scores."""
    draw = Draw(data)
    status = draw.pick([200, 200, 400, 404, 500, 503, 429, 504, 100, 0, 999, 301, 413])
    rows, labels = 1 + draw.below(3), 1 + draw.below(3)
    output = draw.pick([None, "logits", "x"])
    read_reply(_document(draw, _JSON_REPLIES), status, rows, labels, output)


def _document(draw: Draw, seeds: Sequence[bytes]) -> bytes:
    """Raw bytes, or a real document with other values, or that cut short."""
    if draw.below(2) == 0:
        return draw.rest()
    seed = draw.pick(seeds)
    try:
        body = dumped(mutated(json.loads(seed), draw))
    except ValueError:
        return seed + draw.rest()
    return body[: draw.below(len(body) + 1)] if draw.chance(8) else body


def read_reply(body: bytes, status: int, rows: int, labels: int, output: str | None) -> None:
    got = Reply(status, body, URL + ":predict", attempts=2, retry_after=1.0)
    logits = read_logits(got, rows, labels, output)
    assert (logits.shape, logits.dtype) == ((rows, labels), np.float32)
    assert np.isfinite(logits).all()
    for problem_type in (None, "regression", "multi_label_classification"):
        bundle = replace(
            _bundle(0), labels=tuple(map(str, range(labels))), problem_type=problem_type
        )
        for answer in classify_logits(logits, bundle, [False] * rows):
            assert problem_type == "regression" or all(0 <= s.score <= 1 for s in answer.scores)


@lru_cache
def _wire() -> Wire:
    return Wire()


@target
def http(data: bytes) -> None:
    """A server's raw bytes; whatever they are, the next answer is the one to the next request."""
    draw = Draw(data)
    stays_open, retries, post = draw.chance(16), draw.pick([0, 0, 1]), draw.chance(2)
    wire = _wire()
    wire.answer(draw.rest(), stays_open=stays_open)
    transport = wire.transport(retries)
    try:
        request = ("POST", "/v1/models/m", b"{}") if post else ("GET", "/v1/models/m", None)
        with _our_errors():
            first = transport.send(*request, Deadline(0.05 if stays_open else 5))
            assert 200 <= first.status <= 999
        again = transport.send("GET", "/again", None, Deadline(5))
        assert again.body == wire.marker, "the answer to another request"
    finally:
        transport.close()


class _our_errors:  # noqa: N801 - a context manager used as a statement
    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, LightClientError):
            _check_error(error)
            return True
        return False


_METADATA = [reply for reply in _REPLIES if b"signature_def" in reply]


@target
def metadata(data: bytes) -> None:
    """The metadata's bytes into a signature, and that into a request."""
    draw = Draw(data)
    name = draw.pick([None, "serving_default", "x", ""])
    read_metadata(_document(draw, _METADATA), name)


def read_metadata(body: bytes, name: str | None) -> None:
    signature = signature_module.read_metadata(Reply(200, body, URL + "/metadata"), name).signature
    bundle = _bundle(0)
    plan = make_plan(signature, bundle)
    rows = tokenize(["a b", "c"], bundle, plan.limit)
    request = json.loads(build_request(make_batch(rows, bundle, plan.length), signature))
    assert signature.input_ids in request["inputs"]


_FILES = ["tokenizer.json", "config.json", "tokenizer_config.json", "special_tokens_map.json",
          "vocab.txt"]  # fmt: skip


@target
def bundle(data: bytes) -> None:
    """A model's folder, one or two of its files broken."""
    draw = Draw(data)
    folder = draw.pick(FOLDERS)
    changes: dict[str, bytes | None] = {}
    for _ in range(1 + draw.below(2)):
        name = draw.pick(_FILES)
        found = (folder / name).read_bytes() if (folder / name).is_file() else b"{}"
        changes[name] = broken(found, draw)
    load_bundle(folder, changes, as_text(draw.rest()))


def load_bundle(folder: Path, changes: Mapping[str, bytes | None], text: str = "") -> None:
    """Load a copy of a folder with some files replaced, or taken away, and use it."""
    with tempfile.TemporaryDirectory(dir=_SHM) as copy:
        for name in {*os.listdir(folder), *changes} - {"golden.json"}:
            data = changes[name] if name in changes else (folder / name).read_bytes()
            if data is not None:
                (Path(copy) / name).write_bytes(data)
        use_bundle(Bundle.load(copy), text)


_SHM = "/dev/shm" if os.path.isdir("/dev/shm") else None


def use_bundle(loaded: Bundle, text: str) -> None:
    given = check_text(text or "I like you. [SEP] I love you")
    assert loaded.labels
    assert all(isinstance(label, str) for label in loaded.labels)
    with _our_errors():
        plan = make_plan(Signature(token_type_ids="types"), loaded)
        rows = tokenize([given, ("a", "b" * 2000), "c"], loaded, plan.limit)
        batch = make_batch(rows, loaded, plan.length)
        _check_request(json.loads(build_request(batch, plan.signature)), 3, batch.length)
    pickle.dumps(loaded)
    repr(loaded)


@lru_cache
def _host() -> Host:
    return Host()


@target
def carried(data: bytes) -> None:
    """A text and nothing but a URL: the model carries its bundle, and its server is hostile."""
    draw = Draw(data)
    folder = draw.pick(FOLDERS)
    given = draw.pick([None, None, None, "served", _bundle(0)])
    host = _host()
    host.model = model = CarriedModel(folder, draw)
    text = as_text(draw.piece()) or "I like you. [SEP] I love you"
    seconds = 0.05 if model.stalls else MOST_SECONDS
    began = time.monotonic()
    try:
        with nothing_written(), Classifier(host.url, bundle=given, timeout=seconds, retries=0) as c:
            answer = c.classify(text)
    finally:
        took = time.monotonic() - began
        if took > seconds + MOST_SECONDS:
            raise TooMuchError(f"{took:.1f} s, of {seconds} that it was given")
    _check_answer(answer, text, model, given)


def _check_answer(
    answer: Classification, text: str, model: CarriedModel, given: Bundle | str | None
) -> None:
    """It is that of the model's own bundle, and no other one was asked for."""
    wanted = model.bundle()
    assert given != "served" or model.carries is not False, "it carries none"
    if isinstance(given, Bundle):
        differ = model.carries and wanted and wanted.fingerprint != given.fingerprint
        assert not differ, "another bundle than the model's"
        wanted = given
    request = model.asked[-1]
    assert model.names is None or request["signature_name"] in model.names
    if wanted is not None and model.names is not None:
        [row] = tokenize([text], wanted, wanted.max_length)
        assert request["inputs"]["input_ids"] == [row.input_ids]
        assert sorted(label for label, _ in answer.scores) == sorted(wanted.labels)


_VARIABLES = ["LIGHTCLIENT_URL", "LIGHTCLIENT_TIMEOUT", "LIGHTCLIENT_TOKEN", "LIGHTCLIENT_BUNDLE",
              "LIGHTCLIENT_CA_CERTS", "LIGHTCLIENT_CLIENT_CERT"]  # fmt: skip
_ARGUMENTS = ["url", "timeout", "max_length", "pad_to", "signature", "form", "headers", "token",
              "ca_certs", "client_cert", "retries", "bundle"]  # fmt: skip
_VALUES: list[Any] = [
    *HOSTILE, b"x", (), ("a", "b"), ("a",), {"X-Key": "y"}, {"Host": "h"}, {"é": "x"}, {1: 2},
    {"X": "a\r\nY: b"}, Path("/dev/null"), Path("x\x00y"), "~no-such-user/x", 10**5000,
    "/dev/null", "row",
    10, 16, 512, object, 1 + 2j, math.inf, Signature(length=16), "serving_default",
    "http://[::1]:8501/v1/models/m", "https://h/p/v1/models/m/versions/3:predict",
]  # fmt: skip


@target
def settings(data: bytes) -> None:
    """The environment and the arguments of a classifier."""
    draw = Draw(data)
    environ = {draw.pick(_VARIABLES): _setting(draw) for _ in range(draw.below(3))}
    arguments = {draw.pick(_ARGUMENTS): _value(draw) for _ in range(draw.below(4))}
    url = draw.pick(["http", "https"]) + as_text(draw.rest()) if draw.chance(3) else URL
    with _our_errors():
        read_settings(environ)
    with _our_errors():
        read_settings(environ, url=arguments.get("url"), timeout=arguments.get("timeout"))
    open_classifier({"url": url, "bundle": _bundle(0), **arguments})


def _setting(draw: Draw) -> str:
    return as_text(draw.piece())


def _value(draw: Draw) -> Any:
    return as_text(draw.piece()) if draw.chance(3) else draw.pick(_VALUES)


def open_classifier(arguments: Mapping[str, Any]) -> None:
    with Classifier(**arguments) as classifier:
        repr(classifier)
    again = copy(classifier)
    with suppress(InputError):  # secrets that were passed as values
        again = pickle.loads(pickle.dumps(classifier))
    assert repr(again) == repr(classifier)
    parse_address(arguments["url"])
    given = request_headers(arguments.get("headers"), arguments.get("token"))
    assert len({name.lower() for name in given}) == len(given)
    assert all(f"{name}: {value}".isprintable() for name, value in given.items())


@target
def files(data: bytes) -> None:
    """The input of the command, and each form of its output."""
    draw = Draw(data)
    kind = draw.pick(list(KINDS))
    column = draw.pick(["text", "1", "2", "0", "", "9999999", "é"])
    if draw.chance(6):
        column = as_text(draw.piece())
    given = None if kind == "txt" and not draw.chance(4) else column
    form = draw.pick(list(OUTPUTS))
    has_header = not draw.chance(3)
    source = read_rows(BytesIO(draw.rest()), "stdin", kind, given, has_header=has_header)
    written = OUTPUTS[form](Added("lc_"), source.first_names())
    for row in source:
        assert (row.text is None) == bool(row.lack)
        assert row.text is None or row.text.strip()
        _check_record(form, row, written.record(row, None))


def _check_record(form: str, row: Row, record: str) -> None:
    if form == "jsonl":
        own = list(json.loads(record, parse_int=float))
        assert own == [*row.names, "lc_label", "lc_score", "lc_truncated"]


TARGETS: dict[str, Target] = {
    run.__name__: run for run in (texts, reply, http, metadata, bundle, carried, settings, files)
}
