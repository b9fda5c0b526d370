"""A stand-in for TensorFlow Serving's REST API, for development, demos and your own tests.

    with StandIn() as url:                  # the bundled demo model
        requests.post(url + ":predict", ...)
    with StandIn(my_callable) as url: ...   # your function behind the usual signature
    with StandIn(SavedModels("OUT_DIR")) as url: ...    # the real thing, run by TensorFlow

It runs in this process, on a loopback port of its own, and answers as the real server does, message
for message. It is not made to be put before users: no TLS, no access control.

This module is the table of contents; each name loads its module when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightclient.standin.models import ServedModel, SignatureDef, TensorSpec, VersionState
    from lightclient.standin.repository import SavedModels
    from lightclient.standin.server import StandIn

__all__ = ["SavedModels", "ServedModel", "SignatureDef", "StandIn", "TensorSpec", "VersionState"]

_HOMES = {
    "SavedModels": "lightclient.standin.repository",
    "ServedModel": "lightclient.standin.models",
    "SignatureDef": "lightclient.standin.models",
    "StandIn": "lightclient.standin.server",
    "TensorSpec": "lightclient.standin.models",
    "VersionState": "lightclient.standin.models",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
