"""What has become of the rows."""

from collections.abc import Iterator
from dataclasses import dataclass

from lightclient.cli.rows import Row


@dataclass
class Tally:
    """Counts the rows of an output.

    `rows`: those that are written; `begun`: those of them that an earlier run wrote. `truncated`,
    `missing`, `errors`: how many were cut, have no text, or got an error.
    """

    rows: int = 0
    begun: int = 0
    truncated: int = 0
    missing: int = 0
    errors: int = 0
    _first_missing: str = ""
    _first_error: str = ""

    def add(self, row: Row, *, truncated: bool = False, error: str = "") -> None:
        """Count a row. `error`: what it got instead of an answer."""
        self.rows += 1
        self.truncated += truncated
        if row.text is None:
            self.missing += 1
            self._first_missing = self._first_missing or f"{row.place} {row.lack}"
        if error:
            self.errors += 1
            self._first_error = self._first_error or f"{row.place}: {error}"

    def tell(self) -> Iterator[str]:
        """What the user has to know at the end."""
        if self.truncated:
            texts = number(self.truncated, "1 text was", "texts were")
            yield f"{texts} longer than the model takes; the rest was not read"
        if self.missing:
            rows = number(self.missing, "1 row has", "rows have")
            yield f"{rows} no text and got no answer; {_first(self.missing)}{self._first_missing}"
        if self.errors:
            rows = number(self.errors, "1 row", "rows")
            yield f"{rows} got an error and no answer; {_first(self.errors)}{self._first_error}"


def number(count: int, one: str, more: str) -> str:
    """How many there are, in words for one or for more."""
    return one if count == 1 else f"{count} {more}"


def _first(count: int) -> str:
    return "" if count == 1 else "the first: "
