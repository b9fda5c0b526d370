"""The memory of a process over the number of its rows, and the bytes that a row takes."""

from typing import Any

from tests.benchmarks import servers
from tests.benchmarks.figures import rounded
from tests.benchmarks.processes import Server
from tests.benchmarks.session import Session

ROWS = (10_000, 100_000, 1_000_000)
_SENT = 10_000  # rows
_REQUEST_LINE = b"POST /v1/models/free:predict HTTP/1.1"


def memory(session: Session) -> dict[str, float]:
    """Peak megabytes, each of a process of its own, whose server answers at once."""
    return {str(number): _peak(session, session.scaled(number)) for number in ROWS}


def _peak(session: Session, number: int) -> float:
    with Server() as server, session.side("client", "growth", port=server.port) as program:
        return rounded(program.ask("memory", number=number) / 1e6)


def size(session: Session) -> dict[str, Any]:
    """The bytes of the bodies that a row takes there and back."""
    number = session.scaled(_SENT)
    with Server() as server, session.side("client", "growth", port=server.port) as program:
        sent = program.ask("sent", number=number)
    body = b'{"inputs":{"input_ids":[' + b",".join([b"[101]"] * number) + b"]}}"
    return {
        "sent": round(sent),
        "received": round(len(servers.answer(_REQUEST_LINE, body)) / number),
    }
