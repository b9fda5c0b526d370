"""A text that is longer than its model reads, as windows that overlap."""

from collections.abc import Iterator, Sequence

from lightclient.checks import check_whole
from lightclient.errors import InputError
from lightclient.model.bundle import Bundle
from lightclient.model.encoding import Row, Text, count_tokens, tokenize, tokenize_each
from lightclient.model.shorten import shorten_closely
from lightclient.model.tokenizer import LoadedTokenizer

# The most tokens of a text that are read, special ones included: a book of 150 pages, or 128
# windows of 512 tokens and more. They are held in memory and asked for together.
MOST_TOKENS = 65_536
# Usual texts have four or five characters a token. This bounds those with hardly any tokens, and
# those that cannot be shortened, like one endless word.
_MOST_CHARACTERS = 16  # a token


def split(texts: Sequence[Text], bundle: Bundle, limit: int | None, stride: int) -> list[list[Row]]:
    """Turn each text into rows of at most `limit` tokens.

    A text that fits has the one row that `tokenize` gives; so has any text if `limit` is None. A
    longer one has several rows, which are windows: two neighbours share `stride` tokens. They are
    those that the model's tokenizer of transformers gives with `return_overflowing_tokens=True`,
    from the start of the text to its end, or from its end to its start if `cut_left`. A pair is not
    split but cut.

    A text is read up to `MOST_TOKENS` tokens, or 16 times as many characters, or up to `limit` if
    that is more. If it has more, its rest is cut, and `truncated` is True in each of its rows. It
    is False in other windows.

    Raises:
        InputError: `stride` is not a whole number that `limit` has room for.
        Whatever `tokenize` raises.
    """
    if limit is None:
        return [[row] for row in tokenize(texts, bundle)]
    check_stride(stride, bundle, limit)
    most = max(limit, MOST_TOKENS)
    read = [_read(text, most, bundle.loaded) for text in texts]
    limits = [most if isinstance(text, str) else limit for text in texts]
    found: list[list[Row]] = []
    for whole, text, row in zip(texts, read, tokenize_each(read, bundle, limits), strict=True):
        if isinstance(text, str) and len(row.input_ids) > limit:
            rows = list(_windows(text, row, bundle.loaded, limit, stride))
        else:
            rows = [row]
        if text != whole:
            rows = [row._replace(truncated=True) for row in rows]
        found.append(rows)
    return found


def tokens_of(text: Text, bundle: Bundle) -> str:
    """How many tokens a text has, in words; of a very long one, it is not counted to the end."""
    if isinstance(text, tuple):
        return f"{count_tokens(text, bundle):,}"
    read = _read(text, MOST_TOKENS, bundle.loaded)
    [row] = tokenize_each([read], bundle, [MOST_TOKENS])
    least = "at least " if row.truncated or read != text else ""
    return f"{least}{len(row.input_ids):,}"


def check_stride(stride: object, bundle: Bundle, limit: int) -> None:
    """Check that windows of `limit` tokens can share `stride` tokens.

    Raises:
        InputError: they cannot.
    """
    special = bundle.loaded.tokenizer.special_count(pair=False)
    if limit <= special:
        raise InputError(f"a limit of {limit} tokens has no room beside {special} special ones")
    reason = f": a window of {limit} tokens has {special} special ones, and one at least is new"
    check_whole("stride", stride, 0, limit - special - 1, reason)


def _read(text: Text, most: int, loaded: LoadedTokenizer) -> Text:
    """What is read of a text: the same `most` tokens, but of fewer characters."""
    if not isinstance(text, str):
        return text
    size = _MOST_CHARACTERS * most
    text = text[-size:] if loaded.cut_left else text[:size]
    # A million tokens take two seconds and 600 MB in tokenizers 0.23.
    return shorten_closely(text, most, loaded)


def _windows(
    text: str, row: Row, loaded: LoadedTokenizer, limit: int, stride: int
) -> Iterator[Row]:
    front, behind = loaded.tokenizer.special_sides(text)
    end = len(row.input_ids) - behind
    count, room = end - front, limit - front - behind
    # As in the library (tokenizers 0.23, tokenizer/encoding.rs, truncate).
    for start in range(0, count - stride, room - stride):
        stop = min(start + room, count)
        first, last = (
            (end - stop, end - start) if loaded.cut_left else (front + start, front + stop)
        )
        ids, types = (
            column[:front] + column[first:last] + column[end:]
            for column in (row.input_ids, row.token_type_ids)
        )
        yield Row(ids, types, row.truncated)
