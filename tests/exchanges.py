"""What a real TensorFlow Serving answered; tests/data/exchanges/README.md says where it is from."""

import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "data" / "exchanges"
EXCHANGES: list[dict[str, Any]] = json.loads(
    (_FOLDER / "exchanges.json").read_text(encoding="utf-8")
)
