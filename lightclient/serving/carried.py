"""The bundle that belongs to the served model: the one given, the shipped one, or its own."""

import json
import logging
from base64 import b64decode
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lightclient.errors import BundleError, SignatureError
from lightclient.http.transport import Reply
from lightclient.messages import printable
from lightclient.model.bundle import Bundle
from lightclient.model.files import FILE, NAMES, Origin, fingerprint
from lightclient.serving.refusal import read_json

SERVED = "served"  # the bundle= that insists on the model's own
_LOG = logging.getLogger("lightclient")


class Carried(NamedTuple):
    """The bundle that a served model carries, by the name of the signature that gives its files.

    `fingerprint`: None if the model does not tell it.
    """

    signature: str
    fingerprint: str | None


Fetch = Callable[[Carried], Bundle]


class BundleChoice:
    """Finds the bundle of a served model, and keeps what was fetched. Threads may share one.

    A model that has carried a bundle has to go on so, unless the user has given it.

    `is_open`: the user leaves it to the model. `bundle`: the one in use; before the model is asked,
    the one given or the one that ships. `carried`: what the model carries, as far as it was asked.
    """

    def __init__(self, given: str | Path | Bundle | None) -> None:
        self._insists = given == SERVED
        self.is_open = given is None or self._insists
        # Two are kept, as a new version may answer from one server and the old one from the next.
        self.bundle = self._former = self._own = Bundle.load(None if self.is_open else given)
        self.carried: Carried | None = None
        self._first = iter((True,))
        self._told: dict[str, object] = {}

    def find(self, carried: Carried | None, url: str, fetch: Fetch) -> Bundle:
        """Find the bundle of the version that is served now.

        Raises:
            SignatureError: the model carries another bundle than the one given, or none although
                the user insists.
            Whatever `fetch` raises.
        """
        if carried is None:
            return self._without(url)
        was_known, self.carried = self.carried is not None, carried
        mark = carried.fingerprint
        held = (self._own, self.bundle, self._former)
        known = [bundle for bundle in held if bundle.fingerprint == mark]
        if not known and (self.is_open or mark is None):
            fetched = fetch(carried)
            mark, known = fetched.fingerprint, [fetched]
        if not self.is_open and mark != self._own.fingerprint:
            raise SignatureError(
                f"bundle={self._own.name!r} (fingerprint {self._own.fingerprint}) is not the "
                f"bundle that {url} was exported with ({mark}): leave bundle= (--bundle) out, "
                "and the model's own is used"
            )
        found = known[0]
        if found is not self.bundle:
            self._former, self.bundle = self.bundle, found
        # Atomic, so that of several threads that find it at the same moment one tells it.
        mine = object()
        if self._told.setdefault(found.fingerprint, mine) is mine and was_known:
            labels = printable(", ".join(found.labels), 200)
            _LOG.warning("%s has a new version with another bundle: labels %s", url, labels)
        return found  # not self.bundle, which another thread may have changed meanwhile

    def _without(self, url: str) -> Bundle:
        if self._insists or (self.is_open and self.carried is not None):
            # A model that has carried its own never gets the default one, with its labels.
            raise SignatureError(
                f"{url} carries no bundle: pass the model's Hugging Face folder as bundle=, or add "
                "it to the model: lightclient export --add-bundle FOLDER SAVED_MODEL_DIR"
            )
        if self.is_open and next(self._first, False):
            _LOG.warning("%s carries no bundle; the default is used: %s", url, told(self._own))
        self.bundle = self._own
        return self._own


def told(bundle: Bundle) -> str:
    """What is known of the default bundle, for a user who may have another model."""
    labels = printable(", ".join(bundle.labels), 200)
    return (
        f"labels {labels}, from the bundle that ships with lightclient: pass bundle= if this is "
        "another model"
    )


def build_bundle_request(carried: Carried, names: Sequence[str]) -> bytes:
    """Write the body of the request for these files of a bundle."""
    body = {"signature_name": carried.signature, "inputs": {FILE: names}}
    return json.dumps(body).encode()


def read_files(reply: Reply, carried: Carried, names: Sequence[str]) -> list[bytes]:
    """Read the answer to it: `{"outputs": [{"b64": …}, …]}`, in the order that was asked for.

    TensorFlow Serving writes the bytes of an output so if its name ends with `_bytes`
    (g3doc/api_rest.md, Encoding binary values).

    Raises:
        BundleError: the answer holds no such files.
        ServerError, TimedOut, NotTensorFlowServing: as `read_json`.
    """
    outputs = read_json(reply).get("outputs")
    try:
        return [_content(value) for _, value in zip(names, outputs or (), strict=True)]
    except (ValueError, LookupError, TypeError) as error:
        raise BundleError(
            f"{reply.url} did not send the bundle that the model carries: {carried.signature} must "
            f"answer with {len(names)} files in base64; export the model again, or pass bundle="
        ) from error


def _content(value: Any) -> bytes:
    return b64decode(value["b64"], validate=True)


def make_bundle(contents: Sequence[bytes], carried: Carried, url: str, name: str) -> Bundle:
    """Make the bundle of a served model of the contents of its files.

    Raises:
        BundleError: they are broken, or not those of the fingerprint.
    """
    files = {file: content for file, content in zip(NAMES, contents, strict=True) if content}
    if carried.fingerprint not in (None, fingerprint(files)):
        raise BundleError(
            f"{url} sent a bundle with the fingerprint {fingerprint(files)}, and not the one of "
            f"its metadata, {carried.fingerprint}; export the model again, or pass bundle="
        )
    return Bundle.from_files(name, files, Origin(f"{url} carries a bundle whose ", False))
