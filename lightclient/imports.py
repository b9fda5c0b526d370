"""The import of numpy in the background, because it takes as long as many requests do."""

import os
import sys
import threading
from contextlib import suppress


def import_numpy_meanwhile() -> None:
    """Begin to import numpy, in a thread, while the tokenizer is loaded and the server computes."""
    if "numpy" in sys.modules:
        return
    thread = threading.Thread(target=_import_numpy, name="lightclient-numpy")
    with suppress(RuntimeError):  # without a thread, it is imported when it is needed
        thread.start()
        if hasattr(os, "register_at_fork"):
            # A child would wait for ever for the lock of an import that goes on in its parent.
            os.register_at_fork(before=thread.join)


def _import_numpy() -> None:
    with suppress(ImportError):  # raised again where numpy is needed
        import lightclient.scoring
        import lightclient.serving.reply  # noqa: F401
