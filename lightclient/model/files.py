"""The files of a bundle, and how a served model carries them.

`lightclient export` writes two kinds of signatures into a SavedModel, beside `serving_default`:

- `lightclient_bundle`, which takes names of files (`file`, string [any]) and gives their bytes
  (`content_bytes`, string [any]), empty for a file that the bundle has not;
- the same function, and the same `serving_default`, once more under a name that ends with `-` and
  the bundle's fingerprint. The names are part of the metadata, so that these tell which bundle
  belongs to the model. A version with another bundle refuses a request to such a name.
"""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

CROSS_ENCODER = "config_sentence_transformers.json"
# In the order of the alphabet, which is that of the fingerprint.
NAMES = (
    "config.json", CROSS_ENCODER, "special_tokens_map.json", "tokenizer.json",
    "tokenizer_config.json",
)  # fmt: skip
VOCABULARY = "vocab.txt"  # of a BERT model without a tokenizer.json
SIGNATURE = "lightclient_bundle"
FILE, CONTENT = "file", "content_bytes"
_DIGITS = 16

Files = Mapping[str, bytes]


class Origin(NamedTuple):
    """Where files come from: a folder, or a served model.

    `start`: of the paths in errors. `vocabulary`: the name that `vocab.txt` has there.
    """

    start: str
    is_folder: bool
    vocabulary: str = VOCABULARY

    def path(self, name: str) -> str:
        """What errors call a file."""
        return self.start + (self.vocabulary if name == VOCABULARY else name)


def read_files(folder: Path) -> dict[str, bytes]:
    """The bundle's files that a folder has, by their names; `vocab.txt` if it has to do."""
    found = {name: (folder / name).read_bytes() for name in NAMES if (folder / name).is_file()}
    vocabulary = folder / VOCABULARY
    if "tokenizer.json" not in found and vocabulary.is_file():
        found[VOCABULARY] = vocabulary.read_bytes()
    return found


def fingerprint(files: Files) -> str:
    """The first 16 hex digits of a SHA-256 over the files that are not empty, sorted by name.

    Each counts with its name in UTF-8, a zero byte, its length as 8 bytes, the highest first, and
    its own bytes.
    """
    digest = sha256()
    for name, content in sorted(files.items()):
        if content:
            digest.update(name.encode() + b"\0" + len(content).to_bytes(8, "big"))
            digest.update(content)
    return digest.hexdigest()[:_DIGITS]


def bound(signature: str, fingerprint: str) -> str:
    """The name under which a signature belongs to one bundle."""
    return f"{signature}-{fingerprint}"
