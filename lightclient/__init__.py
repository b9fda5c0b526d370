"""Text in, label out, through TensorFlow Serving's REST API.

The public names are those of this module, of `lightclient.standin` and of
`lightclient.aws_lambda`, and what the README documents. All other modules are internal and may
change with any release.

This module is the table of contents. Importing it loads nothing heavy, reads no environment and
opens no connection; each name loads its module when it is first used.
"""

from importlib import import_module  # noqa: I001

from lightclient.errors import (
    AccessDenied, BadRequest, BundleError, CannotConnect, ConnectionLost, CredentialsError,
    ExportError, InputError, LightClientError, ModelNotFound, NotTensorFlowServing, Overloaded,
    RedirectRefused, ReplyError, ReplyTooLarge, ServerError, ServerFailed, SettingError,
    SignatureError, SignatureNotFound, TimedOut, TransportError, Unavailable,
)  # fmt: skip
from lightclient.version import __version__

# Type checkers take a variable of this name for true. To import it from typing would double the
# time that `import lightclient` takes.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from lightclient.aio.classifier import AsyncClassifier
    from lightclient.classification import Classification, Score
    from lightclient.client import Classifier, classify
    from lightclient.model.bundle import Bundle
    from lightclient.questions.rank import Ranked
    from lightclient.serving.signature import Signature
else:  # type checkers would take every misspelled name for one that __getattr__ knows
    _HOMES = {
        "AsyncClassifier": "lightclient.aio.classifier",
        "Bundle": "lightclient.model.bundle",
        "Classification": "lightclient.classification",
        "Classifier": "lightclient.client",
        "Ranked": "lightclient.questions.rank",
        "Score": "lightclient.classification",
        "Signature": "lightclient.serving.signature",
        "classify": "lightclient.client",
    }

    def __getattr__(name):
        """Import a name when it is first used (PEP 562)."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = getattr(import_module(_HOMES[name]), name)
        return globals()[name]

    def __dir__():
        return sorted(__all__)


__all__ = [
    "AccessDenied", "AsyncClassifier", "BadRequest", "Bundle", "BundleError", "CannotConnect",
    "Classification", "Classifier", "ConnectionLost", "CredentialsError", "ExportError",
    "InputError", "LightClientError", "ModelNotFound", "NotTensorFlowServing", "Overloaded",
    "Ranked", "RedirectRefused", "ReplyError", "ReplyTooLarge", "Score", "ServerError",
    "ServerFailed", "SettingError", "Signature", "SignatureError", "SignatureNotFound", "TimedOut",
    "TransportError", "Unavailable", "__version__", "classify",
]  # fmt: skip
