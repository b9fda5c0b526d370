"""The one clock that bounds a whole call."""

import time
from collections.abc import Callable

from lightclient.http.pace import Pace

# Nothing wakes a thread that waits in a socket, so it looks for `stop` as often as this.
_LONGEST_WAIT = 0.1


class Stop:
    """Ends what waits for a server, soon after another thread has called `set`."""

    # A threading.Event has a lock, which an interrupt can leave locked for ever.
    _is_set = False

    def set(self) -> None:
        """End the waits."""
        self._is_set = True

    def is_set(self) -> bool:
        """Whether `set` was called."""
        return self._is_set


class Deadline:
    """The moment, `seconds` after it was made, at which a call has to end.

    `stop` brings it forward to now. It is never later than the one that it lies `within`.
    `pace`: that of the stream whose request it bounds, if it is one.
    """

    def __init__(
        self,
        seconds: float,
        stop: Stop | None = None,
        within: "Deadline | None" = None,
        pace: Pace | None = None,
    ) -> None:
        self.seconds, self.pace, self.stop = seconds, pace, stop
        self._end = time.monotonic() + seconds
        if within is not None and within._end < self._end:
            self.seconds, self._end = within.seconds, within._end

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` has brought it forward."""
        return self.stop is not None and self.stop.is_set()

    @property
    def left(self) -> float:
        """The seconds until then; 0 or less after it."""
        return 0.0 if self.is_stopped else self._end - time.monotonic()

    @property
    def over(self) -> bool:
        """Whether the moment has passed."""
        return self.left <= 0

    def next_wait(self) -> float:
        """The seconds that one wait may take; after it, ask again.

        Raises:
            TimeoutError: none are left.
        """
        left = self.left
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return left if self.stop is None else min(left, _LONGEST_WAIT)

    def pause(self, seconds: float, until: Callable[[], bool] | None = None) -> None:
        """Sleep for `seconds`, or until `stop` is set, or until `until` gives True."""
        if self.stop is None and until is None:
            time.sleep(seconds)
            return
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self.is_stopped:
            if until and until():
                return
            time.sleep(min(left, _LONGEST_WAIT))
