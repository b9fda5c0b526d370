"""One request and its answer: the time and the bytes that it may take, and what became of it."""

from typing import IO

from urllib3 import Timeout

from lightclient.http.deadline import Deadline

# The head of an answer and the framing of its chunks come on top of the body.
_FRAMING_BYTES = 1024 * 1024


class Exchange(Timeout):
    """What urllib3 and http.client hand down to the socket in place of a number of seconds.

    A number would bound each single wait, and a server that sends a byte a second would never be
    late. The socket asks the deadline of this object before each wait instead.
    """

    def __init__(self, deadline: Deadline, most_bytes: int) -> None:
        super().__init__()
        self.deadline = deadline
        self.most_bytes = most_bytes  # of the body
        self.received = 0
        self.too_large = False
        self.dialled = False  # a connection had to be opened
        self.connecting = False  # and is not open yet
        self.complete = False  # the whole answer is here
        self.reader: IO[bytes] | None = None  # reads the answer of a proxy to CONNECT

    def clone(self) -> "Exchange":
        """The exchange itself, so that urllib3 hands on this object and no copy of it."""
        return self

    connect_timeout = read_timeout = property(clone)

    def announce(self, size: int) -> None:
        """Refuse a body of so many bytes, before any memory is set aside for it; raises OSError."""
        self._check(size, self.most_bytes)

    def receive(self, size: int) -> None:
        """Count bytes that came, and refuse those beyond the limit; raises OSError."""
        self.received += size
        self._check(self.received, self.most_bytes + _FRAMING_BYTES)

    def _check(self, size: int, most: int) -> None:
        if size > most:
            self.too_large = True
            raise OSError("the answer has more bytes than one may have")
