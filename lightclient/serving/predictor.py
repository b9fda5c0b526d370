"""From texts to classifications, step by step, for one served model and its bundle."""

from collections.abc import Sequence
from dataclasses import dataclass

from lightclient.classification import Classification
from lightclient.errors import (
    BadRequest,
    InputError,
    ReplyError,
    ServerError,
    SignatureError,
    TimedOut,
    TransportError,
)
from lightclient.http.deadline import Deadline
from lightclient.http.transport import Transport
from lightclient.messages import short_repr
from lightclient.model.bundle import Bundle
from lightclient.model.encoding import Row, Text, make_batch, tokenize
from lightclient.serving.address import Address
from lightclient.serving.refusal import raise_for_status
from lightclient.serving.request import Form, build_request
from lightclient.serving.signature import Signature, read_signature


@dataclass(frozen=True)
class Plan:
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
        raise SignatureError(
            f"the model gives {signature.classes} logits, the bundle {bundle.name!r} has "
            f"{len(bundle.labels)} labels; pass the model's own folder as bundle="
        )
    if pad_to and signature.length not in (None, pad_to):
        raise InputError(f"pad_to={pad_to}, but the model takes rows of {signature.length} tokens")
    limits = (bundle.max_length, signature.length, max_length, pad_to)
    limit = min((limit for limit in limits if limit is not None), default=None)
    takes_pairs = bool(signature.token_type_ids) or not bundle.needs_type_ids
    return Plan(signature, limit, signature.length or pad_to, takes_pairs)


def check_lengths(bundle: Bundle, max_length: object, pad_to: object) -> None:
    """Check `max_length` and `pad_to` against the bundle.

    Raises:
        InputError: no whole number, too small for one token of text, or more than the model has.
    """
    smallest = bundle.loaded.tokenizer.special_count(pair=False) + 1
    for name, value in (("max_length", max_length), ("pad_to", pad_to)):
        if value is None:
            continue
        shown = short_repr(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise InputError(f"{name} must be a whole number, not {shown}")
        if value < smallest:
            raise InputError(f"{name}={shown} has no room for text; the least is {smallest}")
        if bundle.max_length is not None and value > bundle.max_length:
            raise InputError(
                f"{name}={shown}, but the model of {bundle.name!r} takes {bundle.max_length} "
                "tokens at most"
            )


class Predictor:
    """Tokenizes texts, asks the server for their logits, and scores them.

    Threads may share one. `signature`, `form`, `max_length` and `pad_to` are those of `Classifier`.
    """

    def __init__(
        self,
        address: Address,
        bundle: Bundle,
        transport: Transport,
        *,
        signature: str | Signature | None = None,
        form: Form = "columnar",
        max_length: int | None = None,
        pad_to: int | None = None,
    ) -> None:
        check_lengths(bundle, max_length, pad_to)
        self._address, self._bundle, self._transport = address, bundle, transport
        self._form, self._max_length, self._pad_to = form, max_length, pad_to
        self._name = signature if isinstance(signature, str) else None
        self._stated = isinstance(signature, Signature)
        self._plan = self._make_plan(signature) if isinstance(signature, Signature) else None

    def classify(self, texts: Sequence[Text], deadline: Deadline) -> list[Classification]:
        """Classify the texts of one request; raises what `Classifier.classify` does."""
        plan = self.plan(deadline)
        try:
            return self._classify(texts, plan, deadline)
        except (BadRequest, ReplyError):
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
            raise TimedOut(
                f"tokenizing {len(texts)} texts alone took longer than the {deadline.seconds:g} s "
                "of a call: send fewer or shorter texts at once",
                url=str(self._address),
                attempts=0,
                timeout=deadline.seconds,
            )
        return self.predict(rows, plan, deadline)

    def tokenize(self, texts: Sequence[Text], plan: Plan) -> list[Row]:
        """Turn texts into tokens, as many as the plan allows.

        Raises:
            SignatureError: there is a pair, which the model would answer wrongly.
            InputError, BundleError: as `encoding.tokenize`.
        """
        if not plan.takes_pairs and any(isinstance(text, tuple) and text[1] for text in texts):
            raise SignatureError(
                "the served model takes no token_type_ids, but this bundle's model tells the texts "
                "of a pair apart by them; export it with token_type_ids"
            )
        return tokenize(texts, self._bundle, plan.limit)

    def predict(self, rows: Sequence[Row], plan: Plan, deadline: Deadline) -> list[Classification]:
        """Ask the server for the logits of rows, and score them."""
        batch = make_batch(rows, self._bundle, plan.length)
        request = build_request(batch, plan.signature, self._form)
        reply = self._transport.send("POST", self._address.predict, request, deadline)
        # Imported here, because these two need numpy.
        from lightclient.scoring import classify_logits
        from lightclient.serving.reply import read_logits

        logits = read_logits(reply, len(rows), len(self._bundle.labels), plan.signature.output)
        return classify_logits(logits, self._bundle, batch.truncated)

    def plan(self, deadline: Deadline) -> Plan:
        """The plan, which the first call makes from the server's metadata.

        There is no lock. Threads that begin together may each ask, and all get the same plan.
        """
        if self._plan is None:
            self._plan = self._look_up(deadline)
        return self._plan

    def _look_up(self, deadline: Deadline) -> Plan:
        reply = self._transport.send("GET", self._address.metadata, None, deadline)
        raise_for_status(reply)
        return self._make_plan(read_signature(reply.body, self._name))

    def _make_plan(self, signature: Signature) -> Plan:
        return make_plan(signature, self._bundle, self._max_length, self._pad_to)

    def refresh_plan(self, plan: Plan, deadline: Deadline) -> Plan | None:
        """Ask for the metadata again, after an error that a new version of the model may explain.

        None if the plan is still the same, or the server cannot be asked.

        Raises:
            SignatureError, InputError: the new version does not fit the bundle or the options.
        """
        if self._stated:
            return None
        try:
            self._plan = self._look_up(deadline)
        except (TransportError, ServerError):
            return None
        return None if self._plan == plan else self._plan
