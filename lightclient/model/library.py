"""The few calls of the tokenizers library that this client makes. No other module imports it.

Two release lines of it work. In 0.x, a tokenizer has setters for how it encodes, which are called
once, while it is loaded. In 1.x, each call says how to encode, and a tokenizer can be loaded from a
file only. `Tokenizer` and `_load_1` are for 1.x, `_Tokenizer0` and `_load_0` for 0.x.
"""
# mypy: disable-error-code="no-any-return"

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import tokenizers

from lightclient.errors import BundleError, InputError, LightClientError
from lightclient.model.document import Document

Text = str | tuple[str, str]
_LIBRARY: Any = tokenizers
_VERSION = str(getattr(tokenizers, "__version__", "of an unknown version"))
_PID = os.getpid()


@dataclass
class Encoding:
    """The tokens of a text, as the library's own class of this name has them."""

    ids: list[int]
    type_ids: list[int]


class Tokenizer:
    """Encodes without padding. It never changes after loading, so that threads can share it."""

    def __init__(self, loaded: Any, document: Document, splits_special: bool) -> None:
        self._loaded, self._document, self._splits_special = loaded, document, splits_special

    def __reduce__(self) -> tuple[Any, ...]:
        return load, (self._document._replace(edited=True), self._splits_special)

    def encode(self, texts: Sequence[Text]) -> list[Encoding]:
        """Turn texts into tokens, special ones included."""
        with _AT_A_TEXT:
            if len(texts) == 1:
                return [self._encode(texts[0])]
            # A batch uses threads, which do not survive a fork: a child would wait for ever.
            if os.getpid() != _PID:
                return [self._encode(text) for text in texts]
            return self._encode_batch(list(texts))

    def bare_ids(self, text: Text) -> list[int]:
        """The ids of a text's own tokens, without the special ones."""
        with _AT_A_TEXT:
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
        with _AT_A_TEXT:
            return self._cut(text, encoding, limit, left)

    def tokens(self, ids: list[int]) -> list[str]:
        """The tokens that have these ids."""
        with _AT_A_TEXT:
            return self._tokens(ids)

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

    def _tokens(self, ids: list[int]) -> list[str]:
        return self._loaded.decode_tokens(ids)


