"""The bundle that belongs to the served model: the one given, the shipped one, or its own."""

import json
import logging
import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from lightclient.errors import BundleError, SignatureError
from lightclient.http.transport import Reply
from lightclient.messages import printable
from lightclient.model.bundle import Bundle
from lightclient.model.files import FILE, NAMES, SIGNATURE, Origin, fingerprint
from lightclient.serving.refusal import read_json

SERVED = "served"  # the bundle= that insists on the model's own
_MARKED = re.compile(rf"{SIGNATURE}-([0-9a-f]{{16}})")
_LOG = logging.getLogger("lightclient")


class Carried(NamedTuple):
    """The bundle that a served model carries, by the name of the signature that gives its files.

    `fingerprint`: None if the model does not tell it.
    """

    signature: str
    fingerprint: str | None


def find_carried(signatures: Iterable[str]) -> Carried | None:
    """Find what a model carries by the names of its signatures (see `lightclient.model.files`)."""
    marked = [found for name in signatures if (found := _MARKED.fullmatch(name))]
    if len(marked) > 1:
        names = printable(", ".join(sorted(found[0] for found in marked)))
        raise SignatureError(
            f"the model carries {len(marked)} bundles, {names}, and can have been exported with "
            "one only; export it again"
        )
    if marked:
        return Carried(marked[0][0], marked[0][1])
    return Carried(SIGNATURE, None) if SIGNATURE in signatures else None


class BundleChoice:
    """Finds the bundle of a served model, and keeps what was fetched. Threads may share one.

    `is_open`: the user leaves it to the model. `bundle`: the one in use; before the model is asked,
    the one given or the one that ships. `carried`: what the model carries, as far as it was asked.
    """

    def __init__(self, given: str | Path | Bundle | None) -> None:
        self._insists = given == SERVED
        self.is_open = given is None or self._insists
        self.bundle = self._former = self._own = Bundle.load(None if self.is_open else given)
        self.carried: Carried | None = None
        self._told: dict[str, object] = {}

    def find(self, carried: Carried | None, url: str, fetch: Callable[[Carried], Bundle]) -> Bundle:
        """Find the bundle of the version that is served now.

        Raises:
            SignatureError: the model carries another bundle than the one given, or none although
                the user insists.
            Whatever `fetch` raises.
        """
        if carried is None:
            return self._without(url)
        self.carried = carried
        if not self.is_open:
            return self._given(carried.fingerprint or fetch(carried).fingerprint, url)
        # Two are kept, as a new version may answer from one server and the old one from the next.
        known = {known.fingerprint: known for known in (self._former, self.bundle, self._own)}
        found = known.get(carried.fingerprint or "") or fetch(carried)
        if found is not self.bundle:
            self._former, self.bundle = self.bundle, found
        if self._is_news(found) and len(self._told) > 1:
            labels = printable(", ".join(found.labels), 200)
            _LOG.warning("%s has a new version with another bundle: labels %s", url, labels)
        return found  # not self.bundle, which another thread may have changed meanwhile

    def _without(self, url: str) -> Bundle:
        # A model that has carried its own never gets the default one, with its labels.
        if self._insists or (self.is_open and self.carried is not None):
            raise SignatureError(
                f"{url} carries no bundle: pass the model's Hugging Face folder as bundle=, or add "
                "it to the model: lightclient export --add-bundle FOLDER SAVED_MODEL_DIR"
            )
        if self.is_open and self._is_news(self._own):
            _LOG.warning("%s carries no bundle; the default is used: %s", url, told(self._own))
        return self._own

    def _given(self, mark: str, url: str) -> Bundle:
        if mark != self._own.fingerprint:
            raise SignatureError(
                f"bundle={self._own.name!r} (fingerprint {self._own.fingerprint}) is not the "
                f"bundle that {url} was exported with ({mark}): leave bundle= (--bundle) out, "
                "and the model's own is used"
            )
        return self._own

    def _is_news(self, bundle: Bundle) -> bool:
        # Atomic, so that of several threads that find it at the same moment one tells it.
        mine = object()
        return self._told.setdefault(bundle.fingerprint, mine) is mine


def told(bundle: Bundle) -> str:
    """What is known of the default bundle, for a user who may have another model."""
    labels = printable(", ".join(bundle.labels), 200)
    where = "from the bundle that ships with lightclient"
    return f"labels {labels}, {where}: pass bundle= if this is another model"


def build_bundle_request(carried: Carried, names: Sequence[str]) -> bytes:
    """Write the body of the request for these files of a bundle."""
    body = {"signature_name": carried.signature, "inputs": {FILE: names}}
    return json.dumps(body).encode()


def read_files(reply: Reply, carried: Carried, names: Sequence[str]) -> list[bytes]:
    """Read the answer to it: `{"outputs": [{"b64": …}, …]}`, in the order that was asked for.

    Raises:
        BundleError: the answer holds no such files.
        ServerError, TimedOut, NotTensorFlowServing: as `read_json`.
    """
    outputs = read_json(reply).get("outputs")
    try:
        # TensorFlow Serving writes the bytes of an output so if its name ends with `_bytes`
        # (g3doc/api_rest.md, Encoding binary values).
        found = zip(names, outputs or (), strict=True)
        return [b64decode(value["b64"], validate=True) for _, value in found]
    except (ValueError, LookupError, TypeError) as error:
        raise BundleError(
            f"{reply.url} did not send the bundle that the model carries: {carried.signature} must "
            f"answer with {len(names)} files in base64; export the model again, or pass bundle="
        ) from error


def make_bundle(contents: Sequence[bytes], carried: Carried, url: str, name: str) -> Bundle:
    """Make the bundle of a served model of the contents of its files."""
    # The signature gives no bytes for a file that the bundle has not.
    files = {file: content for file, content in zip(NAMES, contents, strict=True) if content}
    if carried.fingerprint not in (None, fingerprint(files)):
        raise BundleError(
            f"{url} sent a bundle with the fingerprint {fingerprint(files)}, and not the one of "
            f"its metadata, {carried.fingerprint}; export the model again, or pass bundle="
        )
    return Bundle.from_files(name, files, Origin(f"{url} carries a bundle whose "))
