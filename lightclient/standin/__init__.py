"""A stand-in for TensorFlow Serving's REST API, for development, demos and your own tests.

    with StandIn() as url:                  # the bundled demo model
        requests.post(url + ":predict", ...)
    with StandIn(my_callable) as url: ...   # your function behind the usual signature
    with StandIn(SavedModels("OUT_DIR")) as url: ...    # the real thing, run by TensorFlow

It runs in this process, on a loopback port of its own. It answers as the real server does: in
status, JSON and the messages that clients tell apart. It is not meant for production, since it has
no TLS and no access control.

This module is the table of contents; each name loads its module when it is first used.
"""

from lightclient.lazy import lazy_names

# As in lightclient.lazy, which says why.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from lightclient.standin.models import ServedModel, SignatureDef, TensorSpec, VersionState
    from lightclient.standin.repository import SavedModels
    from lightclient.standin.server import StandIn
else:
    __getattr__, __dir__ = lazy_names(
        globals(),
        {
            "SavedModels": "lightclient.standin.repository",
            "ServedModel": "lightclient.standin.models",
            "SignatureDef": "lightclient.standin.models",
            "StandIn": "lightclient.standin.server",
            "TensorSpec": "lightclient.standin.models",
            "VersionState": "lightclient.standin.models",
        },
    )

__all__ = ["SavedModels", "ServedModel", "SignatureDef", "StandIn", "TensorSpec", "VersionState"]
