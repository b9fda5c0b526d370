"""One record in the log for each exchange, so that whoever runs a service sees its calls."""

import time
from logging import DEBUG, getLogger
from types import TracebackType

from lightclient.http.deadline import Deadline

LOG = getLogger("lightclient")
_WORDS = (
    "%(method)s %(url)s status=%(status)s error=%(error)s attempts=%(attempts)d "
    "repeated=%(repeated)s bytes_sent=%(bytes_sent)d bytes_received=%(bytes_received)d "
    "seconds=%(seconds).4f"
)


class Watch:
    """Watches an exchange, with all its repeats, and logs one record at its end, at level DEBUG.

    The record has these attributes: `method`, `url`; `status`: of the answer, None if there is
    none; `error`: the name of the error's class, None if an answer came, and "Cancelled" if the
    task or the stream was left meanwhile; `attempts`; `repeated`: the status or the error behind
    each repeat; `bytes_sent`, `bytes_received`: the bodies of one request and of the answer;
    `seconds`: with the pauses.

    `repeated`, `status` and `body`, that of the answer, are filled in as the exchange goes on.
    """

    def __init__(self, method: str, url: str, body: bytes | None, deadline: Deadline) -> None:
        self._deadline = deadline
        self._request = {"method": method, "url": url, "bytes_sent": len(body or b"")}
        self.repeated: list[str] = []
        self.status: int | None = None
        self.body = b""
        self._started = time.perf_counter()

    def __enter__(self) -> "Watch":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        found = {
            **self._request,
            "status": getattr(error, "status", self.status),
            "error": "Cancelled" if kind and self._deadline.is_stopped else kind and kind.__name__,
            "attempts": len(self.repeated) + 1,
            "repeated": self.repeated,
            "bytes_received": len(self.body),
            "seconds": time.perf_counter() - self._started,
        }
        record = LOG.makeRecord(LOG.name, DEBUG, __file__, 0, _WORDS, (found,), None)
        # extra= would fail where the application's own factory of records sets an attribute of the
        # same name, such as the method of the request that it serves.
        vars(record).update(found)
        LOG.handle(record)
