"""The few calls of the tokenizers library that this client makes. No other module imports it.

Two release lines of it work. In 0.x, a tokenizer has setters for how it encodes, which are called
once, while it is loaded. In 1.x, each call says how to encode, and a tokenizer can be loaded from a
file only.
"""
# mypy: disable-error-code="no-any-return"

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import tokenizers

from lightclient.errors import BundleError, InputError, LightClientError
from lightclient.model.document import Document
from lightclient.model.rewrite import check_found, normalized_tokens, rewrite

Text = str | tuple[str, str]
_LIBRARY: Any = tokenizers
_VERSION = str(getattr(tokenizers, "__version__", "of an unknown version"))


class Encoding(NamedTuple):
    """The tokens of a text, as the library's own class of this name has them."""

    ids: list[int]
    type_ids: list[int]


class Tokenizer:
    """Encodes without padding. It never changes after loading, so that threads can share it."""

    def __init__(self, document: Document, splits_special: bool) -> None:
        self._document, self._splits_special = document, splits_special
        self._loaded: Any = None
        self._load(document)

    def __reduce__(self) -> tuple[Any, ...]:
        return load, (self._document._replace(edited=True), self._splits_special)

    def encode(self, texts: list[Text]) -> list[Encoding]:
        """Turn texts into tokens, special ones included."""
        try:
            # A batch uses threads.
            if len(texts) == 1 or _is_forked():
                return [self._encode(text) for text in texts]
            return self._encode_batch(texts)
        except BaseException:
            with _our_errors():
                raise

    def bare_ids(self, text: Text) -> list[int]:
        """The ids of a text's own tokens, without the special ones."""
        with _our_errors():
            return self._encode(text, special=False).ids

    def special_count(self, *, pair: bool) -> int:
        """How many special tokens a text or a pair gets."""
        [encoding] = self.encode([("", "") if pair else ""])
        return len(encoding.ids)

    def cut(self, text: Text, encoding: Encoding, limit: int, *, left: bool) -> Encoding:
        """Shorten the encoding of a text, as transformers does with `truncation=True`.

        The special tokens stay. A text loses its end, or with `left` its start. The longer text of
        a pair is cut first.

        Raises:
            InputError: there is no room for the special tokens.
        """
        special = self.special_count(pair=not isinstance(text, str))
        if limit < special:
            raise InputError(f"a limit of {limit} tokens has no room for {special} special ones")
        with _our_errors():
            return self._cut(text, encoding, limit, left)

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """The tokens that have these ids."""
        names = self._document.vocabulary() | self._document.added_ids()
        by_id = {at: name for name, at in names.items()}
        return [by_id.get(at, "") for at in ids]

    def _load(self, document: Document) -> None:
        searched = normalized_tokens(document, self._splits_special)
        rewritten = rewrite(document, searched)
        self._loaded = _load_1(rewritten)
        check_found(rewritten, searched, self.bare_ids)

    def _encode(self, text: Text, *, special: bool = True, truncation: Any = None) -> Encoding:
        return self._loaded.encode(
            text, add_special_tokens=special, encode_special_tokens=self._splits_special,
            padding=None, truncation=truncation,
        )  # fmt: skip

    def _encode_batch(self, texts: list[Text]) -> list[Encoding]:
        return self._loaded.encode_batch(
            texts, encode_special_tokens=self._splits_special, padding=None, truncation=None
        )

    def _cut(self, text: Text, _: Encoding, limit: int, left: bool) -> Encoding:
        side = "left" if left else "right"
        return self._encode(text, truncation=_LIBRARY.Truncation(limit, "longest_first", side))


