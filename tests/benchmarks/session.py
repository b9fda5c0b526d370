"""What the rows of one run share."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.benchmarks import texts
from tests.benchmarks.environments import ROOT, Environments
from tests.benchmarks.processes import Program, script

BUNDLE = ROOT / "vocab" / "distilbert-base-uncased-finetuned-sst-2-english"
TOKENIZER = BUNDLE / "tokenizer.json"  # the same for all sides
_SENTENCES = 5_000


@dataclass
class Session:
    """`folder`: for files that the rows write. `quick`: as little as shows that a row runs."""

    environments: Environments
    folder: Path
    quick: bool = False

    def rounds(self, number: int) -> int:
        """How often each side is measured."""
        return 2 if self.quick else number

    def scaled(self, number: int) -> int:
        """How many calls or texts a measurement has."""
        return max(1, number // 20) if self.quick else number

    def scaled_seconds(self, number: float) -> float:
        """How long a measurement takes."""
        return number / 20 if self.quick else number

    @cached_property
    def sentences(self) -> str:
        """A file with sentences that are all different, because equal ones are asked once."""
        path = self.folder / "sentences.json"
        path.write_text(json.dumps(texts.different(_SENTENCES)), encoding="utf-8")
        return str(path)

    def side(self, environment: str, name: str, **setup: Any) -> Program:
        """Start a side that stays warm between its measurements."""
        known = {"tokenizer": str(TOKENIZER), "sentences": self.sentences}
        python = self.environments.python(environment)
        return Program(script(python, f"sides/{name}.py", json.dumps(known | setup)))
