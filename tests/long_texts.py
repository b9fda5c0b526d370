"""Long texts, the same in each run and each version of Python, and what to compare of them."""

import json
import shutil
from hashlib import sha256
from pathlib import Path
from random import Random

from tests.golden import GOLDEN

_SENTENCES = Path(__file__).parent / "data" / "sst2" / "dev.tsv"
# What tokenizers read in their own ways: spaces, marks, letters without spaces, special tokens.
_ODD = [
    "Unbelievably GOOD!", "  ", "\n\n", "电影很好看", "あの映画", "👩\u200d👩\u200d👧",
    "nai\u0308ve", "[SEP]", "</s>", "<mask>", "0123456789", "ﬁne", "가각", "\u200b", "ab" * 60,
    "ไทย", "Привет",
]  # fmt: skip


def long_text(seed: int, count: int) -> str:
    """Sentences, and now and then something odd: `count` of them."""
    chance = Random(seed)
    lines = _SENTENCES.read_text(encoding="utf-8").splitlines()
    sentences = [line.split("\t")[0] for line in lines if line]

    def pick(some: list[str]) -> str:
        # Random.choice may change with the version of Python, Random.random never does.
        return some[int(chance.random() * len(some))]

    return " ".join(pick(_ODD if chance.random() < 0.2 else sentences) for _ in range(count))


def digest(ids: list[list[int]], type_ids: list[list[int]]) -> str:
    """A short name for these rows."""
    return sha256(json.dumps([ids, type_ids]).encode()).hexdigest()[:12]


def front_only(parent: Path) -> Path:
    """A folder of a tokenizer whose special tokens all stand in front of a text."""
    folder = Path(shutil.copytree(GOLDEN / "bert-uncased", parent / "front-only"))
    parts = json.loads((folder / "tokenizer.json").read_bytes())
    cls, first, second = (
        {"SpecialToken": {"id": "[CLS]", "type_id": 1}},
        {"Sequence": {"id": "A", "type_id": 0}},
        {"Sequence": {"id": "B", "type_id": 1}},
    )
    parts["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [cls, cls, first],
        "pair": [cls, first, cls, second],
        "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}},
    }
    settings = json.loads((folder / "tokenizer_config.json").read_bytes())
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"  # BERT's own would have its own
    for name, content in (("tokenizer.json", parts), ("tokenizer_config.json", settings)):
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return folder
