"""The part of a very long text that its first tokens come from.

A model reads some hundred tokens; ten megabytes take a tokenizer many seconds.
"""

from itertools import takewhile
from unicodedata import combining

from lightclient.model.tokenizer import LoadedTokenizer

_CHARACTERS_PER_TOKEN = 16
_WORTH_IT = 8  # for shorter texts the two trials cost more than they save


def shorten(text: str, limit: int, loaded: LoadedTokenizer) -> str:
    """Cut a long text to a piece whose first `limit` tokens are those of the whole text.

    With `cut_left` it is the end of the text, and its last tokens. The piece has more than `limit`
    tokens, so that it is still seen to be too long.

    What comes after a piece must have had no say in the tokens that count. So there have to be as
    many tokens again behind them, and more than a word can have; and a piece twice as long has to
    begin with the same ones. A text that has no such piece, as one endless word has none, is given
    back whole.
    """
    size = _CHARACTERS_PER_TOKEN * max(limit, 1)
    while _WORTH_IT * size < len(text):
        enough = limit + max(limit, loaded.longest_word + 1)
        short, long = (_piece(text, length, loaded.cut_left) for length in (size, 2 * size))
        tokens = loaded.tokenizer.bare_ids(short)
        kept = slice(-limit, None) if loaded.cut_left else slice(limit)
        if len(tokens) >= enough and tokens[kept] == loaded.tokenizer.bare_ids(long)[kept]:
            return short
        size *= 2
    return text


def shorten_pair(pair: tuple[str, str], limit: int, loaded: LoadedTokenizer) -> tuple[str, str]:
    """Shorten the longer text of a pair.

    Which of the two is longer must not change, since that one loses its tokens first. A pair of two
    very long texts is therefore given back whole.
    """
    first, second = (shorten(text, limit, loaded) for text in pair)
    whole = [text for text in pair if text in (first, second)]
    if len(whole) == 1 and len(loaded.tokenizer.bare_ids(whole[0])) < 2 * limit:
        return first, second
    return pair


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
