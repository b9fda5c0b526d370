"""What is classified: sentences of SST-2, and texts of a known length."""

from functools import lru_cache
from pathlib import Path

_FILE = Path(__file__).parent.parent / "data" / "sst2" / "dev.tsv"
SHORT = "I like you. I love you"  # 9 tokens
_WORDS_OF_400_TOKENS = 355


@lru_cache
def sentences() -> list[str]:
    """The development set, in its order."""
    lines = _FILE.read_text(encoding="utf-8").splitlines()
    return [line.rpartition("\t")[0] for line in lines]


def different(count: int) -> list[str]:
    """So many sentences. Where they have to repeat, a number at their end tells them apart."""
    found = sentences()
    rounds = range(1, -(-count // len(found)))
    return [*found, *(f"{text} {at}" for at in rounds for text in found)][:count]


def long() -> str:
    """A text of 400 tokens."""
    return " ".join(" ".join(sentences()).split()[:_WORDS_OF_400_TOKENS])
