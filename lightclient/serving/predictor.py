"""The steps of a text's way, in their order, for one served model and its bundle."""

from collections.abc import Callable, Sequence

from lightclient.errors import BadRequest, ReplyError, ServerError, TimedOut, TransportError
from lightclient.http.deadline import Deadline
from lightclient.http.transport import Transport
from lightclient.model.bundle import Bundle
from lightclient.model.encoding import Row, Text, make_batch, tokenize
from lightclient.scoring import Classification, classify_logits
from lightclient.serving.address import Address
from lightclient.serving.plan import Plan
from lightclient.serving.reply import raise_for_status, read_logits
from lightclient.serving.request import Form, build_request
from lightclient.serving.signature import Signature, read_signature


class Predictor:
    """Classifies rows of tokens; threads share one.

    Args:
        address: the served model.
        bundle: its tokenizer and labels.
        transport: the way to the server.
        fit: makes the plan of a signature.
        signature: one stated by hand, or the name of one to look up; None: the default one.
        form: of the requests.
    """

    def __init__(
        self,
        address: Address,
        bundle: Bundle,
        transport: Transport,
        *,
        fit: Callable[[Signature], Plan],
        signature: str | Signature | None,
        form: Form,
    ) -> None:
        self._address, self._bundle, self._transport = address, bundle, transport
        self._fit, self._form = fit, form
        self._name = signature if isinstance(signature, str) else None
        self._plan = fit(signature) if isinstance(signature, Signature) else None
        self._stated = self._plan is not None

    def classify(self, texts: Sequence[Text], deadline: Deadline) -> list[Classification]:
        """Classify the texts of one request; raises what `Classifier.classify` does."""
        plan = self.plan(deadline)
        try:
            return self._classify(texts, plan, deadline)
        except (BadRequest, ReplyError):
            renewed = self.refresh_plan(plan, deadline)
            if renewed is None:
                raise
        return self._classify(texts, renewed, deadline)

    def _classify(
        self, texts: Sequence[Text], plan: Plan, deadline: Deadline
    ) -> list[Classification]:
        rows = self.tokenize(texts, plan)
        if deadline.over:
            # Tokenizing knows no deadline; say so rather than blame the server.
            raise TimedOut(
                f"tokenizing {len(texts)} texts alone took longer than the {deadline.seconds:g} s "
                "of a call: send fewer or shorter texts at once",
                url=str(self._address),
                attempts=0,
                timeout=deadline.seconds,
            )
        return self.predict(rows, plan, deadline)

    def tokenize(self, texts: Sequence[Text], plan: Plan) -> list[Row]:
        """Turn texts into tokens, as many as the plan allows."""
        plan.check(texts)
        return tokenize(texts, self._bundle, plan.limit)

    def predict(self, rows: Sequence[Row], plan: Plan, deadline: Deadline) -> list[Classification]:
        """Ask the server for the logits of rows, and score them."""
        batch = make_batch(rows, self._bundle, plan.length)
        request = build_request(batch, plan.signature, self._form)
        reply = self._transport.post(self._address.predict, request, deadline)
        logits = read_logits(reply, len(rows), len(self._bundle.labels), plan.signature.output)
        return classify_logits(logits, self._bundle, batch.truncated)

    def plan(self, deadline: Deadline) -> Plan:
        """The plan, which the first call makes from the server's metadata.

        Without a lock: threads that begin together may each ask, and all get the same.
        """
        if self._plan is None:
            self._plan = self._look_up(deadline)
        return self._plan

    def _look_up(self, deadline: Deadline) -> Plan:
        reply = self._transport.get(self._address.metadata, deadline)
        raise_for_status(reply)
        return self._fit(read_signature(reply.body, self._name))

    def refresh_plan(self, plan: Plan, deadline: Deadline) -> Plan | None:
        """Ask again, after an error that a new version of the model may have caused.

        None where the plan is still the same, or the server cannot be asked. That the model no
        longer fits the bundle is raised.
        """
        if self._stated:
            return None
        try:
            self._plan = self._look_up(deadline)
        except (TransportError, ServerError):
            return None
        return None if self._plan == plan else self._plan
