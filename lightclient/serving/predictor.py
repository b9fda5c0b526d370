"""From texts to classifications, step by step, for one served model and its bundle."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from lightclient import errors
from lightclient.classification import Classification
from lightclient.http.deadline import Deadline
from lightclient.http.transport import Reply, Transport
from lightclient.model.bundle import Bundle
from lightclient.model.encoding import Row, Text, make_batch
from lightclient.model.files import NAMES
from lightclient.model.windows import check_stride
from lightclient.serving.address import parse_address
from lightclient.serving.carried import (
    SERVED,
    BundleChoice,
    Carried,
    build_bundle_request,
    make_bundle,
    read_files,
)
from lightclient.serving.plan import Plan, make_plan
from lightclient.serving.refusal import row_limit
from lightclient.serving.request import build_request
from lightclient.serving.signature import BY_HAND, Signature, read_metadata
from lightclient.settings import Settings, find_proxy

# What a request meets if its plan is that of a version which is no longer served.
MAY_BE_OUTDATED = (
    errors.BadRequest,
    errors.ReplyError,
    errors.SignatureError,
    errors.SignatureNotFound,
)
PLANS_TRIED = 4
FEWER = "send fewer or shorter texts at once, or pass a longer timeout"
# Makes one row of each text; None if one has several, which may be too many for a request.
MakeRows = Callable[[Sequence[Text], Plan], list[Row] | None]
_S = TypeVar("_S")
_T = TypeVar("_T")


class Predictor:
    """Tokenizes texts, asks the server for their logits, and scores them. Threads may share one.

    `most_rows`: those of one request, as far as a server has told; None: none has. `pad_to`: the
    one length of all requests of streams, if the server turned out to want that.

    Raises:
        InputError, BundleError: a setting is not what it must be, or the bundle is broken.
    """

    # Nothing has a lock here. Threads whose first calls begin together may each ask the server for
    # what it tells of the model, and all get the same.

    def __init__(self, settings: Settings) -> None:
        self._settings, self.address = settings, parse_address(settings.url)
        self.choice = BundleChoice(settings.bundle)
        self._plan = self._stated_plan()
        self.transport = Transport(
            self.address.origin,
            headers=settings.headers,
            token=settings.token,
            ca_certs=settings.ca_certs,
            client_cert=settings.client_cert,
            proxy=find_proxy(self.address.scheme, self.address.host, self.address.port),
            retries=settings.retries,
        )
        self.most_rows: int | None = None
        self.pad_to: int | None = None

    def _stated_plan(self) -> Plan | None:
        """The plan for a signature stated by hand. For any other, the server has to be asked."""
        signature = self._settings.signature
        if isinstance(signature, Signature):
            if self._settings.bundle == SERVED:
                raise errors.InputError(
                    "bundle='served' asks the server, and a Signature stated by hand does without: "
                    "pass the model's folder as bundle=, or leave signature= out"
                )
            return self._make_plan(signature, self.bundle)
        if self.address.model is None:
            words = f"{self.address} has no metadata that tells the signature: {BY_HAND}"
            raise errors.InputError(words)
        if not self.choice.is_open:  # wrong settings are found before the server is asked
            self._make_plan(Signature(), self.bundle)
        return None

    @property
    def bundle(self) -> Bundle:
        """The bundle in use; the one that ships, where the model has yet to be asked."""
        return self.choice.bundle

    @property
    def knows_bundle(self) -> bool:
        """Whether the model need not be asked for it any more."""
        return self._plan is not None or not self.choice.is_open

    def ask(
        self, make_rows: MakeRows, texts: Sequence[Text], deadline: Deadline
    ) -> list[Classification] | None:
        """Classify texts in one request; raises what `Classifier.classify` does.

        None: `make_rows` gave None, and nothing was asked.
        """
        is_first, plan = self._plan is None, self.plan(deadline)
        # The first call alone may have loaded a bundle, which takes seconds if it is large.
        if is_first and self.choice.carried and deadline.over:
            work = "loading the bundle that the model carries"
            raise self.too_late(deadline, work, "call warm(timeout=...) first")
        tries_left = PLANS_TRIED
        while True:
            tries_left -= 1
            try:
                rows = make_rows(texts, plan)
                if deadline.over:
                    raise self.too_late(deadline, "tokenizing alone")
                return None if rows is None else self.predict(rows, plan, deadline)
            except MAY_BE_OUTDATED as error:
                new_plan = self.next_plan(plan, error, deadline) if tries_left else None
                if new_plan is None:
                    raise
                plan = new_plan

    def too_late(self, deadline: Deadline, work: str, mend: str = FEWER) -> errors.TimedOut:
        """The error for work that knows no deadline and left no time. It names that work."""
        seconds = deadline.seconds
        words = f"{work} took longer than the {seconds:g} s of a call: {mend}"
        return errors.TimedOut(words, url=str(self.address), attempts=0, timeout=seconds)

    def predict(self, rows: Sequence[Row], plan: Plan, deadline: Deadline) -> list[Classification]:
        """Ask the server for the logits of rows, and score them."""
        return self._in_parts(rows, lambda part: self._predict(part, plan, deadline))

    def _in_parts(self, items: Sequence[_S], ask: Callable[[Sequence[_S]], list[_T]]) -> list[_T]:
        """Ask for all in one request, or in several if the server takes no more rows in one."""
        found: list[_T] = []
        while len(found) < len(items):
            part = items[len(found) :][: self.most_rows]
            try:
                found += ask(part)
            except errors.BadRequest as error:
                limit = row_limit(error)
                # To send the same part again because of a senseless limit would never end.
                if limit is None or not 0 < limit < len(part):
                    raise
                # Another thread may have learnt of a lower one meanwhile.
                self.most_rows = min(limit, self.most_rows or limit)
        return found

    def _predict(self, rows: Sequence[Row], plan: Plan, deadline: Deadline) -> list[Classification]:
        batch = make_batch(rows, plan.bundle, plan.length)
        request = build_request(batch, plan.signature, self._settings.form)

        def score(reply: Reply) -> list[Classification]:
            # Imported when the answer is here, so that numpy's import can go on until then.
            # In this form, the statement takes the least time once it is imported.
            import lightclient.scoring as scoring

            return scoring.classify_reply(reply, plan, batch.truncated)

        return self._post(request, deadline, score)

    def _post(self, request: bytes, deadline: Deadline, read: Callable[[Reply], _T]) -> _T:
        """Send a predict request and read the reply."""
        path = self.address.predict
        # A signature that is bound to a bundle is unknown to a version with another one. The next
        # server behind the same address may have the right version, so it is asked twice.
        with suppress(errors.SignatureNotFound):
            return read(self.transport.send("POST", path, request, deadline))
        return read(self.transport.send("POST", path, request, deadline))

    def plan(self, deadline: Deadline) -> Plan:
        """The plan, which the first call makes from the server's metadata."""
        return self._plan or self._look_up(deadline)

    def _look_up(self, deadline: Deadline) -> Plan:
        for _ in range(PLANS_TRIED - 1):
            # The version may change between its metadata and its bundle.
            with suppress(errors.SignatureNotFound):
                return self._ask_for_plan(deadline)
        return self._ask_for_plan(deadline)

    def _ask_for_plan(self, deadline: Deadline) -> Plan:
        reply = self.transport.send("GET", self.address.metadata, None, deadline)
        name = self._settings.signature
        try:
            metadata = read_metadata(reply, name if isinstance(name, str) else None)
        except errors.NotTensorFlowServing as error:
            words = f"If it is another server of this protocol, without metadata, {BY_HAND}"
            error.args = (f"{error}\n{words}",)
            raise
        bundle = self.choice.find(
            metadata.carried, str(self.address), lambda carried: self._fetch(carried, deadline)
        )
        self._plan = plan = self._make_plan(metadata.signature, bundle)
        return plan  # not self._plan, which another thread may have changed meanwhile

    def _fetch(self, carried: Carried, deadline: Deadline) -> Bundle:
        """Fetch the bundle that the model carries."""

        def ask(names: Sequence[str]) -> list[bytes]:
            body = build_bundle_request(carried, names)
            return self._post(body, deadline, lambda reply: read_files(reply, carried, names))

        contents = self._in_parts(NAMES, ask)
        return make_bundle(contents, carried, str(self.address), str(self.address.model))

    def _make_plan(self, signature: Signature, bundle: Bundle) -> Plan:
        given = self._settings
        plan = make_plan(signature, bundle, given.max_length, given.pad_to, given.function)
        if given.long_texts in ("mean", "max") and plan.limit is not None:
            check_stride(given.stride, bundle, plan.limit)
        return plan

    def next_plan(
        self, plan: Plan, error: errors.LightClientError, deadline: Deadline
    ) -> Plan | None:
        """The plan to try next, after an error that a new version of the model may explain.

        None if that cannot help: the plan is still the same, or the server cannot be asked.

        Raises:
            SignatureError, InputError: the new version does not fit the bundle or the options.
            NotTensorFlowServing: something else answers now.
        """
        if isinstance(self._settings.signature, Signature):
            return None
        if self._plan is not None and self._plan != plan:  # another thread has asked already
            return self._plan
        try:
            new_plan = self._look_up(deadline)
        except (errors.TransportError, errors.ServerError):
            return None  # the first error tells more than that the server cannot be asked now
        # Several servers behind one address may have different versions, and then the same plan is
        # worth another try.
        may_help = new_plan != plan or isinstance(error, errors.SignatureNotFound)
        return new_plan if may_help else None
