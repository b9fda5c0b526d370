"""Text in, label out, through TensorFlow Serving's REST API.

The public names are those of this module, of `lightclient.standin` and of
`lightclient.aws_lambda`, and what the README documents. All other modules are internal and may
change with any release.

This module is the table of contents. Importing it loads nothing heavy, reads no environment and
opens no connection; each name loads its module when it is first used.
"""

from lightclient.errors import (  # noqa: I001
    AccessDenied, BadRequest, BundleError, CannotConnect, ConnectionLost, ExportError, InputError,
    LightClientError, ModelNotFound, NotTensorFlowServing, Overloaded, RedirectRefused, ReplyError,
    ReplyTooLarge, ServerError, ServerFailed, SettingError, SignatureError, SignatureNotFound,
    TimedOut, TransportError, Unavailable,
)  # fmt: skip
from lightclient.lazy import lazy_names
from lightclient.version import __version__

# lightclient.lazy says why.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from lightclient.classification import Classification, Score
    from lightclient.client import Classifier, classify
    from lightclient.model.bundle import Bundle
    from lightclient.serving.signature import Signature
else:
    __getattr__, __dir__ = lazy_names(
        globals(),
        {
            "Bundle": "lightclient.model.bundle",
            "Classification": "lightclient.classification",
            "Classifier": "lightclient.client",
            "Score": "lightclient.classification",
            "Signature": "lightclient.serving.signature",
            "classify": "lightclient.client",
        },
    )

__all__ = [
    "AccessDenied", "BadRequest", "Bundle", "BundleError", "CannotConnect", "Classification",
    "Classifier", "ConnectionLost", "ExportError", "InputError", "LightClientError",
    "ModelNotFound", "NotTensorFlowServing", "Overloaded", "RedirectRefused", "ReplyError",
    "ReplyTooLarge", "Score", "ServerError", "ServerFailed", "SettingError", "Signature",
    "SignatureError", "SignatureNotFound", "TimedOut", "TransportError", "Unavailable",
    "__version__", "classify",
]  # fmt: skip
