"""Windows of a stream: what is read, how it is cut, what comes back."""

from collections.abc import Iterator
from concurrent.futures import Future
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightclient import InputError
from lightclient.chunk import MOST_CHARACTERS, MOST_TEXTS, cut, read_windows


def test_windows_grow_and_hold_every_text_once() -> None:
    windows = list(read_windows(str(number) for number in range(5000)))
    assert [len(window.texts) for window in windows][:5] == [64, 128, 256, 512, 1024]
    assert max(len(window.texts) for window in windows) == MOST_TEXTS
    assert [text for window in windows for text in window.texts] == [str(n) for n in range(5000)]
    assert [w.start for w in windows][:3] == [0, 64, 192]


def test_a_stream_is_read_a_window_at_a_time() -> None:
    read: list[int] = []

    def stream() -> Iterator[str]:
        for number in range(10**9):
            read.append(number)
            yield "text"

    windows = read_windows(stream())
    assert read == []
    next(windows)
    assert len(read) == 64


def test_long_texts_end_a_window_early() -> None:
    long = "x" * (MOST_CHARACTERS // 2)
    windows = read_windows([long, (long, "y"), long, "short"])
    assert [len(window.texts) for window in windows] == [2, 2]


def test_what_is_no_text_is_an_error_in_its_place() -> None:
    windows = list(read_windows(["a"] * 64 + ["b", None, "c"]))
    assert windows[1].pending() == [0, 2]
    windows[1].settle([0, 2], [InputError("first"), InputError("third")])
    first, second, third = map(windows[1].outcome, range(3))
    assert str(second).startswith("texts[65] must be a str")
    assert (str(first), str(third)) == ("first", "third")


def test_what_the_stream_raises_comes_after_its_texts() -> None:
    def stream() -> Iterator[str]:
        yield "a"
        raise OSError("the disk")

    [window] = read_windows(stream())
    assert window.texts == ["a"]
    assert isinstance(window.failure, OSError)
    assert list(read_windows([])) == []


def test_outcomes_wait_for_the_requests_that_settle_them() -> None:
    [window] = read_windows(["a", "b"])
    future: Future[None] = Future()
    window.expect([0, 1], future)
    future.set_exception(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):  # a defect is not kept quiet
        window.outcome(1)


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
