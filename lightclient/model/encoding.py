"""Texts into token ids."""

from collections.abc import Sequence
from typing import NamedTuple

from lightclient.errors import BundleError, InputError
from lightclient.model.bundle import Bundle
from lightclient.model.library import Text as Text
from lightclient.model.shorten import shorten
from lightclient.model.tokenizer import Padding


class Row(NamedTuple):
    """A text's tokens, special ones included, and whether some were cut."""

    input_ids: list[int]
    token_type_ids: list[int]
    truncated: bool


class Batch(NamedTuple):
    """One request's rows, each without its padding.

    `input_ids`, `token_type_ids`: a list of ints a text, special tokens included.
    `truncated`: whether a text was cut, one bool a text.
    `length`: the tokens that every row is padded to, by `padding`.
    """

    input_ids: list[list[int]]
    token_type_ids: list[list[int]]
    truncated: list[bool]
    length: int
    padding: Padding


def check_text(value: object, where: str = "text") -> Text:
    """Give back a text, or a pair of texts as a tuple.

    Raises:
        InputError: `value` is neither, or has a lone surrogate; the message names it by `where`.
    """
    if isinstance(value, str):
        if not value.isascii():
            _check_unicode(value, where)
        return value
    if not isinstance(value, tuple):
        mend = "decode it" if isinstance(value, bytes) else "pass a str, a pair, or a list of them"
        raise InputError(f"{where} must be a str or a pair, not {type(value).__name__}; {mend}")
    if len(value) != 2 or not all(isinstance(part, str) for part in value):
        kinds = ", ".join(type(part).__name__ for part in value[:5])
        raise InputError(f"{where} must be a pair of str, not a tuple of {len(value)} ({kinds})")
    for at, part in enumerate(value):
        _check_unicode(part, f"{where}[{at}]")
    return value


def _check_unicode(text: str, where: str) -> None:
    # The tokenizer's own error for a lone surrogate is a TypeError about something else.
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            f"{where} has a lone surrogate at position {error.start}, which UTF-8 cannot hold; "
            "mend it: text.encode('utf-8', 'replace').decode()"
        ) from error


def encode(
    texts: Sequence[Text], bundle: Bundle, limit: int | None = None, length: int | None = None
) -> Batch:
    """Tokenize the texts of one request, by `tokenize`, and put them together, by `make_batch`."""
    return make_batch(tokenize(texts, bundle, limit), bundle, length)


def tokenize(texts: Sequence[Text], bundle: Bundle, limit: int | None = None) -> list[Row]:
    """Turn texts into their tokens.

    Args:
        texts: a pair is a tuple.
        bundle: the model's tokenizer.
        limit: the most tokens a row may have; what is longer is cut as transformers cuts with
            `truncation=True`: the end of a text, of a pair the longer text first.

    Raises:
        InputError: a text has no tokens at all, or `limit` has no room for the special ones.
        BundleError: the tokenizer is broken in a way that only this text shows.
    """
    loaded = bundle.loaded
    inputs = [shorten(text, limit, loaded) for text in texts]
    rows: list[Row] = []
    for text, encoding in zip(inputs, loaded.tokenizer.encode(inputs), strict=True):
        ids, truncated = encoding.ids, False
        if limit is not None and len(ids) > limit:
            encoding = loaded.tokenizer.cut(text, encoding, limit, left=loaded.cut_left)
            ids, truncated = encoding.ids, True
        if not ids:
            raise InputError(
                f"text {len(rows)} of the request has no tokens, and the tokenizer of "
                f"{bundle.name!r} adds none of its own; leave empty texts out"
            )
        types = encoding.type_ids if loaded.has_type_ids else [0] * len(ids)
        rows.append(Row(ids, types, truncated))
    return rows


def make_batch(rows: Sequence[Row], bundle: Bundle, length: int | None = None) -> Batch:
    """Put the rows of one request together.

    Args:
        rows: at least one.
        bundle: how its model's rows are padded.
        length: the tokens that every row is padded to; None: the longest of these.

    Raises:
        BundleError: the rows differ in length and the tokenizer has no pad token.
    """
    input_ids, token_type_ids, truncated = map(list, zip(*rows, strict=True))
    lengths = [len(ids) for ids in input_ids]
    length = max(lengths) if length is None else length
    padding = bundle.loaded.padding
    if padding.token_id is None and min(lengths) < length:
        raise BundleError(
            f"the tokenizer of {bundle.name!r} has no pad token, so texts of different lengths "
            "cannot share a request; set pad_token in tokenizer_config.json"
        )
    return Batch(input_ids, token_type_ids, truncated, length, padding)
