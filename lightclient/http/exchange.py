"""One request and its answer: the time and the bytes that it may take, and what became of it."""

from errno import EAGAIN
from typing import IO

from urllib3 import Timeout

from lightclient.http.deadline import Deadline

# The head of an answer and the framing of its chunks come on top of the body.
_FRAMING_BYTES = 1024 * 1024


class Exchange(Timeout):
    """What urllib3 and http.client hand down to the socket in place of a number of seconds.

    A number would bound each single wait, and a server that sends a byte a second would never be
    late. urllib3 and http.client pass this object on without looking into it, and the socket asks
    it before each wait.

    `most_bytes`: the largest body. `dialled`: a connection had to be opened. `connecting`: it is
    not open yet. `received`: how many bytes came. `ended`: the server has closed its side.
    `complete`: the whole answer is here, so that no read waits for more. `surplus`: bytes came
    beyond the answer. `reader`: what reads the answer from the socket.
    """

    def __init__(self, deadline: Deadline, most_bytes: int) -> None:
        super().__init__()
        self.deadline = deadline
        self.most_bytes = most_bytes
        self.dialled = self.connecting = False
        self.ended = self.complete = self.surplus = False
        self.received = 0
        self.reader: IO[bytes] | None = None

    def clone(self) -> "Exchange":
        """The exchange itself, so that urllib3 hands on this object and no copy of it."""
        return self

    connect_timeout = read_timeout = property(clone)

    @property
    def too_large(self) -> bool:
        """Whether more bytes came, or were announced, than one exchange may have."""
        return self.received > self.most_bytes + _FRAMING_BYTES

    def expect(self, size: int) -> None:
        """Check a size that the server announces, before any memory is set aside for it.

        Raises:
            OSError: it is more than the largest body.
        """
        if size > self.most_bytes:
            self.received += size + _FRAMING_BYTES
            raise OSError("more bytes are announced than one exchange may have")

    def count(self, size: int) -> None:
        """Count bytes that came.

        Raises:
            OSError: they are more than one exchange may have.
        """
        self.ended = size == 0
        self.received += size
        if self.too_large:
            raise OSError("more bytes came than one exchange may have")

    def next_wait(self) -> float:
        """The seconds that the next wait for the server may take.

        Raises:
            TimeoutError: the deadline has passed.
            BlockingIOError: the answer is whole.
        """
        if self.complete:
            raise BlockingIOError(EAGAIN, "the answer is whole")
        return self.deadline.next_wait()
