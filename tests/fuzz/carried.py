"""A server on loopback whose model carries a bundle, and whose answers are drawn: true or hostile.

It plays the whole of a classification: metadata, the bundle's files, and logits.
"""

import json
import os
import re
import socket
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from lightclient import Bundle, LightClientError
from lightclient.model.files import NAMES, SIGNATURE, Origin, bound, fingerprint, read_files
from tests.fuzz.draw import Draw, broken, dumped, mutated
from tests.scripted import read_request, response

_PREDICT = "serving_default"
_OTHER_MARK = "0123456789abcdef"
_FREE = {"dim": [{"size": "-1"}, {"size": "-1"}], "unknown_rank": False}
_INPUTS = {name: {"dtype": "DT_INT32", "tensor_shape": _FREE}
           for name in ("input_ids", "attention_mask", "token_type_ids")}  # fmt: skip
_LOGITS = {"inputs": _INPUTS, "outputs": {"logits": {"dtype": "DT_FLOAT", "tensor_shape": _FREE}}}
_FILES: dict[str, Any] = {"inputs": {"file": {}}, "outputs": {"content_bytes": {}}}
_WHOLE = 6  # ways of answering that are true, of all those that there are
_BODIES = [b"", b"[]", b'{"outputs":', b"[" * 100_000, b"\xff", b'{"outputs": [1, 2, 3, 4]}',
           b'{"outputs": {"content_bytes": [{"b64": ""}, {"b64": ""}, {"b64": ""}, {"b64": ""}]}}',
           b'{"outputs": ["", "", "", ""]}', b'{"outputs": "abcd"}', b'{"outputs": null}',
           dumped({"outputs": [{"b64": "QUJD" * 500_000}] * 4}), b'{"error": "not asked for"}',
           b'{"predictions": [[0, 1]]}']  # fmt: skip
_CONTENTS: list[Any] = ["QQ", "QQ==QQ", "Q Q=", "é", "\ud800", "", None, 5, 10**400, ["QQ=="], {},
                        "QUJD\n", "----", "A" * 5, True]  # fmt: skip
_REFUSALS = [
    (400, 'Serving signature name: "x" not found in signature def'),
    (400, "no"), (404, "Servable not found"), (500, "no"), (429, "no"), (504, "no"), (301, "no"),
    (400, "Task size 4 is larger than maximum input batch size 0"),
    (400, "Task size 4 is larger than maximum input batch size " + "9" * 5000),
]  # fmt: skip


@lru_cache
def _default() -> Bundle:
    return Bundle.load()


