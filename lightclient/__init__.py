"""Text in, label out, through TensorFlow Serving's REST API.

This module is the table of contents. Importing it loads nothing heavy, reads no environment and
opens no connection; each name loads its module when it is first used.
"""

from lightclient.errors import (
    AccessDenied,
    BadRequest,
    BundleError,
    CannotConnect,
    ConnectionLost,
    ExportError,
    InputError,
    LightClientError,
    ModelNotFound,
    NotTensorFlowServing,
    Overloaded,
    RedirectRefused,
    ReplyError,
    ReplyTooLarge,
    ServerError,
    ServerFailed,
    SettingError,
    SignatureError,
    SignatureNotFound,
    TimedOut,
    TransportError,
    Unavailable,
)
from lightclient.lazy import lazy_names
from lightclient.version import __version__

# As in lightclient.lazy, which says why.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from lightclient.client import Classifier, classify
    from lightclient.model.bundle import Bundle
    from lightclient.scoring import Classification, Score
    from lightclient.serving.signature import Signature
else:
    __getattr__, __dir__ = lazy_names(
        globals(),
        {
            "Bundle": "lightclient.model.bundle",
            "Classification": "lightclient.scoring",
            "Classifier": "lightclient.client",
            "Score": "lightclient.scoring",
            "Signature": "lightclient.serving.signature",
            "classify": "lightclient.client",
        },
    )

__all__ = [
    "AccessDenied",
    "BadRequest",
    "Bundle",
    "BundleError",
    "CannotConnect",
    "Classification",
    "Classifier",
    "ConnectionLost",
    "ExportError",
    "InputError",
    "LightClientError",
    "ModelNotFound",
    "NotTensorFlowServing",
    "Overloaded",
    "RedirectRefused",
    "ReplyError",
    "ReplyTooLarge",
    "Score",
    "ServerError",
    "ServerFailed",
    "SettingError",
    "Signature",
    "SignatureError",
    "SignatureNotFound",
    "TimedOut",
    "TransportError",
    "Unavailable",
    "__version__",
    "classify",
]
