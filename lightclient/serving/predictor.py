"""From texts to classifications, step by step, for one served model and its bundle."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from lightclient import errors
from lightclient.checks import check_whole
from lightclient.classification import Classification
from lightclient.http.deadline import Deadline
from lightclient.http.transport import Transport
from lightclient.model.bundle import Bundle
from lightclient.model.encoding import Row, Text, make_batch, tokenize
from lightclient.serving.address import parse_address
from lightclient.serving.request import build_request
from lightclient.serving.signature import BY_HAND, Signature, read_signature
from lightclient.settings import Settings, find_proxy


class Plan(NamedTuple):
    """How requests are made, so that they fit both the served model and the bundle.

    `limit`: the most tokens of a text, which is cut there; None: there is no limit.
    `length`: the tokens that every row is padded to; None: the longest of its request.
    `takes_pairs`: whether the model can tell the two texts of a pair apart.
    """

    signature: Signature
    limit: int | None
    length: int | None
    takes_pairs: bool = True


def make_plan(
    signature: Signature, bundle: Bundle, max_length: int | None = None, pad_to: int | None = None
) -> Plan:
    """Make the plan for a served model's signature and a bundle.

    Raises:
        SignatureError: the model gives another number of logits than the bundle has labels.
        InputError: `pad_to` contradicts the signature's own length.
    """
    if signature.classes not in (None, len(bundle.labels)):
        raise errors.SignatureError(
            f"the model gives {signature.classes} logits, the bundle {bundle.name!r} has "
            f"{len(bundle.labels)} labels; pass the model's own folder as bundle="
        )
    length = signature.length or pad_to
    if pad_to not in (None, length):
        raise errors.InputError(f"pad_to={pad_to}, but the model takes rows of {length} tokens")
    limits = [limit for limit in (bundle.max_length, max_length, length) if limit is not None]
    takes_pairs = bool(signature.token_type_ids) or not bundle.needs_type_ids
    return Plan(signature, min(limits, default=None), length, takes_pairs)


def check_lengths(bundle: Bundle, max_length: object, pad_to: object) -> None:
    """Check `max_length` and `pad_to` against the bundle.

    Raises:
        InputError: no whole number, too small for one token of text, or more than the model has.
    """
    least = bundle.loaded.tokenizer.special_count(pair=False) + 1
    most = math.inf if bundle.max_length is None else bundle.max_length
    reason = f": less has no room for text, and the model of {bundle.name!r} takes no more"
    for name, value in (("max_length", max_length), ("pad_to", pad_to)):
        if value is not None:
            check_whole(name, value, least, most, reason)


class Predictor:
    """Tokenizes texts, asks the server for their logits, and scores them. Threads may share one.

    Raises:
        InputError, BundleError: a setting is not what it must be, or the bundle is broken.
    """

    def __init__(self, settings: Settings) -> None:
        self.address = address = parse_address(settings.url)
        if address.model is None and not isinstance(settings.signature, Signature):
            words = f"{address} has no metadata that tells the signature: {BY_HAND}"
            raise errors.InputError(words)
        self.bundle = Bundle.load(settings.bundle)
        check_lengths(self.bundle, settings.max_length, settings.pad_to)
        self.transport = Transport(
            address.origin,
            headers=settings.headers,
            token=settings.token,
            ca_certs=settings.ca_certs,
            client_cert=settings.client_cert,
            proxy=find_proxy(address.scheme, address.host, address.port),
            retries=settings.retries,
        )
        self._settings = settings
        self._stated = settings.signature if isinstance(settings.signature, Signature) else None
        self._plan = self._make_plan(self._stated) if self._stated else None

    def classify(self, texts: Sequence[Text], deadline: Deadline) -> list[Classification]:
        """Classify the texts of one request; raises what `Classifier.classify` does."""
        plan = self.plan(deadline)
        try:
            return self._classify(texts, plan, deadline)
        except (errors.BadRequest, errors.ReplyError):
            new_plan = self.refresh_plan(plan, deadline)
            if new_plan is None:
                raise
        return self._classify(texts, new_plan, deadline)

    def _classify(
        self, texts: Sequence[Text], plan: Plan, deadline: Deadline
    ) -> list[Classification]:
        rows = self.tokenize(texts, plan)
        if deadline.over:
            # The tokenizer knows no deadline. Tell the user, rather than blame the server.
            seconds = deadline.seconds
            words = (
                f"tokenizing {len(texts)} texts alone took longer than the {seconds:g} s of a "
                "call: send fewer or shorter texts at once"
            )
            raise errors.TimedOut(words, url=str(self.address), attempts=0, timeout=seconds)
        return self.predict(rows, plan, deadline)

    def tokenize(self, texts: Sequence[Text], plan: Plan) -> list[Row]:
        """Turn texts into tokens, as many as the plan allows.

        Raises:
            SignatureError: there is a pair, which the model would answer wrongly.
            InputError, BundleError: as `encoding.tokenize`.
        """
        if not plan.takes_pairs and any(isinstance(text, tuple) and text[1] for text in texts):
            raise errors.SignatureError(
                "the served model takes no token_type_ids, but this bundle's model tells the texts "
                "of a pair apart by them; export it with token_type_ids"
            )
        return tokenize(texts, self.bundle, plan.limit)

    def predict(self, rows: Sequence[Row], plan: Plan, deadline: Deadline) -> list[Classification]:
        """Ask the server for the logits of rows, and score them."""
        batch = make_batch(rows, self.bundle, plan.length)
        request = build_request(batch, plan.signature, self._settings.form)
        reply = self.transport.send("POST", self.address.predict, request, deadline)
        from lightclient.scoring import classify_reply  # imported here, because it needs numpy

        return classify_reply(reply, self.bundle, batch.truncated, plan.signature.output)

    def plan(self, deadline: Deadline) -> Plan:
        """The plan, which the first call makes from the server's metadata.

        There is no lock. Threads that begin together may each ask, and all get the same plan.
        """
        return self._plan or self._look_up(deadline)

    def _look_up(self, deadline: Deadline) -> Plan:
        reply = self.transport.send("GET", self.address.metadata, None, deadline)
        name = self._settings.signature
        try:
            signature = read_signature(reply, name if isinstance(name, str) else None)
        except errors.NotTensorFlowServing as error:
            words = (
                f"{error}\nIf it is another server of this protocol, without metadata, {BY_HAND}"
            )
            raise errors.NotTensorFlowServing(words, url=error.url, status=error.status) from None
        self._plan = self._make_plan(signature)
        return self._plan

    def _make_plan(self, signature: Signature) -> Plan:
        settings = self._settings
        return make_plan(signature, self.bundle, settings.max_length, settings.pad_to)

    def refresh_plan(self, plan: Plan, deadline: Deadline) -> Plan | None:
        """Ask for the metadata again, after an error that a new version of the model may explain.

        None if the plan is still the same, or the server cannot be asked.

        Raises:
            SignatureError, InputError: the new version does not fit the bundle or the options.
            NotTensorFlowServing: something else answers now.
        """
        if self._stated:
            return None
        try:
            new_plan = self._look_up(deadline)
        except (errors.TransportError, errors.ServerError):
            return None
        return None if new_plan == plan else new_plan
