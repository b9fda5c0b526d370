"""One way for all measurements to keep `classify_many` at a load of their own."""

from collections.abc import Iterator
from contextlib import contextmanager

from lightclient.streams import load


@contextmanager
def fixed(tokens: int, requests: int) -> Iterator[None]:
    """Requests of so many tokens, so many at once, for the streams that begin in here."""
    before = load.FIRST, load.LEAST, load.MOST
    only = load.Load(tokens, requests)
    load.FIRST = load.LEAST = load.MOST = only
    try:
        yield
    finally:
        load.FIRST, load.LEAST, load.MOST = before
