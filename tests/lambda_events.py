"""Events as Lambda passes them to a function; tests/data/lambda/README.md tells their source."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "data" / "lambda"
HTTP = ("rest", "http", "function-url", "alb", "alb-lists")
BATCHES = ("sqs", "sqs-fifo", "kinesis")


def read_event(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def http_event(name: str, body: object, *, base64: bool = False) -> dict[str, Any]:
    """A request with this body: JSON, or a string or bytes as they are."""
    data = body if isinstance(body, (str, bytes)) else json.dumps(body)
    if base64:
        data = b64encode(data.encode() if isinstance(data, str) else data).decode()
    return read_event(name) | {"body": data, "isBase64Encoded": base64}


def batch_event(name: str, *bodies: object) -> dict[str, Any]:
    """A batch of these bodies: JSON, or a string as it is."""
    record = read_event(name)["Records"][0]
    return {"Records": [_record(record, at, body) for at, body in enumerate(bodies)]}


def _record(record: dict[str, Any], at: int, body: object) -> dict[str, Any]:
    data = body if isinstance(body, str) else json.dumps(body)
    if "kinesis" not in record:
        return record | {"messageId": f"id-{at}", "body": data}
    encoded = b64encode(data.encode()).decode()
    return record | {"kinesis": record["kinesis"] | {"sequenceNumber": f"id-{at}", "data": encoded}}


def failures(answer: dict[str, Any]) -> list[str]:
    """The names of the records that failed."""
    assert answer.keys() == {"batchItemFailures"}
    assert all(item.keys() == {"itemIdentifier"} for item in answer["batchItemFailures"])
    return [item["itemIdentifier"] for item in answer["batchItemFailures"]]
