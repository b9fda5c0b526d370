"""How many requests of a stream are under way, and how long they go on when they fail."""

from contextlib import suppress
from queue import Empty, SimpleQueue

# By how much more each answer allows. One more request after 16 answers keeps the refusals rare.
_MORE = 1 / 16


class Pace:
    """Fewer requests are under way while a server is overloaded, and more again when it is not.

    It is TCP's congestion avoidance (RFC 5681, 3.1), with refused requests in the place of lost
    packets: a refusal halves the number allowed, and each answer adds a little. Who makes a request
    takes a permit before it and gives it back at its end, however often it is refused until then.
    So no new request gets in its way, which would have it refused until its deadline.

    `limit`: how many are allowed as long as the server refuses none. `most`: the highest limit that
    may come; `limit` itself if left out. `refusals`: how many there were. `patient`: whether a
    request that fails is repeated until its deadline, rather than as often as `retries` says. It is
    not, for a while, after one has failed for good.
    """

    def __init__(self, limit: int, most: int | None = None, *, patient: bool = True) -> None:
        # No lock, which an interrupt or a finalizer could leave locked. If an update is lost to
        # that of another thread, the next ones make up for it.
        self.patient, self.refusals = patient, 0
        self._may_be_patient = patient
        self._most, self._limit, self._allowed = most or limit, limit, float(limit)
        self._free: SimpleQueue[None] = SimpleQueue()
        self._withheld: SimpleQueue[None] = SimpleQueue()
        for place in range(self._most):
            (self._free if place < limit else self._withheld).put(None)

    def set_limit(self, limit: int) -> None:
        """Allow as many as this, unless the server has refused some of those before."""
        if self._allowed >= min(limit, self._limit):
            self._allowed = float(limit)
        self._limit = limit

    def take_permit(self) -> None:
        """Wait until another request may begin."""
        self._free.get()

    def give_permit_back(self) -> None:
        """End a request. Its permit is withheld if more requests go on than are allowed now."""
        self._withheld.put(None)
        # At least one is allowed, so that the last permit to come back always goes on.
        with suppress(Empty):  # another thread may have been faster
            while self._withheld.qsize() > self._most - int(self._allowed):
                self._free.put(self._withheld.get_nowait())

    def give_all_permits(self) -> None:
        """Let everyone begin; also at the end of the stream, so that nobody waits any longer."""
        for _ in range(self._most):
            self._free.put(None)

    def answered(self) -> None:
        """The server has answered a request."""
        self.patient = self._may_be_patient
        self._allowed = min(self._allowed + _MORE, float(self._limit))

    def refused(self) -> None:
        """The server has too much to do and refused a request, or the repeats are too many."""
        self.refusals += 1
        self._allowed = max(self._allowed / 2, 1.0)

    def gave_up(self) -> None:
        """A request has failed for good."""
        # Else each request to a server that is gone for good would take its whole time.
        self.patient = False
