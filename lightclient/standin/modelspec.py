"""Which model, and which version of it, a path asks for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from lightclient.standin.models import ServedModel, SignatureDef
from lightclient.standin.status import StatusError

_SPEC = r"/v1/models{}(?:/versions/([0-9]+)|/labels/([^/:]+))?{}"
# kPredictionApiGegex and kModelStatusApiRegex in model_servers/http_rest_api_util.cc. The last
# group is the method, or "metadata" or nothing.
POST = re.compile(_SPEC.format("/([^/:]+)", ":(classify|regress|predict)"), re.IGNORECASE)
GET = re.compile(_SPEC.format("(?:/([^/:]+))?", "(?:/(metadata))?"), re.IGNORECASE)


@dataclass(frozen=True)
class ModelSpec:
    """A model by name, and by version number or label; by neither, its latest version."""

    name: str
    version: int | None
    label: str | None

    @classmethod
    def of(cls, found: re.Match[str]) -> "ModelSpec":
        """From a match of `POST` or `GET`. Raises StatusError."""
        name, version, label = (found[group] for group in (1, 2, 3))
        if version is not None and (len(version.lstrip("0")) > 19 or int(version[-19:]) >= 2**63):
            raise StatusError("")  # the real server forgets to send its message
        return cls(
            name=unquote(name or "", errors="surrogateescape"),
            version=None if version is None else int(version.lstrip("0") or "0"),
            label=None if label is None else unquote(label, errors="surrogateescape"),
        )


def number_of(models: Mapping[str, ServedModel], spec: ModelSpec) -> int:
    """The version number meant. Raises StatusError.

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


def signatures_of(models: Mapping[str, ServedModel], spec: ModelSpec) -> Mapping[str, SignatureDef]:
    """The signatures of the version meant. Raises StatusError."""
    number = number_of(models, spec)
    return models[spec.name].versions[number]
