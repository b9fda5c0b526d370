"""The files of a bundle: in a folder of the user or one that ships, or carried by a served model.

`lightclient export` writes two kinds of signatures into a SavedModel, beside `serving_default`:

- `lightclient_bundle`, which takes names of files (`file`, string [any]) and gives their bytes
  (`content_bytes`, string [any]), empty for a file that the bundle has not;
- the same function, and the same `serving_default`, once more under a name that ends with `-` and
  the bundle's fingerprint. The names are part of the metadata, so that these tell which bundle
  belongs to the model. A version with another bundle refuses a request to such a name.
"""

import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from lightclient.errors import BundleError, InputError
from lightclient.messages import short_repr
from lightclient.model.document import unreadable

DEFAULT_BUNDLE = "distilbert-base-uncased-finetuned-sst-2-english"
CROSS_ENCODER = "config_sentence_transformers.json"
# In the order of the alphabet, which is that of the fingerprint.
NAMES = (
    "config.json", CROSS_ENCODER, "special_tokens_map.json", "tokenizer.json",
    "tokenizer_config.json",
)  # fmt: skip
VOCABULARY = "vocab.txt"  # of a BERT model without a tokenizer.json
SIGNATURE = "lightclient_bundle"
FILE, CONTENT = "file", "content_bytes"

Files = Mapping[str, bytes]


class Origin(NamedTuple):
    """Where files come from: a folder, or a served model.

    `start`: of the paths in errors. `vocabulary`: the name that `vocab.txt` has there.
    """

    start: str
    vocabulary: str = VOCABULARY

    def path(self, name: str) -> str:
        """What errors call a file."""
        return self.start + (self.vocabulary if name == VOCABULARY else name)


def find_folder(source: str | Path | None) -> Path:
    """Find the folder of a bundle by its path or its shipped name; None stands for the default."""
    if source is None:
        source = DEFAULT_BUNDLE
    if not isinstance(source, (str, Path)):
        raise InputError(f"bundle must be a name or a folder's path, not {type(source).__name__}")
    # Shipped bundles are inside the package in a wheel, and beside it in a checkout.
    package = Path(__file__).resolve().parent.parent
    shipped = package / "vocab" if (package / "vocab").is_dir() else package.parent / "vocab"
    names = sorted(entry.name for entry in shipped.iterdir() if entry.is_dir())
    if source in names:
        return shipped / source
    folder = Path(os.path.expanduser(source))  # Path.expanduser raises where there is no such user
    if not os.path.isdir(folder):  # Path.is_dir raises on a name that is too long
        raise BundleError(
            f"no bundle {short_repr(str(source), 200)}: not a folder, and not a shipped name "
            f"({', '.join(names)}); give the path of a folder with tokenizer.json and config.json"
        )
    return folder


def read_files(folder: Path) -> dict[str, bytes]:
    """The bundle's files that a folder has, by their names; `vocab.txt` if it has to do.

    A BundleError says that one cannot be read.
    """
    try:
        found = {name: (folder / name).read_bytes() for name in NAMES if (folder / name).is_file()}
        vocabulary = folder / VOCABULARY
        if "tokenizer.json" not in found and vocabulary.is_file():
            found[VOCABULARY] = vocabulary.read_bytes()
    except OSError as error:
        raise unreadable(str(folder), "a bundle", error) from error
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
    return digest.hexdigest()[:16]


def bound(signature: str, fingerprint: str) -> str:
    """The name under which a signature belongs to one bundle."""
    return f"{signature}-{fingerprint}"
