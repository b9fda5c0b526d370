"""What goes wrong in an export, besides InputError and BundleError."""

from lightclient.errors import LightClientError


class ExportError(LightClientError):
    """The model cannot be exported, or what was written is not the model. Nothing was left."""
