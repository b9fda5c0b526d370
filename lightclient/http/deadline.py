"""The one clock that bounds a whole call."""

import time
from collections.abc import Callable

from lightclient.http.pace import Pace

# How long a wait may go on after another thread has set `stop`.
_LONGEST_WAIT = 0.1


class Stop:
    """Tells what waits for a server to end, when another thread has called `set`.

    It has no lock, as a threading.Event has, which an interrupt can leave locked for ever.
    """

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        """End the waits soon."""
        self._is_set = True

    def is_set(self) -> bool:
        """Whether `set` was called."""
        return self._is_set


class Deadline:
    """The moment, `seconds` after it was made, at which a call has to end.

    Another thread can bring it forward to now by setting `stop`. It is never later than the one
    that it lies `within`. `pace`: that of the stream whose request it bounds, if it is one.
    """

    def __init__(
        self,
        seconds: float,
        stop: Stop | None = None,
        within: "Deadline | None" = None,
        pace: Pace | None = None,
    ) -> None:
        self.seconds = seconds
        self.pace = pace
        self._end = time.monotonic() + seconds
        self.stop = stop
        if within is not None and within._end < self._end:
            self.seconds, self._end = within.seconds, within._end

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` has brought it forward."""
        return self.stop is not None and self.stop.is_set()

    @property
    def over(self) -> bool:
        """Whether the moment has passed."""
        return time.monotonic() >= self._end or self.is_stopped

    @property
    def left(self) -> float:
        """The seconds until then; below 0 after it."""
        return self._end - time.monotonic()

    def allows(self, pause: float) -> bool:
        """Whether some time would be left after a pause of `pause` seconds."""
        return not self.is_stopped and time.monotonic() + pause < self._end

    def next_wait(self) -> float:
        """The seconds that one wait may take; after it, ask again.

        Always more than 0, and short where there is a `stop`, because nothing wakes a thread that
        waits in a socket.

        Raises:
            TimeoutError: none are left.
        """
        left = self.left
        if self.over:
            raise TimeoutError("the deadline has passed")
        return left if self.stop is None else min(left, _LONGEST_WAIT)

    def part(self, parts: int) -> "Deadline":
        """A deadline at the end of the first of `parts` equal parts of what is left.

        The addresses of a host are tried in turn. Each gets its share of the time, so that one
        which does not answer leaves some for the next.
        """
        return Deadline(self.left / parts, self.stop)

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