class _Tokenizer0(Tokenizer):
    def _load(self, document: Document) -> None:
        if document.edited:
            self._loaded = _LIBRARY.Tokenizer.from_str(document.dump())
        else:
            self._loaded = _LIBRARY.Tokenizer.from_file(str(document.path))
        self._loaded.no_padding()
        self._loaded.no_truncation()
        self._loaded.encode_special_tokens = self._splits_special

    def _encode(self, text: Text, *, special: bool = True, truncation: Any = None) -> Encoding:
        first, second = (text, None) if isinstance(text, str) else text
        return self._loaded.encode(first, second, add_special_tokens=special)

    def _encode_batch(self, texts: list[Text]) -> list[Encoding]:
        return self._loaded.encode_batch_fast(texts)  # fast: without the offsets of characters

    def _cut(self, text: Text, encoding: Any, limit: int, left: bool) -> Encoding:
        """Cut by hand, because only a setter could make the tokenizer truncate to this limit."""
        sequences, ids, type_ids = encoding.sequence_ids, encoding.ids, encoding.type_ids
        texts = [[at for at, found in enumerate(sequences) if found == n] for n in (0, 1)]
        counts = [len(places) for places in texts]
        kept = [at for at, found in enumerate(sequences) if found is None]
        room = limit - len(kept)
        # Rounded as the library does (tokenizers 0.23, utils/truncation.rs, LongestFirst).
        fewer = min(*counts, room // 2)
        more = min(max(counts), room - fewer)
        shares = (fewer, more) if counts[0] <= counts[1] else (more, fewer)
        for places, share in zip(texts, shares, strict=True):
            kept += places[len(places) - share :] if left else places[:share]
        kept.sort()
        return Encoding([ids[at] for at in kept], [type_ids[at] for at in kept])


_LINES = {"0": _Tokenizer0, "1": Tokenizer}
# A tokenizer is loaded once, so that copies, pickles and forked processes need not wait for it.
_LOADED: WeakValueDictionary[Any, Tokenizer] = WeakValueDictionary()


def load(document: Document, splits_special: bool) -> Tokenizer:
    """Load a tokenizer, or give the one that is loaded already.

    Args:
        document: the file, whose padding and truncation are ignored.
        splits_special: whether a special token within a text is read as plain letters.

    Raises:
        BundleError: the library cannot run it, or has calls that this client does not know.
    """
    key = str(document.parts), document.model, splits_special
    found = _LOADED.get(key)
    if found is None:
        line = _LINES.get(_VERSION.partition(".")[0])
        if line is None:
            raise _wrong_version()
        with _our_errors(document.path):
            found = _LOADED[key] = line(document, splits_special)
    return found


def _load_1(document: Document) -> Any:
    if _is_forked():  # in 1.0.0rc3, loading would wait for ever for the threads of the parent
        raise BundleError(
            f"tokenizers {_VERSION} cannot load {document.path} in a forked process, after its "
            "parent has loaded another; load it before the fork, or start processes by 'spawn'"
        )
    if not document.edited:
        return _LIBRARY.Tokenizer.from_file(document.path)
    from tempfile import TemporaryDirectory

    try:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "tokenizer.json"
            path.write_text(document.dump(), encoding="utf-8")
            return _LIBRARY.Tokenizer.from_file(path)
    except OSError as error:
        raise BundleError(
            f"tokenizers {_VERSION} loads files only, and what is made of {document.path} cannot "
            f"be written to a temporary one ({error}); set TMPDIR to a folder that can be written, "
            "or pip install 'tokenizers<1'"
        ) from error


# The process that was the first to load a tokenizer, and so started the library's threads.
_FIRST_PID: list[int] = []


def _is_forked() -> bool:
    """Whether this is a fork of a process that has used the library, whose threads it has lost."""
    if not _FIRST_PID:
        _FIRST_PID.append(os.getpid())
    return _FIRST_PID[0] != os.getpid()


@contextmanager
def _our_errors(path: Path | None = None) -> Iterator[None]:
    """Turn whatever the library raises into a BundleError.

    It raises plain Exception, and for a panic a class of its own below BaseException. Its words may
    quote a text, so they are repeated only where a file, the one at `path`, is loaded.
    """
    try:
        yield
    except LightClientError:
        raise
    except (AttributeError, TypeError) as error:  # no such call, or no such argument
        raise _wrong_version() from error
    except BaseException as error:
        kind = type(error).__name__
        if not isinstance(error, Exception) and kind != "PanicException":
            raise
        raise BundleError(
            f"{path or 'tokenizer.json'} is not a tokenizer that tokenizers {_VERSION} can run: "
            f"{error if path else kind!s:.300}; copy it from the model's Hugging Face folder "
            "again, or try another version of tokenizers"
        ) from error


def _wrong_version() -> BundleError:
    return BundleError(
        f"tokenizers {_VERSION} does not have the calls that this client makes; "
        "pip install 'tokenizers>=0.21,<2'"
    )
