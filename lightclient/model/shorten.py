"""The part of a very long text that its first tokens come from.

A model reads some hundred tokens; ten megabytes take a tokenizer many seconds.
"""

from itertools import takewhile
from unicodedata import combining

from tokenizers import Tokenizer

_CHARACTERS_PER_TOKEN = 16
_WORTH_IT = 8  # for shorter texts the two trials cost more than they save


def shorten(text: str, limit: int, tokenizer: Tokenizer, *, from_end: bool) -> str:
    """Cut a text to a piece with more tokens than `limit`, of which the first `limit` are the same.

    Two pieces, one twice as long, must agree on them, and must go on for as many more, and for more
    than a word may have: so what comes after them had no say. A text that has no such piece is
    given back whole, as one endless word is.

    Args:
        text: any.
        limit: the tokens that will be read.
        tokenizer: neither pads nor truncates.
        from_end: keep the end, and the last tokens.
    """
    enough = limit + max(limit, _longest_word(tokenizer))
    size = _CHARACTERS_PER_TOKEN * limit
    while _WORTH_IT * size < len(text):
        short, long = (_piece(text, length, from_end) for length in (size, 2 * size))
        tokens = _ids(short, tokenizer)
        if len(tokens) >= enough and _same(tokens, _ids(long, tokenizer), limit, from_end):
            return short
        size *= 2
    return text


def shorten_pair(
    pair: tuple[str, str], limit: int, tokenizer: Tokenizer, *, from_end: bool
) -> tuple[str, str]:
    """The same for a pair, of which the longer text loses its tokens first.

    Which one that is must stay so. A pair of two very long texts is therefore given back whole.
    """
    first, second = (shorten(text, limit, tokenizer, from_end=from_end) for text in pair)
    whole = [text for text in pair if text in (first, second)]
    if len(whole) == 1 and len(_ids(whole[0], tokenizer)) < 2 * limit:
        return first, second
    return pair


def _longest_word(tokenizer: Tokenizer) -> int:
    """The letters beyond which WordPiece takes a word for unknown, tokens and all."""
    letters: int = getattr(tokenizer.model, "max_input_chars_per_word", 0)
    return letters + 1


def _piece(text: str, size: int, from_end: bool) -> str:
    """A piece without the spaces and the combining marks at its cut.

    A run of them belongs together however long it is: an added token swallows all spaces before
    it (`lstrip`), and a mark finds its place among all others (Unicode, canonical ordering).
    """
    piece = text[-size:] if from_end else text[:size]
    run = sum(1 for _ in takewhile(_is_soft, piece if from_end else reversed(piece)))
    return piece[run:] if from_end else piece[: len(piece) - run]


def _is_soft(char: str) -> bool:
    return char.isspace() or combining(char) != 0


def _ids(text: str, tokenizer: Tokenizer) -> list[int]:
    return tokenizer.encode(text, None, add_special_tokens=False).ids


def _same(some: list[int], others: list[int], limit: int, from_end: bool) -> bool:
    return some[-limit:] == others[-limit:] if from_end else some[:limit] == others[:limit]
