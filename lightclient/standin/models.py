"""What is served: models by name, and their versions by number."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lightclient.errors import InputError
from lightclient.standin.bundle import add_bundle
from lightclient.standin.signatures import Run, SignatureDef, TensorSpec, check_mapping, kind_of


@dataclass(frozen=True)
class VersionState:
    """What the status endpoint says of a version.

    `state`: "AVAILABLE", "LOADING", or "END" for one that was unloaded (`code` "OK") or cannot be
    loaded (`code` such as "NOT_FOUND", and the reason as `message`).
    """

    state: str
    code: str = "OK"
    message: str = ""


@dataclass(frozen=True)
class ServedModel:
    """`versions`: number → signature name → SignatureDef; `labels`: label → version number.

    `unavailable`: number → VersionState, for versions that only the status endpoint knows.
    `definitions`: number → TensorFlow's own SignatureDefs in JSON, for the metadata of a version
    that has them.
    """

    versions: Mapping[int, Mapping[str, SignatureDef]]
    labels: Mapping[str, int] = field(default_factory=dict)
    unavailable: Mapping[int, VersionState] = field(default_factory=dict)
    definitions: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_mapping("versions", self.versions, int, Mapping)
        if not self.versions:
            raise InputError("versions is empty: give at least one, such as {1: {...}}")
        for number, signatures in self.versions.items():
            if not 0 <= number < 2**63:
                raise InputError(f"versions holds {number}: give numbers from 0 to 2**63 - 1")
            check_mapping(f"versions[{number}]", signatures, str, SignatureDef)
        check_mapping("labels", self.labels, str, int)
        check_mapping("unavailable", self.unavailable, int, VersionState)
        for label, number in self.labels.items():
            if number not in self.states():
                known = ", ".join(map(str, self.states()))
                raise InputError(f"labels[{label!r}] is {number}: give one of {known}")

    def states(self) -> dict[int, VersionState]:
        """The state of each version, newest first."""
        found = {**self.unavailable, **dict.fromkeys(self.versions, VersionState("AVAILABLE"))}
        return dict(sorted(found.items(), reverse=True))

    def with_bundle(self, folder: str | Path | None = None) -> "ServedModel":
        """Return a model whose versions carry a bundle, as those that `lightclient export` writes.

        `folder`: a Hugging Face folder, or the name of a shipped bundle; None: the default one.
        """
        versions = {number: add_bundle(found, folder) for number, found in self.versions.items()}
        # Without definitions, since those would not name the signatures that are new.
        return replace(self, versions=versions, definitions={})


class Repository:
    """Models by name. A subclass may change them while `StandIn` serves them."""

    def __init__(self, models: Mapping[str, ServedModel]) -> None:
        self._models = models

    def start(self) -> None:
        """Called before the port opens: make `current` ready."""

    def current(self) -> Mapping[str, ServedModel]:
        """Called once for each request, in its thread: the models as they are now."""
        return self._models

    def close(self) -> None:
        """Called after the port has closed: end what `start` began."""


def classifier(run: Run) -> ServedModel:
    """Put `run` behind the signature of an exported text classifier.

    Inputs `input_ids` and `attention_mask` int32 [-1, -1], output `logits` float32 [-1, -1].
    """
    free = (None, None)
    ids, logits = TensorSpec("int32", free), TensorSpec("float32", free)
    signature = SignatureDef(run, {"input_ids": ids, "attention_mask": ids}, {"logits": logits})
    return ServedModel(versions={1: {"serving_default": signature}})


def served(models: object) -> dict[str, ServedModel]:
    """Turn what `StandIn` was given into models by name; a lone one is named "model"."""
    if not isinstance(models, Mapping):
        return {"model": _served_model("models", models)}
    if not models:
        raise InputError("models is empty: name at least one, or leave it out for the demo model")
    for name in models:
        check_name("models holds the name", name)
    return {name: _served_model(f"models[{name!r}]", model) for name, model in models.items()}


def check_name(said: str, name: object) -> None:
    """Raise InputError, `said` and the name, for what cannot be a model's name in a URL."""
    if not isinstance(name, str) or not name or set(name) & set("/:"):
        raise InputError(f"{said} {name!r}: give a text without '/' and ':'")


def _served_model(argument: str, model: Any) -> ServedModel:
    if isinstance(model, ServedModel):
        return model
    if callable(model):
        return classifier(model)
    raise InputError(f"{argument} is {kind_of(model)}: give a callable or a ServedModel")
