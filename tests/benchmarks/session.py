"""What one run of the suite has at hand."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.benchmarks import texts
from tests.benchmarks.environments import Environments
from tests.benchmarks.processes import Program, script


@dataclass
class Session:
    """`folder`: for what the rows write. `quick`: as little as can be, to see that it runs."""

    environments: Environments
    folder: Path
    quick: bool = False

    def rounds(self, number: int) -> int:
        """How often the sides take turns."""
        return 2 if self.quick else number

    def scaled(self, number: int) -> int:
        """How many calls or texts."""
        return max(1, number // 20) if self.quick else number

    @cached_property
    def tokenizer(self) -> str:
        """The vocabulary's file, the same for all sides."""
        return str(self.environments.vocabulary() / "tokenizer.json")

    @cached_property
    def sentences(self) -> str:
        """A file with the sentences."""
        path = self.folder / "sentences.json"
        path.write_text(json.dumps(texts.sentences()), encoding="utf-8")
        return str(path)

    def side(self, environment: str, name: str, **setup: Any) -> Program:
        """A side that stays warm."""
        known = {"tokenizer": self.tokenizer, "sentences": self.sentences}
        python = self.environments.python(environment)
        return Program(script(python, f"sides/{name}.py", json.dumps(known | setup)))
