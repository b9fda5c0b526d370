"""Neighbouring texts of a stream: read together, and cut into requests."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from lightclient.errors import InputError
from lightclient.model.encoding import Text
from lightclient.texts import Missing, read_value

# The first chunks are small, so that the first answers come soon.
FIRST_TEXTS, MOST_TEXTS = 64, 1024
MOST_CHARACTERS = 1_000_000


@dataclass
class Chunk:
    """Texts that stand one after the other in a stream.

    `start`: the place of the first one in the stream. `texts`: has an error in the place of a value
    that is no text, and may have a `Missing` in that of a missing one. `failure`: what the stream
    raised after the last one.
    """

    start: int
    texts: list[Text | InputError | Missing] = field(default_factory=list)
    failure: Exception | None = None


def read_chunks(
    texts: Iterable[object], rows_a_text: int = 1, *, may_be_missing: bool = False
) -> Iterator[Chunk]:
    """Read a stream chunk by chunk. If it raises an exception, the last chunk holds it.

    Fewer texts are read at once if each of them becomes several rows. A missing value is an error
    in its place, unless they `may_be_missing`.
    """
    stream, start, most = iter(texts), 0, max(1, FIRST_TEXTS // rows_a_text)
    while True:
        chunk = _read(stream, start, most, MOST_CHARACTERS // rows_a_text, may_be_missing)
        if chunk.texts or chunk.failure:
            yield chunk
        if chunk.failure or not chunk.texts:
            return
        start += len(chunk.texts)
        most = min(2 * most, max(1, MOST_TEXTS // rows_a_text))


def _read(
    stream: Iterator[object], start: int, most: int, most_characters: int, may_be_missing: bool
) -> Chunk:
    chunk, characters = Chunk(start), 0
    try:
        for place, value in enumerate(islice(stream, most), start):
            try:
                text = read_value(value, f"texts[{place}]", may_be_missing=may_be_missing)
                chunk.texts.append(text)
                characters += _characters(text)
            except InputError as error:
                chunk.texts.append(error)
            if characters >= most_characters:
                break
    except Exception as error:  # noqa: BLE001 - it is raised when its turn comes
        chunk.failure = error
    return chunk


def _characters(text: Text | Missing) -> int:
    if isinstance(text, str):
        return len(text)
    return 0 if isinstance(text, Missing) else sum(map(len, text))


def cut(
    lengths: Mapping[int, int], fixed: int | None, budget: int, most: int | None = None
) -> Iterator[list[int]]:
    """Cut rows into requests, the longest rows first.

    Args:
        lengths: the tokens of each row, by its place.
        fixed: the tokens that every row is padded to at least; None: the longest of its request.
        budget: the most tokens of a request, padding included; a single row may have more.
        most: the most rows of a request; None: any number.

    Yields:
        The places of a request's rows, in rising order.
    """
    longest_first = sorted(lengths, key=lengths.__getitem__, reverse=True)
    at = 0
    while at < len(longest_first):
        width = max(fixed or 0, lengths[longest_first[at]])
        count = max(1, min(budget // width, most or budget))
        yield sorted(longest_first[at : at + count])
        at += count
