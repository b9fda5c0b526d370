"""Makes tests/data/golden/long.json, with transformers 4.57: python -m tests.long_make

The windows of long texts, and pairs of which the first text alone is cut. There are digests of the
ids, because the ids are many.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.golden import FOLDERS, GOLDEN
from tests.long_texts import digest, front_only, long_text

# The number of sentences, the tokens of a window, and those that two of them share. "all": as many
# as the text has.
WINDOWS = [
    (30, 512, 0), (40, 512, 64), (60, 128, 100), (100, 16, 3), (200, 384, 128), (500, 512, 256),
    (40, "all", 9), (40, "all but one", 9),
]  # fmt: skip
SECONDS = ["It is good.", "", "A film about [SEP] trains, é", "This example is about sports."]
ROOM = [0, 1, 2, 40, 300]  # for the first text; its sentences have more tokens


def main() -> None:
    """Write the file."""
    import transformers

    made: dict[str, Any] = {"transformers": transformers.__version__}
    with TemporaryDirectory() as scratch:
        plain = [folder for folder in FOLDERS if not folder.name.startswith("conflict")]
        folders = [*plain, front_only(Path(scratch))]
        made["windows"] = answers(folders, windows)
        made["pairs"] = answers(folders, pairs)
    lines = json.dumps(made, separators=(",", ":")).replace("]],", "]],\n")
    (GOLDEN / "long.json").write_text(lines + "\n", encoding="ascii")


def answers(folders: list[Path], make: Callable[[Any], Iterator[list[Any]]]) -> dict[str, Any]:
    """By the name of the folder and the side that is cut."""
    from transformers import AutoTokenizer

    return {
        f"{folder.name} {side}": list(
            make(AutoTokenizer.from_pretrained(folder, truncation_side=side))
        )
        for folder in folders
        for side in ("right", "left")
    }


def windows(tokenizer: Any) -> Iterator[list[Any]]:
    """Seed, sentences, limit, stride, number of windows, digest."""
    for seed, (count, limit, stride) in enumerate(WINDOWS):
        text = long_text(seed, count)
        if isinstance(limit, str):
            limit = len(tokenizer(text)["input_ids"]) - (limit != "all")
        told = tokenizer(
            text, truncation=True, max_length=limit, stride=stride, return_overflowing_tokens=True
        )
        yield [seed, count, limit, stride, len(told["input_ids"]), digest(*columns(told))]


def pairs(tokenizer: Any) -> Iterator[list[Any]]:
    """Seed, second text, limit, digest; None: transformers refuses it as too short."""
    special = tokenizer.num_special_tokens_to_add(pair=True)
    for seed, second in enumerate(SECONDS):
        own = len(tokenizer(second, add_special_tokens=False)["input_ids"])
        for room in ROOM:
            limit = special + own + room
            if room or own:
                told = only_first(tokenizer, long_text(seed, 40), second, limit)
                yield [seed, second, limit, told and digest(*columns(told))]


def only_first(tokenizer: Any, first: str, second: str, limit: int) -> Any:
    """As the zero-shot pipeline calls it (pipelines/zero_shot_classification.py).

    None: it is refused. The pipeline then sends the whole pair to the model, whatever its length.
    """
    try:
        return tokenizer([[first, second]], truncation="only_first", max_length=limit)
    except Exception as error:
        if "too short" not in str(error):
            raise
        return None


def columns(told: Any) -> tuple[Any, Any]:
    """Ids and type ids, which are 0 where the tokenizer gives none."""
    ids = told["input_ids"]
    return ids, told.get("token_type_ids") or [[0] * len(row) for row in ids]


if __name__ == "__main__":
    main()
