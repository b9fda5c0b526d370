"""Very long texts, cut to a piece that has the same first tokens.

A model reads a few hundred tokens, but a tokenizer takes many seconds for ten megabytes.
"""

from itertools import takewhile
from unicodedata import combining

from lightclient.model.library import Text
from lightclient.model.tokenizer import LoadedTokenizer

# Characters a token of the first piece that is tried, and how many pieces long a text must be for
# the two trials to cost less than they save.
_PIECE, _WORTH_IT = 16, 8
# The same where a text has many tokens to keep, or comes in many pairs.
_CLOSE_PIECE, _SOON_WORTH_IT = 2, 2


def shorten(text: str, limit: int, loaded: LoadedTokenizer, *, closely: bool = False) -> str:
    """Cut a long text to a piece whose first `limit` tokens are those of the whole text.

    With `cut_left`, it is the end of the text and has its last tokens. It has more than `limit`
    tokens, so that it still counts as too long. A text without such a piece, like one endless
    word, is returned whole. `closely`: try more pieces, to find one that is as short as can be.
    """
    piece, worth_it = (_CLOSE_PIECE, _SOON_WORTH_IT) if closely else (_PIECE, _WORTH_IT)
    size = piece * max(limit, 1)
    if len(text) <= worth_it * size:
        return text
    # The text after a piece must not influence the tokens that are kept. So the piece has twice as
    # many tokens, and more than one word can have, and a piece twice as long begins with the same.
    enough = limit + max(limit, loaded.longest_word + 1)
    kept = slice(-limit, None) if loaded.cut_left else slice(limit)
    while worth_it * size < len(text):
        short, long = (_piece(text, length, loaded.cut_left) for length in (size, 2 * size))
        tokens = loaded.tokenizer.bare_ids(short)
        if len(tokens) >= enough and tokens[kept] == loaded.tokenizer.bare_ids(long)[kept]:
            return short
        size *= 2
    return text


def shorten_all(text: Text, limit: int, loaded: LoadedTokenizer, *, first_only: bool) -> Text:
    """Shorten a text, or the texts of a pair, so that the same tokens are kept when it is cut."""
    if isinstance(text, str):
        return shorten(text, limit, loaded)
    first, second = (shorten(part, limit, loaded) for part in text)
    if first_only:  # if the second text is shortened, it is too long: an error either way
        return first, second
    # The longer text loses its tokens first, so it must stay the longer one. A pair of two very
    # long texts is returned whole.
    whole = [part for part in text if part in (first, second)]
    if len(whole) == 1 and len(loaded.tokenizer.bare_ids(whole[0])) < 2 * limit:
        return first, second
    return text


def _piece(text: str, size: int, from_end: bool) -> str:
    """A piece without the spaces and the combining marks at its cut."""
    piece = text[-size:] if from_end else text[:size]
    chars = piece if from_end else reversed(piece)
    # A run of them must stay together, however long it is: an added token takes all spaces before
    # it (`lstrip`), and marks are sorted among each other (Unicode, canonical ordering).
    run = sum(1 for _ in takewhile(lambda char: char.isspace() or combining(char), chars))
    return piece[run:] if from_end else piece[: len(piece) - run]
