"""Where the files of a bundle are: in a folder of the user, or in one that ships."""

import os
from pathlib import Path

from lightclient.errors import BundleError, InputError
from lightclient.messages import short_repr

DEFAULT_BUNDLE = "distilbert-base-uncased-finetuned-sst-2-english"


def find_folder(source: str | Path | None) -> Path:
    """Find the folder of a bundle by its path or its shipped name; None stands for the default.

    Raises:
        BundleError: there is no such folder.
        InputError: `source` is neither a path nor a name.
    """
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
