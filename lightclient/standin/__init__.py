"""A stand-in for TensorFlow Serving's REST API, for development, demos and your own tests.

    with StandIn() as url:                  # the bundled demo model
        requests.post(url + ":predict", ...)
    with StandIn(my_callable) as url: ...   # your function behind the usual signature
    with StandIn(SavedModels("OUT_DIR")) as url: ...    # the real thing, run by TensorFlow

It runs in this process, on a loopback port of its own. It answers as the real server does: in
status, JSON and the messages that clients tell apart. It is not meant for production, since it has
no TLS and no access control.
"""

from lightclient.standin.batching import Batching
from lightclient.standin.models import ServedModel, VersionState
from lightclient.standin.repository import SavedModels
from lightclient.standin.server import StandIn
from lightclient.standin.signatures import SignatureDef, TensorSpec

__all__ = [
    "Batching",
    "SavedModels",
    "ServedModel",
    "SignatureDef",
    "StandIn",
    "TensorSpec",
    "VersionState",
]
