"""Every error of the package; each class has its parent above it.

The message of an error says how to mend it, and never holds the text that was classified. The whole
message of the server is in `server_message`. It may quote token ids, so keep it out of logs.
"""

from lightclient.messages import printable

_LONGEST_MESSAGE = 2000


class LightClientError(Exception):
    """The root of all errors that this package raises on purpose.

    `index`: the place of the text among those that `classify_many`, or `rank`, was given, or in a
    list with a long text; else None.
    """

    index: int | None = None

    def __init__(self, message: str, **data: object) -> None:
        # A server's words may hold escapes that would write to the user's terminal.
        super().__init__(printable(message, _LONGEST_MESSAGE, kept="\n"))
        self.__dict__.update(data)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (str(self),), self.__dict__


class InputError(LightClientError, ValueError):
    """A text or an argument is not what it must be."""


class SettingError(InputError):
    """The same for an environment variable, or one is missing."""


class BundleError(LightClientError):
    """A model folder is incomplete, broken or contradicts itself."""


class CredentialsError(LightClientError):
    """A function that was passed as `token` or `headers` failed, or gave what cannot be sent."""


class ExportError(LightClientError):
    """A model cannot be exported, or what was written is not the model."""


class SignatureError(LightClientError):
    """The served model takes or gives what this client, or this bundle, cannot fit."""


class TransportError(LightClientError):
    """No answer came. `url`: of the request; `attempts`: how often it was sent."""

    url: str
    attempts: int = 1


class CannotConnect(TransportError):
    """Nobody answers at this address: its name, its port, its certificate, or a proxy."""


class ConnectionLost(TransportError):
    """The connection broke before the answer was whole, at each attempt."""


class TimedOut(TransportError, TimeoutError):
    """The deadline passed. `timeout`: its length in seconds, None if it was not the client's.

    `status` is 504 (or 408) when the server's own limit passed first, else None.
    """

    timeout: float | None = None
    status: int | None = None
    server_message: str = ""


class RedirectRefused(TransportError):
    """The answer points elsewhere. `status`, and `location`: the URL it points to."""

    status: int
    location: str


class ReplyTooLarge(TransportError):
    """The answer is over the size limit. `limit`: in bytes."""

    limit: int


class ServerError(LightClientError):
    """The server answered with an error.

    `url`: of the request; `status`: the HTTP status; `server_message`: the server's own words;
    `attempts`: how often the request was sent; `retry_after`: the seconds that the server asks to
    wait, None if it does not say.
    """

    url: str
    status: int
    server_message: str
    attempts: int
    retry_after: float | None = None


class ModelNotFound(ServerError):
    """404, or an unknown label: the server has no such model, or has not loaded it."""


class SignatureNotFound(ServerError):
    """400: the model has no signature of this name."""


class BadRequest(ServerError):
    """400, 413 and others: the server refuses what was sent."""


class AccessDenied(ServerError):
    """401, 403, 407: the server, or a proxy before it, wants credentials, or others."""


class Overloaded(ServerError):
    """429: the server has too much to do."""


class Unavailable(ServerError):
    """503: the server is not ready."""


class ServerFailed(ServerError):
    """500 and others: the server failed in a way of its own."""


class ReplyError(LightClientError):
    """The answer cannot be what was asked for. `url`: of the request."""

    url: str


class NotTensorFlowServing(ReplyError):
    """What answers is no TensorFlow Serving REST API. `status`: the HTTP status, or None."""

    status: int | None = None
