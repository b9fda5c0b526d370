"""A text that is longer than its model reads, as windows that overlap."""

from collections.abc import Iterator, Sequence

from lightclient.checks import check_whole
from lightclient.errors import InputError
from lightclient.model.bundle import Bundle
from lightclient.model.encoding import Row, Text, tokenize, tokenize_each
from lightclient.model.shorten import shorten
from lightclient.model.tokenizer import LoadedTokenizer

# The most tokens of a text that are read, special ones included: a book of 150 pages, or 128
# windows of 512 tokens and more. They are held in memory and asked for together.
MOST_TOKENS = 65_536
# Usual texts have four or five characters a token. This bounds those with hardly any tokens, and
# those that cannot be shortened, like one endless word.
_MOST_CHARACTERS = 16  # a token


def split(texts: Sequence[Text], bundle: Bundle, limit: int | None, stride: int) -> list[list[Row]]:
    """Turn each text into rows of at most `limit` tokens.

    A text that fits has the one row that `tokenize` gives; so has any text if `limit` is None, and
    a pair, which is cut. A longer text has several rows, which are windows: two neighbours share
    `stride` tokens. They are those that the model's tokenizer of transformers gives with
    `return_overflowing_tokens=True`, or with `cut_left`, from the end of the text to its start.

    A text is read up to `MOST_TOKENS` tokens, or 16 times as many characters, or up to `limit` if
    that is more. `truncated` is True in each of its rows if it has more, and else False.

    `stride` has passed `check_stride`. Raises what `tokenize` raises.
    """
    if limit is None:
        return [[row] for row in tokenize(texts, bundle)]
    rows = zip(texts, _read(texts, bundle, limit), strict=True)
    return [list(_windows(text, row, bundle.loaded, limit, stride)) for text, row in rows]


def tokens_of(text: Text, bundle: Bundle) -> str:
    """How many tokens a text has, in words; of a very long one, it is not counted to the end."""
    [row] = _read([text], bundle, MOST_TOKENS)
    return f"{'at least ' if row.truncated else ''}{len(row.input_ids):,}"


def check_stride(stride: object, bundle: Bundle, limit: int) -> None:
    """Check that windows of `limit` tokens can share `stride` tokens; an InputError says no."""
    special = bundle.loaded.tokenizer.special_count(pair=False)
    if limit <= special:
        raise InputError(f"a limit of {limit} tokens has no room beside {special} special ones")
    reason = f": a window of {limit} tokens has {special} special ones, and one at least is new"
    check_whole("stride", stride, 0, limit - special - 1, reason)


def _read(texts: Sequence[Text], bundle: Bundle, limit: int) -> list[Row]:
    """Turn texts into their tokens, up to the bound, and pairs up to `limit`."""
    most = max(limit, MOST_TOKENS)
    limits = [most if isinstance(text, str) else limit for text in texts]
    pieces = [_piece(text, most, bundle.loaded) for text in texts]
    rows = tokenize_each(pieces, bundle, limits)
    for at, (text, piece) in enumerate(zip(texts, pieces, strict=True)):
        if piece != text:
            rows[at] = rows[at]._replace(truncated=True)
    return rows


def _piece(text: Text, most: int, loaded: LoadedTokenizer) -> Text:
    """The part of a text that is read. It has the same `most` tokens, but fewer characters."""
    if isinstance(text, tuple):
        return text
    size = _MOST_CHARACTERS * most
    text = text[-size:] if loaded.cut_left else text[:size]
    # A million tokens take two seconds and 600 MB in tokenizers 0.23.
    return shorten(text, most, loaded, closely=True)


def _windows(
    text: Text, row: Row, loaded: LoadedTokenizer, limit: int, stride: int
) -> Iterator[Row]:
    if len(row.input_ids) <= limit:
        yield row
        return
    front, behind = loaded.tokenizer.special_sides(text)
    end = len(row.input_ids) - behind
    count, room = end - front, limit - front - behind
    # As in the library (tokenizers 0.23, tokenizer/encoding.rs, truncate).
    for start in range(0, count - stride, room - stride):
        stop = min(start + room, count)
        first, last = (start, stop) if not loaded.cut_left else (count - stop, count - start)
        ids, types = (
            column[:front] + column[front + first : front + last] + column[end:]
            for column in (row.input_ids, row.token_type_ids)
        )
        yield Row(ids, types, row.truncated)
