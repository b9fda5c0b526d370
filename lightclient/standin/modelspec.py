"""Which model a path asks for, and which version of it."""

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote

from lightclient.standin.models import ServedModel
from lightclient.standin.status import StatusError

_NAME = r"/(?P<name>[^/:]+)"
# No number of 20 digits or more is a version: they are 64-bit integers.
_VERSION = r"(?:/versions/(?P<version>[0-9]{1,19})|/labels/(?P<label>[^/:]+))?"
# kPredictionApiGegex and kModelStatusApiRegex in model_servers/http_rest_api_util.cc. `classify`
# and `regress` are left out, since no model here has signatures for them.
POST = re.compile(rf"/v1/models{_NAME}{_VERSION}:predict")
GET = re.compile(rf"/v1/models(?:{_NAME})?{_VERSION}(?P<metadata>/metadata)?")


class ModelSpec(NamedTuple):
    """A model by name, and by version number or label; by neither, its latest version."""

    name: str
    version: int | None
    label: str | None

    @classmethod
    def of(cls, found: re.Match[str]) -> "ModelSpec":
        """Read a match of `POST` or `GET`."""
        name, label = (unquote(found[key] or "") for key in ("name", "label"))
        return cls(name, int(found["version"]) if found["version"] else None, label or None)


def number_of(models: Mapping[str, ServedModel], spec: ModelSpec) -> int:
    """Find the number of the version that is meant; raises StatusError if there is none.

    Source: ServableRequestFromModelSpec in tensorflow_serving/model_servers/server_core.cc.
    """
    model, number = models.get(spec.name), spec.version
    if spec.label is not None:
        if model is None or spec.label not in model.labels:
            raise StatusError(f"Unrecognized servable version label: {spec.label}")
        number = model.labels[spec.label]
    if model is None or (number is not None and number not in model.versions):
        asked = f"Latest({spec.name})" if number is None else f"Specific({spec.name}, {number})"
        raise StatusError(f"Servable not found for request: {asked}", code="NOT_FOUND")
    return max(model.versions) if number is None else number
