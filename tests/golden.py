"""The golden data, read for tests; tests/data/golden/README.md says what it is."""

import json
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent / "data" / "golden"
FOLDERS = sorted(path.parent for path in GOLDEN.glob("*/golden.json"))


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
