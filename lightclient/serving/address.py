"""The URL of a served model and its parts."""

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from lightclient.errors import InputError, SettingError

_PORTS = {"http": 80, "https": 443}
_SHAPE = "http://HOST:8501/v1/models/NAME"
# The same three parts as in TensorFlow Serving (model_servers/http_rest_api_util.cc), behind any
# prefix that a gateway adds.
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")  # a name, or an address of either kind
_MODEL_PATH = re.compile(
    r"(?P<path>(?:/[^/]+)*?/v1/models/(?P<model>[^/:]+)"
    r"(?:/versions/\d+|/labels/(?P<label>[^/:]+))?)(?::(?P<verb>\w+))?/?"
)
# Vertex AI and SageMaker have these. Nothing else about the model can be asked there.
_PREDICT_ONLY = (":predict", ":rawPredict", "/invocations")


class Address(NamedTuple):
    """Where a model is served.

    `path` is the model's, with its version or label, without `:predict` or `/metadata`. It tells
    the model's status. Where `model` is None, it takes predictions and nothing else. `label` is the
    one that stands for a version.
    """

    scheme: str
    host: str
    port: int
    path: str
    model: str | None = None
    label: str | None = None

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def predict(self) -> str:
        """The path that takes a prediction request."""
        return self.path if self.model is None else f"{self.path}:predict"

    @property
    def metadata(self) -> str:
        """The path that tells the signatures."""
        return f"{self.path}/metadata"

    def __str__(self) -> str:
        return self.origin + self.path


def parse_address(url: str | None) -> Address:
    """Parse a model's URL.

    Forms: `http(s)://host[:port][/prefix]/v1/models/M`, with `/versions/N` or `/labels/L`, with or
    without `:predict` at the end (TensorFlow Serving, g3doc/api_rest.md). Any other path that ends
    with `:predict`, `:rawPredict` or `/invocations` is taken as it is.

    Raises:
        InputError: the URL has no scheme, host or model, or parts that cannot be sent.
        SettingError: there is no URL.
    """
    url = _check_form(url)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InputError(f"url has a broken host or port; write {_SHAPE}") from error
    host = parts.hostname or ""
    if parts.scheme not in _PORTS or not _HOST.fullmatch(host):
        raise InputError(f"url {url!r} must start with http:// or https:// and a host: {_SHAPE}")
    origin = parts.scheme, host, _PORTS[parts.scheme] if port is None else port
    match = _MODEL_PATH.fullmatch(parts.path)
    if match and match["verb"] in (None, "predict"):
        return Address(*origin, *match.group("path", "model", "label"))
    if parts.path.endswith(_PREDICT_ONLY):
        return Address(*origin, parts.path)
    if match:
        raise InputError(f"url {url!r} must not end so; this client uses :predict: {_SHAPE}")
    raise InputError(
        f"url {url!r} has no path of a model; write {_SHAPE}, with /versions/N or /labels/L behind "
        f"it if need be, or for other servers a URL that ends in {', '.join(_PREDICT_ONLY)}"
    )


def _check_form(url: str | None) -> str:
    if url is None:
        raise SettingError(
            f"no server is named: set LIGHTCLIENT_URL to {_SHAPE}, or pass it as Classifier(url) "
            "or --url; to try without a server: lightclient demo TEXT"
        )
    if not isinstance(url, str):
        raise InputError(f"url must be a str like {_SHAPE}, not {type(url).__name__}")
    url = url.strip()  # a variable that was read from a file ends with a line break
    if not url.isascii() or not url.isprintable() or " " in url:
        raise InputError(f"url has a space, a control or a non-ASCII character; write {_SHAPE}")
    # The URL may hold a password or a key until this is checked, so no message quotes it before.
    if "@" in url:
        raise InputError("url holds credentials; take them out and pass token= or headers=")
    if "?" in url or "#" in url:
        raise InputError(f"url must end with the model, without '?' or '#': {_SHAPE}")
    return url
