"""Text in, label out, through TensorFlow Serving's REST API.

This module is the table of contents. Importing it loads nothing heavy, reads no environment and
opens no connection; each name loads its module when it is first used.
"""

from importlib import import_module

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
from lightclient.version import __version__

# Type checkers take it for true by its name; importing typing would take as long as all the rest.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from lightclient.classification import Classification, Score
    from lightclient.client import Classifier, classify
    from lightclient.model.bundle import Bundle
    from lightclient.serving.signature import Signature

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

_HOMES = {
    "Bundle": "lightclient.model.bundle",
    "Classification": "lightclient.classification",
    "Classifier": "lightclient.client",
    "Score": "lightclient.classification",
    "Signature": "lightclient.serving.signature",
    "classify": "lightclient.client",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
