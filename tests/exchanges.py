"""What a real TensorFlow Serving answered; tests/data/exchanges/README.md says where it is from."""

import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "data" / "exchanges"


def _read(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((_FOLDER / name).read_text(encoding="utf-8"))
    return found


EXCHANGES = _read("exchanges.json")
# Bodies of servers with --enable_batching, by the names of the recordings.
BATCHING = {item["name"]: item["response"]["body"] for item in _read("batching.json")}
