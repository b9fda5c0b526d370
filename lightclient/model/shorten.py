"""Very long texts, cut to a piece that has the same first tokens.

A model reads a few hundred tokens, but a tokenizer takes many seconds for ten megabytes.
"""

from itertools import takewhile
from unicodedata import combining

from lightclient.model.library import Text
from lightclient.model.tokenizer import LoadedTokenizer

_PIECE = 16  # characters a token
_WORTH_IT = 128  # characters a token; for shorter texts the two trials cost more than they save
# The same where a text has many tokens to keep, or comes in many pairs.
_SMALL_PIECE, _SOON_WORTH_IT = 2, 4


def shorten(
    text: str,
    limit: int,
    loaded: LoadedTokenizer,
    *,
    piece: int = _PIECE,
    worth_it: int = _WORTH_IT,
) -> str:
    """Cut a long text to a piece whose first `limit` tokens are those of the whole text.

    With `cut_left`, it is the end of the text and has its last tokens. It has more than `limit`
    tokens, so that it still counts as too long.

    The text after a piece must not influence the tokens that are kept. So the piece has twice as
    many tokens, and more than one word can have, and a piece twice as long must begin with the same
    tokens. A text without such a piece, like one endless word, is returned whole.

    Args:
        text, limit, loaded: see above.
        piece: the characters a token of the first piece that is tried; each next one is twice as
            long.
        worth_it: the characters a token of a text that is worth a trial.
    """
    if len(text) <= worth_it * limit:
        return text
    size = piece * max(limit, 1)
    while worth_it // piece * size < len(text):
        enough = limit + max(limit, loaded.longest_word + 1)
        short, long = (_piece(text, length, loaded.cut_left) for length in (size, 2 * size))
        tokens = loaded.tokenizer.bare_ids(short)
        kept = slice(-limit, None) if loaded.cut_left else slice(limit)
        if len(tokens) >= enough and tokens[kept] == loaded.tokenizer.bare_ids(long)[kept]:
            return short
        size *= 2
    return text


def shorten_closely(text: str, limit: int, loaded: LoadedTokenizer) -> str:
    """The same with more trials, to a piece that is as short as can be."""
    return shorten(text, limit, loaded, piece=_SMALL_PIECE, worth_it=_SOON_WORTH_IT)


def shorten_longer(text: Text, limit: int, loaded: LoadedTokenizer) -> Text:
    """Shorten a text, or the longer one of a pair, before its longer text is cut first."""
    if isinstance(text, str):
        return shorten(text, limit, loaded)
    return shorten_pair(text, limit, loaded)


def shorten_first(text: Text, limit: int, loaded: LoadedTokenizer) -> Text:
    """Shorten a text or the texts of a pair, before its first text alone is cut.

    A second text that is shortened has more than `limit` tokens, which is an error either way.
    """
    if isinstance(text, str):
        return shorten(text, limit, loaded)
    return shorten(text[0], limit, loaded), shorten(text[1], limit, loaded)


def shorten_pair(pair: tuple[str, str], limit: int, loaded: LoadedTokenizer) -> Text:
    """Shorten the longer text of a pair. With an empty second text, it is none (as in pipelines).

    It must stay the longer one, because the longer text loses its tokens first. So a pair of two
    very long texts is returned whole.
    """
    first, second = (shorten(text, limit, loaded) for text in pair)
    if not second:
        return first
    whole = [text for text in pair if text in (first, second)]
    if len(whole) == 1 and len(loaded.tokenizer.bare_ids(whole[0])) < 2 * limit:
        return first, second
    return pair


def _piece(text: str, size: int, from_end: bool) -> str:
    """A piece without the spaces and the combining marks at its cut.

    A run of them must stay together, however long it is: an added token takes all spaces before
    it (`lstrip`), and marks are sorted among each other (Unicode, canonical ordering).
    """
    piece = text[-size:] if from_end else text[:size]
    chars = piece if from_end else reversed(piece)
    run = sum(1 for _ in takewhile(lambda char: char.isspace() or combining(char), chars))
    return piece[run:] if from_end else piece[: len(piece) - run]
