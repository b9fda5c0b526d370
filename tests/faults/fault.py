"""What a fault is, and what must come of it."""

import math
from dataclasses import dataclass

from lightclient import (
    BadRequest,
    CannotConnect,
    ConnectionLost,
    LightClientError,
    Overloaded,
    ReplyError,
    ServerFailed,
    TimedOut,
    Unavailable,
)
from tests.faults.server import Act

Kinds = tuple[type[LightClientError], ...]
# What must come: the right answer, or an error of exactly one of these classes.
RIGHT: Kinds = ()
# A call repeats after these, `classify_many` until the deadline of a request; and that sends the
# parts of a request again after those.
_REPEATED = {CannotConnect, ConnectionLost, Overloaded, Unavailable}
SENT_IN_PARTS = (BadRequest, ReplyError, ServerFailed)
PREDICT, METADATA, BOTH = b"POST", b"GET", b""


@dataclass(frozen=True)
class Fault:
    """One way to fail.

    Attributes:
        name: readable; it names the test.
        act: what the server does.
        lasting: what must come while it lasts.
        passing: what must come if only the first request meets it; None: it follows from `lasting`.
        at_accept: it comes before the request is read.
        tls: whether TLS makes a difference.
        timeout: of the call; those that wait for it have a short one.
        retries: of the classifier.
        at_once: the error must come in less than half of the timeout.
        listens: whether the server's port is open at all.
        heavy: so much work that one call and one bulk run are enough.
        asks: which requests can meet it.
    """

    name: str
    act: Act
    lasting: Kinds
    passing: Kinds | None = None
    at_accept: bool = False
    tls: bool = False
    timeout: float = 5.0
    retries: int = 1
    at_once: bool = False
    listens: bool = True
    heavy: bool = False
    asks: bytes = PREDICT

    def expected(self, *, lasts: bool, many: bool) -> Kinds:
        if lasts or not self.lasting:
            return self.lasting
        if self.passing is not None:
            return self.passing
        if self.is_repeated:
            return RIGHT
        if many and all(issubclass(kind, SENT_IN_PARTS) for kind in self.lasting):
            return RIGHT
        return self.lasting

    @property
    def is_repeated(self) -> bool:
        """Whether a request that meets it is sent again, as long as there is time."""
        return self.lasting != RIGHT and _REPEATED.issuperset(self.lasting) and not self.at_once

    @property
    def waits(self) -> bool:
        """Whether it takes its whole timeout."""
        return TimedOut in self.lasting and self.timeout < 5

    def times(self, *, lasts: bool) -> float:
        return math.inf if lasts else 1
