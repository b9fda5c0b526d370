"""Chunks of a stream: what is read, how it is cut, what comes back."""

from collections.abc import Iterator
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lightclient import InputError
from lightclient.streams.chunk import MOST_CHARACTERS, MOST_TEXTS, cut, read_chunks


def test_chunks_grow_and_hold_every_text_once() -> None:
    chunks = list(read_chunks(str(number) for number in range(5000)))
    assert [len(chunk.texts) for chunk in chunks][:5] == [64, 128, 256, 512, 1024]
    assert max(len(chunk.texts) for chunk in chunks) == MOST_TEXTS
    assert [text for chunk in chunks for text in chunk.texts] == [str(n) for n in range(5000)]
    assert [w.start for w in chunks][:3] == [0, 64, 192]


def test_a_stream_is_read_a_chunk_at_a_time() -> None:
    read: list[int] = []

    def stream() -> Iterator[str]:
        for number in range(10**9):
            read.append(number)
            yield "text"

    chunks = read_chunks(stream())
    assert read == []
    next(chunks)
    assert len(read) == 64


def test_long_texts_end_a_chunk_early() -> None:
    long = "x" * (MOST_CHARACTERS // 2)
    chunks = read_chunks([long, (long, "y"), long, "short"])
    assert [len(chunk.texts) for chunk in chunks] == [2, 2]


def test_what_is_no_text_is_an_error_in_its_place() -> None:
    chunks = list(read_chunks(["a"] * 64 + ["b", 3, "c", None, "d"]))
    first, second, third, missing, last = chunks[1].texts
    assert (first, third, last) == ("b", "c", "d")
    assert isinstance(second, InputError)
    assert str(second).startswith("texts[65] must be a str")
    assert str(missing).startswith("texts[67] is a missing value (None)")


def test_what_the_stream_raises_comes_after_its_texts() -> None:
    def stream() -> Iterator[str]:
        yield "a"
        raise OSError("the disk")

    [chunk] = read_chunks(stream())
    assert chunk.texts == ["a"]
    assert isinstance(chunk.failure, OSError)
    assert list(read_chunks([])) == []


lengths = st.dictionaries(st.integers(0, 99), st.integers(1, 60), max_size=40)


@given(lengths, st.none() | st.integers(60, 80), st.integers(1, 300))
def test_a_cut_keeps_within_the_budget_and_loses_nothing(
    lengths: dict[int, int], fixed: int | None, budget: int
) -> None:
    requests = list(cut(lengths, fixed, budget))
    assert sorted(place for places in requests for place in places) == sorted(lengths)
    widths = [max(fixed or 0, *(lengths[place] for place in places)) for places in requests]
    for places, width in zip(requests, widths, strict=True):
        assert places == sorted(places)
        assert len(places) == 1 or len(places) * width <= budget
    for places, width in zip(requests[:-1], widths, strict=False):
        assert (len(places) + 1) * width > budget  # none has room to spare
    for places, following in pairwise(requests):
        assert min(lengths[at] for at in places) >= max(lengths[at] for at in following)
