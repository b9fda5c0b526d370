"""The few calls of the tokenizers library that this client makes. No other module imports it.

Two release lines work. In 0.x, setters say once how a tokenizer encodes. In 1.x, each call says so,
and a tokenizer can be loaded from a file only.
"""
# mypy: disable-error-code="no-any-return"

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from weakref import WeakValueDictionary

import tokenizers

from lightclient.errors import BundleError, InputError, LightClientError
from lightclient.model.document import Document
from lightclient.model.rewrite import rewrite, unlike_0

Text = str | tuple[str, str]
_LIBRARY: Any = tokenizers
_VERSION = str(getattr(tokenizers, "__version__", "of an unknown version"))
_PID = os.getpid()
_LOADED_IN: dict[str, int] = {}


class Tokenizer:
    """Encodes without padding, in 1.x. It never changes, so that threads can share it."""

    def __init__(self, document: Document, splits_special: bool) -> None:
        self.document, self._splits_special = document, splits_special
        self._how = {"encode_special_tokens": splits_special, "padding": None, "truncation": None}
        self._loaded: Any = None
        self._load()

    def __reduce__(self) -> tuple[Any, ...]:
        return load, (self.document, self._splits_special)

    def encode(self, texts: list[Text]) -> list[Any]:
        """Turn texts into encodings of the library, special tokens included."""
        try:
            # A batch uses threads, which do not survive a fork: a child would wait for ever.
            if len(texts) > 1 and os.getpid() == _PID:
                return self._encode_batch(texts)
            return [self._encode(text) for text in texts]
        except BaseException:  # a panic of the library is no Exception
            with _our_errors():  # entered here only, because each call would pay for it
                raise

    def bare_ids(self, text: Text) -> list[int]:
        """The ids of a text's own tokens, without the special ones."""
        with _our_errors():
            return self._encode(text, special=False).ids

    def special_count(self, *, pair: bool) -> int:
        """How many special tokens a text or a pair gets."""
        [encoding] = self.encode([("", "") if pair else ""])
        return len(encoding.ids)

    def special_sides(self, text: Text) -> tuple[int, int]:
        """How many special tokens a text gets in front of its own, and how many behind them.

        A BundleError says that they stand elsewhere, or that nobody can tell.
        """
        count = self.special_count(pair=False)
        # A short text tells as much, if it has tokens, and if none of them is a special one.
        for probe in ("a", text):
            own, [encoding] = self.bare_ids(probe), self.encode([probe])
            ids = encoding.ids
            fronts = [at for at in range(count + 1) if ids[at : len(ids) - count + at] == own]
            if own and len(fronts) == 1:
                return fronts[0], count - fronts[0]
        raise BundleError(
            f"{self.document.path} does not put its special tokens around a text, so that a long "
            "one cannot be split; let it be cut"
        )

    def cut(
        self, text: Text, encoding: Any, limit: int, *, left: bool, first_only: bool = False
    ) -> Any:
        """Shorten an encoding, as transformers does it with `truncation=True`.

        A text loses its end, or with `left` its start; of a pair, the longer text is cut first.
        With `first_only`, the first text alone is cut, as with `truncation="only_first"`. An
        InputError says that there is no room for the special tokens, or for the second text and
        one token of the first.
        """
        is_pair = isinstance(text, tuple)
        special = self.special_count(pair=is_pair)
        if limit < special:
            raise InputError(f"a limit of {limit} tokens has no room for {special} special ones")
        room = limit - special - 1
        if first_only and is_pair and len(self.bare_ids(text[1])) > room:
            raise InputError(
                f"the second text of a pair is too long: beside {special} special tokens and one "
                f"of the first text, a limit of {limit} has room for {max(0, room)} of it; shorten "
                "it, or the label that it is made of"
            )
        with _our_errors():
            return self._cut(text, encoding, limit, left, first_only)

    def _load(self) -> None:
        # In 1.0.0rc3, loading starts threads, and waits for ever for those that a fork has lost.
        if _LOADED_IN.setdefault("pid", os.getpid()) != os.getpid():
            raise BundleError(
                f"tokenizers {_VERSION} cannot load {self.document.path} after a fork, if another "
                "was loaded before it; load it before the fork (Classifier.warm does so), or start "
                "processes by 'spawn'"
            )
        rewritten, normalized = rewrite(self.document, self._splits_special)
        self._loaded = _load_by_file(rewritten)
        around = self.bare_ids("a") if normalized else []
        for token in normalized:  # if the normalizer changes one, 1.x may search for another form
            if self.bare_ids(f"a{token['content']}a") != [*around, token["id"], *around]:
                raise unlike_0(self.document, [token])

    def _encode(self, text: Text, *, special: bool = True) -> Any:
        return self._loaded.encode(text, add_special_tokens=special, **self._how)

    def _encode_batch(self, texts: list[Text]) -> list[Any]:
        return self._loaded.encode_batch(texts, **self._how)

    def _cut(self, text: Text, _: Any, limit: int, left: bool, first_only: bool) -> Any:
        strategy = "only_first" if first_only else "longest_first"
        cutting = _LIBRARY.Truncation(limit, strategy, "left" if left else "right")
        return self._loaded.encode(
            text, add_special_tokens=True, **self._how | {"truncation": cutting}
        )


