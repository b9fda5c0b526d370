"""A text that is longer than its model reads, as windows that overlap."""

import sys
from collections.abc import Iterator, Sequence

from lightclient.checks import check_whole
from lightclient.errors import InputError
from lightclient.model.bundle import Bundle
from lightclient.model.encoding import Row, Text, count_tokens, tokenize_each

# Of one text, special ones included. A model reads 512 at a time, so these are 128 windows or
# more, about a hundred pages; a longer text would hold up the others of its request.
MOST_TOKENS = 65_536


def split(texts: Sequence[Text], bundle: Bundle, limit: int | None, stride: int) -> list[list[Row]]:
    """Turn each text into rows of at most `limit` tokens.

    A text that fits, or any if `limit` is None, has the one row that `encoding.tokenize` gives. A
    longer one has several, of which neighbours share `stride` tokens: those that the model's
    tokenizer of transformers makes with `return_overflowing_tokens=True`. They go from its start
    to its end, or with truncation side left from its end to its start. A pair is cut.

    `truncated` says that a pair was cut, or that a text has more than `MOST_TOKENS` tokens and its
    rest is not in the rows.

    Raises:
        InputError: `stride` is not less than the tokens of text that `limit` has room for.
        Whatever `encoding.tokenize` raises.
    """
    if limit is None:
        return [[row] for row in tokenize_each(texts, bundle, [sys.maxsize] * len(texts))]
    check_stride(stride, bundle, limit)
    most = max(limit, MOST_TOKENS)
    limits = [most if isinstance(text, str) else limit for text in texts]
    rows = tokenize_each(texts, bundle, limits)
    return [
        list(_windows(text, row, bundle, limit, stride)) if isinstance(text, str) else [row]
        for text, row in zip(texts, rows, strict=True)
    ]


def tokens_of(text: Text, bundle: Bundle) -> str:
    """How many tokens a text has, in words; of a very long one, it is not counted to the end."""
    if isinstance(text, str) and len(text) > MOST_TOKENS:
        [row] = tokenize_each([text], bundle, [MOST_TOKENS])
        return f"more than {MOST_TOKENS:,}" if row.truncated else f"{len(row.input_ids):,}"
    return f"{count_tokens(text, bundle):,}"


def check_stride(stride: int, bundle: Bundle, limit: int) -> None:
    """Check that windows of `limit` tokens can share `stride` tokens and still go on.

    Raises:
        InputError: they cannot.
    """
    special = bundle.loaded.tokenizer.special_count(pair=False)
    if limit <= special:
        raise InputError(
            f"a limit of {limit} tokens has no room for text beside {special} special ones"
        )
    reason = f": a window of {limit} tokens has {limit - special} of its text"
    check_whole("stride", stride, 0, limit - special - 1, reason)


def _windows(text: str, row: Row, bundle: Bundle, limit: int, stride: int) -> Iterator[Row]:
    if len(row.input_ids) <= limit:
        yield row
        return
    front, behind = bundle.loaded.tokenizer.special_sides(text)
    end = len(row.input_ids) - behind
    for start, stop in _ranges(
        end - front, limit - front - behind, stride, left=bundle.loaded.cut_left
    ):
        ids, types = (
            column[:front] + column[front + start : front + stop] + column[end:]
            for column in row[:2]
        )
        yield Row(ids, types, row.truncated)


def _ranges(count: int, room: int, stride: int, *, left: bool) -> Iterator[tuple[int, int]]:
    """The windows of `count` tokens, in the library's order (tokenizers 0.23, encoding.rs)."""
    step = room - stride
    for start in range(0, count - room + step, step):
        stop = min(start + room, count)
        yield (count - stop, count - start) if left else (start, stop)
