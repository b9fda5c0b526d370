"""The one clock that bounds a whole exchange."""

import time
from threading import Event

# The longest that a wait for the server goes on after `stop` is set.
_STRETCH = 0.1


class Deadline:
    """A moment, `seconds` from its making, that every wait of a call is held against.

    Another thread brings it forward to now by setting `stop`.
    """

    def __init__(self, seconds: float, stop: Event | None = None) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds
        self._stop = stop

    @property
    def over(self) -> bool:
        """Whether the moment has passed."""
        return not self.allows(0)

    def allows(self, pause: float) -> bool:
        """Whether anything would be left after a pause of so many seconds."""
        if self._stop is not None and self._stop.is_set():
            return False
        return time.monotonic() + pause < self._end

    def remaining(self) -> float:
        """The seconds left, above 0.

        Raises:
            TimeoutError: none are left.
        """
        left = self._end - time.monotonic()
        if left <= 0 or self.over:
            raise TimeoutError("the deadline has passed")
        return left

    def stretch(self) -> float:
        """The seconds to wait at a time, before looking again; raises as `remaining` does."""
        left = self.remaining()
        return left if self._stop is None else min(left, _STRETCH)

    def part(self, parts: int) -> "Deadline":
        """The first of so many equal parts of what is left; raises as `remaining` does."""
        return Deadline(self.remaining() / parts, self._stop)

    def pause(self, seconds: float) -> None:
        """Sleep for so long, or until `stop` is set."""
        if self._stop is None:
            time.sleep(seconds)
        else:
            self._stop.wait(seconds)
