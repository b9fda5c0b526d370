"""Texts into token ids."""

import sys
from collections.abc import Sequence
from typing import NamedTuple

from lightclient.errors import BundleError, InputError
from lightclient.model.bundle import Bundle
from lightclient.model.library import Text as Text
from lightclient.model.shorten import shorten_all
from lightclient.model.tokenizer import Padding

# Texts that the library is given at once. Its encodings take 150 bytes a token and more, so that
# many long pairs, as those of a text with each of many labels, would take gigabytes together.
_AT_ONCE = 64


class Row(NamedTuple):
    """A text's tokens, special ones included, and whether some were cut."""

    input_ids: list[int]
    token_type_ids: list[int]
    truncated: bool


class Batch(NamedTuple):
    """The rows of one request, column by column, and the `length` that they are padded to."""

    input_ids: list[list[int]]
    token_type_ids: list[list[int]]
    truncated: list[bool]
    length: int
    padding: Padding


def check_text(value: object, where: str = "text") -> Text:
    """Return a text, or a pair of texts as a tuple, without what a subclass of str may add.

    A pair with an empty second text is its first text, as to the pipelines of transformers. An
    InputError says that `value` is neither, or has a lone surrogate, and names it by `where`.
    """
    if type(value) is str and value.isascii():
        return value
    if isinstance(value, str):
        return _check_unicode(value, where)
    kind = type(value).__name__
    if isinstance(value, tuple):
        if len(value) == 2 and all(isinstance(part, str) for part in value):
            first, second = (_check_unicode(value[at], f"{where}[{at}]") for at in (0, 1))
            return (first, second) if second else first
        kind = f"a tuple of {len(value)} ({', '.join(type(part).__name__ for part in value[:5])})"
    mend = "decode it" if isinstance(value, bytes) else "pass a str, a pair, or a list of them"
    raise InputError(f"{where} must be a str or a pair of str, not {kind}; {mend}")


def _check_unicode(text: str, where: str) -> str:
    text = str.__str__(text)  # a subclass may have an equality of its own
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        # The tokenizer's own error for it is a TypeError about something else.
        raise InputError(
            f"{where} has a lone surrogate at position {error.start}, which UTF-8 cannot hold; "
            "mend it: text.encode('utf-8', 'replace').decode()"
        ) from None  # that error holds the text
    return text


def encode(
    texts: Sequence[Text], bundle: Bundle, limit: int | None = None, length: int | None = None
) -> Batch:
    """Tokenize the texts of one request, by `tokenize`, and put them together, by `make_batch`."""
    return make_batch(tokenize(texts, bundle, limit), bundle, length)


def tokenize(
    texts: Sequence[Text], bundle: Bundle, limit: int | None = None, *, first_only: bool = False
) -> list[Row]:
    """Turn texts into their tokens, at most `limit`; see `Tokenizer.cut`.

    With `first_only`, only the first text of a pair is cut, as in the zero-shot pipeline of
    transformers.

    Raises:
        InputError: a text has no tokens at all, or `limit` has no room for the special ones, or
            with `first_only` for the second text.
        BundleError: the tokenizer is broken in a way that only this text shows.
    """
    most = sys.maxsize if limit is None else limit
    return tokenize_each(texts, bundle, [most] * len(texts), first_only=first_only)


def tokenize_each(
    texts: Sequence[Text], bundle: Bundle, limits: Sequence[int], *, first_only: bool = False
) -> list[Row]:
    """Turn texts into their tokens, as `tokenize` does; each text has a limit of its own."""
    loaded, rows = bundle.loaded, list[Row]()
    for at in range(0, len(texts), _AT_ONCE):
        mosts = limits[at : at + _AT_ONCE]
        inputs = [
            shorten_all(text, most, loaded, first_only=first_only)
            for text, most in zip(texts[at : at + _AT_ONCE], mosts, strict=True)
        ]
        for text, encoding, most in zip(
            inputs, loaded.tokenizer.encode(inputs), mosts, strict=True
        ):
            ids, is_long = encoding.ids, False
            if len(ids) > most:
                encoding = loaded.tokenizer.cut(
                    text, encoding, most, left=loaded.cut_left, first_only=first_only
                )
                ids, is_long = encoding.ids, True
            if not ids:
                raise InputError(
                    f"text {len(rows)} of the request has no tokens, and the tokenizer of "
                    f"{bundle.name!r} adds none of its own; leave empty texts out"
                )
            types = encoding.type_ids if loaded.has_type_ids else [0] * len(ids)
            rows.append(Row(ids, types, is_long))
    return rows


def count_tokens(text: Text, bundle: Bundle) -> int:
    """How many tokens a text has, special ones included, before any is cut."""
    [encoding] = bundle.loaded.tokenizer.encode([text])
    return len(encoding.ids)


def make_batch(rows: Sequence[Row], bundle: Bundle, length: int | None = None) -> Batch:
    """Put the rows of a request together, to be padded to `length`, or else to the longest."""
    input_ids, token_type_ids, truncated = map(list, zip(*rows, strict=True))
    length = length or max(map(len, input_ids))
    padding = bundle.loaded.padding
    if padding.token_id is None and min(map(len, input_ids)) < length:
        raise BundleError(
            f"the tokenizer of {bundle.name!r} has no pad token, so texts of different lengths "
            "cannot share a request; set pad_token in tokenizer_config.json"
        )
    return Batch(input_ids, token_type_ids, truncated, length, padding)
