"""The one clock that bounds a whole exchange."""

from time import monotonic


class Deadline:
    """A moment, `seconds` from its making, that every wait of a call is held against."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = monotonic() + seconds

    @property
    def over(self) -> bool:
        """Whether the moment has passed."""
        return monotonic() >= self._end

    def allows(self, pause: float) -> bool:
        """Whether anything would be left after a pause of so many seconds."""
        return monotonic() + pause < self._end

    def remaining(self) -> float:
        """The seconds left, above 0.

        Raises:
            TimeoutError: none are left.
        """
        left = self._end - monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return left
