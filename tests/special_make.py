"""Makes tests/data/golden/special.json, with tokenizers 0.x: python -m tests.special_make

Token ids of random texts of words, spaces and a folder's own added tokens.
"""

import json
import random

from lightclient import Bundle
from lightclient.model.encoding import encode
from tests.golden import FOLDERS, GOLDEN, read
from tests.oracle import IS_1

PIECES = ["a", "the", "film", "é", ".", "▁", " ", " ", "  ", "\t", "\n", "<MASK>", "＜mask＞"]
TEXTS = ["a [UNK] b", "hi  <mask>"]


def main() -> None:
    """Write the file."""
    if IS_1:
        raise SystemExit("the ids are those of 0.x: pip install 'tokenizers<1'")
    chance = random.Random(0)
    made = {}
    for folder in FOLDERS:
        path = folder / "tokenizer.json"
        own = [t["content"] for t in read(path)["added_tokens"]] if path.exists() else ["[SEP]"]
        pieces = PIECES + own * 2
        texts = ["".join(chance.choices(pieces, k=chance.randint(1, 9))) for _ in range(60)]
        bundle = Bundle.load(folder)
        made[folder.name] = {text: encode([text], bundle).input_ids[0] for text in TEXTS + texts}
    lines = (f"{json.dumps(name)}: {json.dumps(ids)}" for name, ids in made.items())
    (GOLDEN / "special.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
