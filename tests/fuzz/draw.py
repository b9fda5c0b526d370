"""Choices, and changed JSON, out of a fuzzer's bytes; without atheris: pytest replays them."""

import json
from collections.abc import Sequence
from copy import deepcopy
from typing import Any, TypeVar

from tests.golden import GOLDEN

T = TypeVar("T")

# Raw bytes all but never pass json.loads, so the values of a real document are replaced instead.
HOSTILE: list[Any] = [
    None, True, False, 0, 1, -1, 2, 1.5, -0.0, 2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64,
    10**30, -(10**30), 10**400, 1e308, 1e-320, float("nan"), float("inf"), "", "0", "-1", "x",
    "\ud800", "\x00", "\u2028\n", "[UNK]", "[PAD]", "[CLS]", "~", "x" * 20_000, "9" * 5_000,
    [], {}, [[]], [None], [""], [0] * 20_000, [[0, 1]], {"": None}, {"0": "a"}, {"type": "x"},
    {"content": "[PAD]"}, {"content": ""}, {str(at): at for at in range(5_000)},
]  # fmt: skip


class Draw:
    """Reads choices off the front of some bytes; where these end, every choice is the first one."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def below(self, bound: int) -> int:
        size = 1 if bound <= 256 else 2
        return int.from_bytes(self._take(size), "little") % bound

    def pick(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def chance(self, one_in: int) -> bool:
        return self.below(one_in) == one_in - 1

    def piece(self) -> bytes:
        return self._take(self.below(256))

    def rest(self) -> bytes:
        return self._take(len(self._data) - self._at)

    def _take(self, size: int) -> bytes:
        found = self._data[self._at : self._at + size]
        self._at += len(found)
        return found


def as_text(data: bytes) -> str:
    """Any text: bytes that are no UTF-8 become lone surrogates."""
    return data.decode("utf-8", "surrogateescape")


def mutated(document: Any, draw: Draw) -> Any:
    """Some values of a JSON document replaced, removed or added; changes it in place."""
    for _ in range(1 + draw.below(3)):
        document = _changed(document, draw)
    return document


def broken(found: bytes, draw: Draw) -> bytes | None:
    """A file that is changed, cut short or replaced; None: it is gone."""
    match draw.below(4):
        case 0 | 1:
            try:
                return dumped(mutated(json.loads(found), draw))
            except ValueError:
                return draw.piece() + found
        case 2:
            cut = draw.below(len(found) + 1)
            return found[:cut] + draw.piece() + (found[cut:] if draw.chance(2) else b"")
        case _:
            return draw.pick([None, b"", b"[" * 100_000, b"\xff" + found, b"{}", draw.piece()])


def _changed(node: Any, draw: Draw) -> Any:
    if not isinstance(node, (list, dict)) or not node or draw.chance(5):
        return _replacement(node, draw)
    key = draw.pick(list(node) if isinstance(node, dict) else range(len(node)))
    action = draw.below(8)
    if action == 7:
        del node[key]
    elif action == 6:
        _add(node, key, draw)
    else:
        node[key] = _changed(node[key], draw)
    return node


def _add(node: Any, key: Any, draw: Draw) -> None:
    if isinstance(node, dict):
        node[as_text(draw.piece()) or str(key) * 2] = _replacement(node[key], draw)
    else:
        node.insert(key, _replacement(node[key], draw))


def _replacement(node: Any, draw: Draw) -> Any:
    match draw.below(6):
        case 0:
            return deepcopy(draw.pick(HOSTILE))
        case 1:
            return deepcopy(draw.pick(PARTS))
        case 2:
            return as_text(draw.piece())
        case 3:
            return draw.below(65536) - 1000
        case 4:
            return draw.pick([[node], {"": node}, str(node)[:1000], [node, deepcopy(node)]])
        case _:
            return deepcopy(node * 2) if isinstance(node, (int, float, str, list)) else node


def _parts() -> list[Any]:
    """What tokenizers are made of, each kind once."""
    found: dict[str, Any] = {}
    for path in sorted(GOLDEN.glob("*/tokenizer.json")):
        _collect(json.loads(path.read_bytes()), found)
    return list(found.values())


def _collect(node: Any, found: dict[str, Any]) -> None:
    if isinstance(node, dict):
        if isinstance(kind := node.get("type"), str):
            found.setdefault(kind, node)
        for value in node.values():
            _collect(value, found)
    elif isinstance(node, list) and len(node) < 50:
        for value in node:
            _collect(value, found)


PARTS = _parts()


def dumped(document: Any) -> bytes:
    return json.dumps(document).encode()