class CarriedModel:
    """One such model. `names`: its signatures, None if the metadata are broken.

    `is_whole`: the files are sent as they are. `stalls`: they are not sent at all. `asked`: the
    requests for logits.
    """

    def __init__(self, folder: Path, draw: Draw) -> None:
        self.files = {name: content for name, content in read_files(folder).items() if content}
        for _ in range(draw.below(3)):
            name = draw.pick(NAMES)
            self.files[name] = broken(self.files.get(name, b"{}"), draw) or b""
        self.files = {name: self.files[name] for name in NAMES if self.files.get(name)}
        self.mark = fingerprint(self.files)
        self.names: list[str] | None = _signatures(draw, self.mark)
        definitions = {name: _FILES if _is_of_bundle(name) else _LOGITS for name in self.names}
        document = {"metadata": {"signature_def": {"signature_def": definitions}}}
        if draw.chance(8):
            document, self.names = mutated(json.loads(dumped(document)), draw), None
        self._metadata = response(200, dumped(document))
        self._most_rows = draw.pick([4, 4, 4, 1, 3])
        self._way, self._draw = draw.below(_WHOLE + 6), draw
        self.is_whole, self.stalls = self._way < _WHOLE, self._way == _WHOLE
        known = self.carries is not False and _default().fingerprint not in self.marks
        labels = _label_count(self.files) if known else len(_default().labels)
        self._logits = list(range(2, 2 + labels))  # no probabilities
        self.asked: list[Any] = []

    def answer(self, request: bytes) -> bytes:
        """The answer to a request; none while it stalls."""
        if request.startswith(b"GET "):
            return self._metadata
        body = json.loads(request.partition(b"\r\n\r\n")[2])
        if _is_of_bundle(body.setdefault("signature_name", _PREDICT)):
            return self._files(body["inputs"]["file"])
        self.asked.append(body)
        rows = next(iter(body["inputs"].values()))
        return response(200, dumped({"outputs": [self._logits for _ in rows]}))

    def _files(self, names: list[str]) -> bytes:
        if len(names) > self._most_rows:
            said = f"Task size {len(names)} is larger than maximum input batch size "
            return response(400, dumped({"error": said + str(self._most_rows)}))
        contents = [b64encode(self.files.get(name, b"")).decode() for name in names]
        document: Any = {"outputs": [{"b64": content} for content in contents]}
        match self._way - _WHOLE:
            case 0:
                return b""
            case 1:
                status, words = self._draw.pick(_REFUSALS)
                return response(status, dumped({"error": words}), "Location: http://127.0.0.1:1/")
            case 2:
                return response(200, self._draw.pick(_BODIES))
            case 3:
                document["outputs"][self._draw.below(len(names))] = {
                    "b64": self._draw.pick(_CONTENTS)
                }
            case 4:
                document = mutated(document, self._draw)
            case 5:
                body = dumped(document)
                return response(200, body[: self._draw.below(len(body))])
        return response(200, dumped(document))

    @property
    def carries(self) -> bool | None:
        """Whether it carries a bundle; None: who knows."""
        return None if self.names is None else SIGNATURE in self.names or bool(self.marks)

    @property
    def marks(self) -> list[str]:
        """The fingerprints that it tells."""
        found = (re.fullmatch(rf"{SIGNATURE}-([0-9a-f]{{16}})", name) for name in self.names or ())
        return [match[1] for match in found if match]

    def bundle(self) -> Bundle | None:
        """The bundle that its texts must be classified with; None: who knows."""
        default = _default()
        assert len(self.marks) < 2, "two bundles, and one was taken"
        if self.marks == [default.fingerprint] or self.carries is False:
            return default
        if not self.marks and not (self.carries and self.is_whole):
            return None
        assert self.marks in ([], [self.mark]), "not the files of the fingerprint"
        try:
            return Bundle.from_files("m", self.files, Origin(""))
        except LightClientError as error:
            raise AssertionError("the files are broken, and were taken") from error


def _signatures(draw: Draw, mark: str) -> list[str]:
    own = bound(SIGNATURE, mark)
    both = [_PREDICT, bound(_PREDICT, mark), SIGNATURE]
    return draw.pick([
        [*both, own], [*both, own], [*both, own], both, [_PREDICT, SIGNATURE], [*both[:2], own],
        [_PREDICT, SIGNATURE, own], [bound(_PREDICT, mark), SIGNATURE, own], [SIGNATURE, own],
        [*both, own, bound(SIGNATURE, _OTHER_MARK)], [*both, bound(SIGNATURE, _OTHER_MARK)],
        [*both, bound(SIGNATURE, _default().fingerprint)], [_PREDICT],
        [*both, bound(SIGNATURE, draw.pick(["", "x", mark.upper(), mark + "0", mark[:8], "é" * 16,
                                            f"{mark}\n", f"\n{mark}", "９" * 16, "x" * 9000]))],
    ])  # fmt: skip


def _is_of_bundle(name: Any) -> bool:
    return str(name).startswith(SIGNATURE)


def _label_count(files: dict[str, bytes]) -> int:
    """How many logits a row has, so that most calls go through to the end."""
    with suppress(ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return min(max(len(json.loads(files["config.json"])["id2label"]), 1), 1000)
    return 2


class Host:
    """Serves one model at a time, whichever is its `model`, at `url`."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1/models/m"
        self.model: CarriedModel
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(connection, self.model), daemon=True).start()

    def _serve(self, connection: socket.socket, model: CarriedModel) -> None:
        with connection, suppress(OSError):
            while request := read_request(connection):
                connection.sendall(model.answer(request))


_opened: list[str] = []
_is_watched = threading.Event()


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _is_watched.is_set():
        path, _, flags = arguments
        writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes and not isinstance(path, int) and "__pycache__" not in str(path):
            _opened.append(str(path))


sys.addaudithook(_audit)  # for as long as the process lives


@contextmanager
def nothing_written() -> Iterator[None]:
    """Within this, no file may be opened for writing, but those that Python compiles."""
    _opened.clear()
    _is_watched.set()
    try:
        yield
    finally:
        _is_watched.clear()
    assert not _opened, f"written: {_opened}"
