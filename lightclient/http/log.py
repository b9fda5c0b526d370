"""One record in the log for each exchange, so that whoever runs a service sees its calls."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from logging import DEBUG, getLogger
from typing import Any

from lightclient.http.deadline import Deadline

LOG = getLogger("lightclient")
_WORDS = (
    "%(method)s %(url)s status=%(status)s error=%(error)s attempts=%(attempts)d "
    "repeated=%(repeated)s bytes_sent=%(bytes_sent)d bytes_received=%(bytes_received)d "
    "seconds=%(seconds).4f"
)


@contextmanager
def logged(
    method: str, url: str, body: bytes | None, deadline: Deadline
) -> Iterator[dict[str, Any]]:
    """Log one record at the end of an exchange with all its repeats, at level DEBUG.

    What is yielded becomes the attributes of the record: the caller fills in `status` and
    `bytes_received` of an answer, and adds to `repeated` the status or the error behind each
    repeat. `error` is the name of the error's class, or "Cancelled" if the task or the stream was
    left meanwhile. `seconds` has the pauses in it.
    """
    found: dict[str, Any] = {"method": method, "url": url, "status": None, "error": None}
    found |= {"repeated": [], "bytes_sent": len(body or b""), "bytes_received": 0}
    started = time.perf_counter()
    try:
        yield found
    except BaseException as error:
        found["status"] = getattr(error, "status", None)
        found["error"] = "Cancelled" if deadline.is_stopped else type(error).__name__
        raise
    finally:
        found["attempts"] = len(found["repeated"]) + 1
        found["seconds"] = time.perf_counter() - started
        record = LOG.makeRecord(LOG.name, DEBUG, __file__, 0, _WORDS, (found,), None)
        # extra= would fail where the application's own factory of records sets an attribute of
        # the same name, such as the method of the request that it serves.
        vars(record).update(found)
        LOG.handle(record)