class _Tokenizer0(Tokenizer):
    """The same in 0.x."""

    def _load(self) -> None:
        self._loaded = _LIBRARY.Tokenizer.from_buffer(self.document.dump())
        self._loaded.no_padding()
        self._loaded.no_truncation()
        self._loaded.encode_special_tokens = self._splits_special

    def _encode(self, text: Text, *, special: bool = True) -> Any:
        first, second = (text, None) if isinstance(text, str) else text
        return self._loaded.encode(first, second, add_special_tokens=special)

    def _encode_batch(self, texts: list[Text]) -> list[Any]:
        return self._loaded.encode_batch_fast(texts)  # fast: without the offsets of characters

    def _cut(self, text: Text, encoding: Any, limit: int, left: bool, first_only: bool) -> Any:
        # By hand, because only a setter could make the tokenizer truncate to this limit.
        texts: dict[int | None, list[int]] = {None: [], 0: [], 1: []}
        for at, which in enumerate(encoding.sequence_ids):
            texts[which].append(at)
        kept, first, second = texts.values()
        room = limit - len(kept)
        # Rounded as the library does (tokenizers 0.23, utils/truncation.rs, LongestFirst).
        fewer = min(len(first), len(second), room // 2)
        more = min(max(len(first), len(second)), room - fewer)
        shares = (fewer, more) if len(first) <= len(second) else (more, fewer)
        if first_only:
            shares = room - len(second), len(second)
        for places, share in zip((first, second), shares, strict=True):
            kept += places[len(places) - share :] if left else places[:share]
        kept.sort()
        ids, type_ids = encoding.ids, encoding.type_ids
        return SimpleNamespace(ids=[ids[at] for at in kept], type_ids=[type_ids[at] for at in kept])


_LINES = {"0": _Tokenizer0, "1": Tokenizer}
# A tokenizer is loaded once, so that copies, pickles and forked processes need not wait for it.
_LOADED: WeakValueDictionary[Any, Tokenizer] = WeakValueDictionary()


def load(document: Document, splits_special: bool) -> Tokenizer:
    """Load a tokenizer without its padding and truncation, or give the one that is loaded already.

    With `splits_special`, a special token within a text is read as plain letters.
    """
    key = str(document.parts), document.model, splits_special
    found = _LOADED.get(key)
    if found is None:
        with _our_errors(document.path):
            line = _LINES[_VERSION.partition(".")[0]]
            found = _LOADED[key] = line(document, splits_special)
    return found


def _load_by_file(document: Document) -> Any:
    library, content = _LIBRARY.Tokenizer, document.dump()
    try:
        # A file in memory needs no folder to write to, but not every system has them.
        if os.path.isdir("/proc/self/fd") and hasattr(os, "memfd_create"):
            with open(os.memfd_create("tokenizer.json"), "wb") as file:
                file.write(content)
                file.flush()
                return library.from_file(f"/proc/self/fd/{file.fileno()}")
        from tempfile import TemporaryDirectory

        with TemporaryDirectory() as folder:
            path = Path(folder) / "tokenizer.json"
            path.write_bytes(content)
            return library.from_file(str(path))
    except OSError as error:
        raise BundleError(
            f"tokenizers {_VERSION} needs a temporary file for {document.path}, which cannot be "
            f"written ({error}); set TMPDIR to a folder that can be written, or pip install "
            "'tokenizers<1'"
        ) from error


@contextmanager
def _our_errors(path: str | None = None) -> Iterator[None]:
    """Turn whatever the library raises into a BundleError: Exception, and its own PanicException.

    Its words may quote a text, so they are repeated only where the file at `path` is loaded.
    """
    try:
        yield
    except LightClientError:
        raise
    except (AttributeError, KeyError, TypeError) as error:  # no such line, call or argument
        raise BundleError(
            f"tokenizers {_VERSION} does not have the calls that this client makes; "
            "pip install 'tokenizers>=0.21,<2'"
        ) from error
    except BaseException as error:
        kind = type(error).__name__
        if not isinstance(error, Exception) and kind != "PanicException":
            raise
        # The library has read an edited file, so the place of an error is not that in the user's.
        words = re.sub(r" at line \d+ column \d+", "", str(error)) if path else kind
        raise BundleError(
            f"{path or 'tokenizer.json'} is not a tokenizer that tokenizers {_VERSION} can run: "
            f"{words:.300}; copy it from the model's Hugging Face folder "
            "again, or try another version of tokenizers"
        ) from error