class _Tokenizer0(Tokenizer):
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
        room = limit - (len(ids) - sum(counts))
        # Rounded as the library does (tokenizers 0.23, utils/truncation.rs, LongestFirst).
        fewer = min(*counts, room // 2)
        more = min(max(counts), room - fewer)
        shares = (fewer, more) if counts[0] <= counts[1] else (more, fewer)
        kept = [at for at, found in enumerate(sequences) if found is None]
        for places, share in zip(texts, shares, strict=True):
            kept += places[len(places) - share :] if left else places[:share]
        kept.sort()
        return Encoding([ids[at] for at in kept], [type_ids[at] for at in kept])

    def _tokens(self, ids: list[int]) -> list[str]:
        return [self._loaded.id_to_token(token) or "" for token in ids]


# A tokenizer is loaded once, so that copies, pickles and forked processes need not wait for it.
_LOADED: WeakValueDictionary[Any, Tokenizer] = WeakValueDictionary()
_LOADED_IN: set[int] = set()


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
        found = _LOADED[key] = _load(document, splits_special)
    return found


def _load(document: Document, splits_special: bool) -> Tokenizer:
    line = _VERSION.partition(".")[0]
    with _OurErrors(document.path):
        if line == "0":
            return _Tokenizer0(_load_0(document, splits_special), document, splits_special)
        if line == "1":
            return _faithful_1(document, splits_special)
    raise _wrong_version()


def _load_0(document: Document, splits_special: bool) -> Any:
    if document.edited:
        loaded = _LIBRARY.Tokenizer.from_str(document.dump())
    else:
        loaded = _LIBRARY.Tokenizer.from_file(str(document.path))
    loaded.no_padding()
    loaded.no_truncation()
    loaded.encode_special_tokens = splits_special
    return loaded


def _faithful_1(document: Document, splits_special: bool) -> Tokenizer:
    searched = [
        token for token in document.added_tokens()
        if token.get("normalized") and not (splits_special and token.get("special"))
    ]  # fmt: skip
    changed = _as_1_reads(document, searched)
    tokenizer = Tokenizer(_load_1(changed), document, splits_special)
    if changed.part("pre_tokenizer").get("type") == "Metaspace":
        _check_found(tokenizer, document, searched)
    return tokenizer


def _load_1(document: Document) -> Any:
    # Loading starts threads, and in 1.0.0rc3 waits for ever for those that a fork has lost.
    if _LOADED_IN and os.getpid() not in _LOADED_IN:
        raise BundleError(
            f"tokenizers {_VERSION} cannot load {document.path} in a forked process, after its "
            "parent has loaded another; load it before the fork, or start processes by 'spawn'"
        )
    _LOADED_IN.add(os.getpid())
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


_PREFIX_SPACE = {
    "type": "Sequence",
    "normalizers": [
        {"type": "Prepend", "prepend": " "},
        {"type": "Replace", "pattern": {"Regex": r"\A  "}, "content": " "},
    ],
}


def _as_1_reads(document: Document, searched: list[dict[str, Any]]) -> Document:
    """Rewrite what 1.0.0rc3 refuses or misreads in a file that 0.x has written.

    It refuses `add_prefix_space`, and Metaspace as the only member of a Sequence. It adds the
    spaces of Metaspace before it looks for "normalized" tokens, so that one is before such a token
    and none behind it.

    Args:
        searched: the "normalized" tokens that are searched for.
    """
    match document.part("pre_tokenizer"):
        case {"type": "ByteLevel", "add_prefix_space": True} as splitter:
            if document.part("normalizer"):
                return document  # the library will refuse it
            # Our prefix space has the same fault, but without a normalizer the flag means nothing.
            return document.edit(
                normalizer=_PREFIX_SPACE,
                pre_tokenizer={**splitter, "add_prefix_space": False},
                added_tokens=[token | {"normalized": False} for token in document.added_tokens()],
            )
        case {"type": "Metaspace"} as only:
            before: list[Any] = []
        case {"type": "Sequence", "pretokenizers": [*before, {"type": "Metaspace"} as only]}:
            pass
        case _:
            return document
    if only.get("prepend_scheme") == "first" and document.part("normalizer"):
        # In 0.x, a text whose start the normalizer removes gets no first mark.
        raise _unlike_0(document, "with Metaspace's first mark beside a normalizer")
    if not searched:
        return document if before else document.edit(pre_tokenizer=only)
    by_word = before == [{"type": "WhitespaceSplit"}]
    steps = _metaspace_steps(searched, by_word=by_word)
    marks = {"replacement": "▁", "prepend_scheme": "always", "split": True}
    if steps is None or (before and not by_word) or only != only | marks:
        raise _unlike_0(document, _normalized(searched))
    normalizer = document.part("normalizer")
    if _BY_PLACE.search(repr(normalizer)):
        raise _unlike_0(document, _normalized(searched))
    return document.edit(
        normalizer={
            "type": "Sequence",
            "normalizers": ([normalizer] if normalizer else []) + steps,
        },
        pre_tokenizer={**only, "prepend_scheme": "never"},
    )


# Normalizers that look at the place of a letter: 0.x changes the token that it searches for too.
_BY_PLACE = re.compile(r"'Prepend'|\^|\\A|\(\?")
# Tokens like <mask> or [UNK]: two of them cannot overlap in a text.
_BRACKETED = re.compile(r"[<\[][^<>\[\]\s▁]+[>\]]")


def _metaspace_steps(
    searched: list[dict[str, Any]], *, by_word: bool
) -> list[dict[str, Any]] | None:
    """What Metaspace does to the text between tokens, as Replace normalizers; None if unknown.

    Args:
        searched: the tokens.
        by_word: whether WhitespaceSplit comes before Metaspace.
    """
    steps = []
    for token in searched:
        if token.get("single_word") or not _BRACKETED.fullmatch(token["content"]):
            return None
        name = re.escape(token["content"])
        steps += [_replace(rf"\s+(?={name})", "")] if token.get("lstrip") else []
        steps += [_replace(rf"(?<={name})\s+", "")] if token.get("rstrip") else []
    names = [re.escape(token["content"]) for token in searched]
    starts = [r"\A", *(f"(?<={name})" for name in names), *([r"(?<=\s)"] if by_word else [])]
    marked = [r"\z", "▁", r"\s" if by_word else " ", *names]
    steps.append(_replace(f"(?:{'|'.join(starts)})(?!{'|'.join(marked)})", "▁"))
    return [*steps, _replace(r"\s+", "")] if by_word else steps


def _replace(pattern: str, content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"Regex": pattern}, "content": content}


def _check_found(tokenizer: Tokenizer, document: Document, searched: list[dict[str, Any]]) -> None:
    """Refuse tokens that the normalizer changes: 1.x may search for them in another form."""
    around = tokenizer.bare_ids("a")
    for token in searched:
        if tokenizer.bare_ids(f"a{token['content']}a") != [*around, token["id"], *around]:
            raise _unlike_0(document, _normalized([token]))


def _normalized(tokens: list[dict[str, Any]]) -> str:
    return f'with the "normalized" {", ".join(str(token.get("content")) for token in tokens)}'


def _unlike_0(document: Document, what: str) -> BundleError:
    return BundleError(
        f"{document.path} is a tokenizer {what:.200}, which tokenizers {_VERSION} cannot read as "
        "tokenizers 0.x does; pip install 'tokenizers<1'"
    )


class _OurErrors:
    """Turns whatever the library raises into a BundleError.

    It raises plain Exception, and for a panic a class of its own below BaseException. Its words may
    quote a text, so they are repeated only where a file is loaded.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, LightClientError):
            return
        if isinstance(error, (AttributeError, TypeError)):  # no such call, or no such argument
            raise _wrong_version() from error
        if isinstance(error, Exception) or kind.__name__ == "PanicException":
            words = str(error) if self._path else kind.__name__
            raise BundleError(
                f"{self._path or 'tokenizer.json'} is not a tokenizer that tokenizers {_VERSION} "
                f"can run: {words:.300}; copy it from the model's Hugging Face folder again, or "
                "try another version of tokenizers"
            ) from error


_AT_A_TEXT = _OurErrors()


def _wrong_version() -> BundleError:
    return BundleError(
        f"tokenizers {_VERSION} does not have the calls that this client makes; "
        "pip install 'tokenizers>=0.21,<2'"
    )
