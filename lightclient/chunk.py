"""Neighbouring texts of a stream: read together, cut into requests, given back in their order."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from itertools import islice

from lightclient.classification import Classification
from lightclient.errors import InputError, LightClientError
from lightclient.model.encoding import Text, check_text

Outcome = Classification | LightClientError

# The first windows are small, so that the first answers come soon.
FIRST_TEXTS, MOST_TEXTS = 64, 1024
MOST_CHARACTERS = 1_000_000


class Window:
    """Some texts and what has become of each.

    `start`: the place of the first one in the stream. `failure`: what the stream raised after the
    last one.
    """

    def __init__(self, start: int) -> None:
        self.start = start
        self.texts: list[Text] = []
        self.failure: Exception | None = None
        self._outcomes: list[Outcome | None] = []
        self._futures: dict[int, Future[None]] = {}

    def add(self, value: object) -> int:
        """Take one more text, or the error that it is none; give the number of its characters."""
        try:
            text = check_text(value, f"texts[{self.start + len(self.texts)}]")
        except InputError as error:
            self.texts.append("")
            self._outcomes.append(error)
            return 0
        self.texts.append(text)
        self._outcomes.append(None)
        return len(text) if isinstance(text, str) else len(text[0]) + len(text[1])

    def pending(self) -> list[int]:
        """The places, from 0, of the texts that nothing has become of yet."""
        return [at for at, outcome in enumerate(self._outcomes) if outcome is None]

    def settle(self, places: Sequence[int], outcomes: Sequence[Outcome]) -> None:
        """Say what has become of the texts at these places."""
        for at, outcome in zip(places, outcomes, strict=True):
            self._outcomes[at] = outcome

    def expect(self, places: Sequence[int], future: "Future[None]") -> None:
        """Say what settles the texts at these places."""
        self._futures.update(dict.fromkeys(places, future))

    def outcome(self, at: int) -> Outcome:
        """What has become of a text; waits for it."""
        while (outcome := self._outcomes[at]) is None:
            self._futures[at].result()
        return outcome


def read_windows(texts: Iterable[object]) -> Iterator[Window]:
    """Read a stream, one window at a time; what it raises stands in the last one."""
    stream, start, most = iter(texts), 0, FIRST_TEXTS
    while True:
        window = _read(stream, start, most)
        if window.texts or window.failure:
            yield window
        if window.failure or not window.texts:
            return
        start += len(window.texts)
        most = min(2 * most, MOST_TEXTS)


def _read(stream: Iterator[object], start: int, most: int) -> Window:
    window, characters = Window(start), 0
    try:
        for text in islice(stream, most):
            characters += window.add(text)
            if characters >= MOST_CHARACTERS:
                break
    except Exception as error:  # noqa: BLE001 - it is raised when its turn comes
        window.failure = error
    return window


def cut(lengths: Mapping[int, int], fixed: int | None, budget: int) -> Iterator[list[int]]:
    """Cut rows into requests, the longest rows first.

    Args:
        lengths: the tokens of each row, by its place.
        fixed: the tokens that every row is padded to at least; None: the longest of its request.
        budget: the most tokens of a request, padding included; a single row may have more.

    Yields:
        The places of a request's rows, in rising order.
    """
    longest_first = sorted(lengths, key=lengths.__getitem__, reverse=True)
    at = 0
    while at < len(longest_first):
        width = max(fixed or 0, lengths[longest_first[at]])
        count = max(1, budget // width)
        yield sorted(longest_first[at : at + count])
        at += count
