"""The import of numpy in the background, because it takes as long as many requests do."""

import os
import sys
import threading
from contextlib import suppress

_LOCK = threading.Lock()
if hasattr(os, "register_at_fork"):
    # A child would wait for ever for the lock of an import that goes on in its parent. So no
    # process forks before the import has ended, and none begins it before the fork has ended.
    os.register_at_fork(
        before=_LOCK.acquire, after_in_parent=_LOCK.release, after_in_child=_LOCK.release
    )


def import_numpy_meanwhile() -> None:
    """Begin to import numpy, in a thread, while the tokenizer is loaded and the server computes."""
    if "numpy" not in sys.modules:
        # A daemon, because a Ctrl-C in an import of the main thread can leave a lock of Python's
        # behind for which this thread would wait for ever, and the end of the process with it.
        thread = threading.Thread(target=_import_numpy, name="lightclient-numpy", daemon=True)
        with suppress(RuntimeError):  # without a thread, it is imported when it is needed
            thread.start()


def _import_numpy() -> None:
    with _LOCK, suppress(ImportError):  # raised again where numpy is needed
        import lightclient.scoring  # noqa: F401
