"""Many texts: requests of some texts each, answers in the order of the input."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from lightclient.encoding import Text, check_text
from lightclient.scoring import Classification

TEXTS_PER_REQUEST = 32


def classify_stream(
    texts: Iterable[Text], classify: Callable[[list[Text]], list[Classification]]
) -> Iterator[Classification]:
    """Classify texts as they come, reading at most `TEXTS_PER_REQUEST` ahead.

    Raises:
        InputError: a text is not what it must be; the message names its place in `texts`.
        Whatever `classify` raises.
    """
    numbered = enumerate(texts)
    while window := list(islice(numbered, TEXTS_PER_REQUEST)):
        yield from classify([check_text(text, f"texts[{at}]") for at, text in window])
