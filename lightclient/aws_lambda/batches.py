"""Events that are records of a queue or a stream. Those that fail come again."""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lightclient.aws_lambda.request import Work, as_json, decode_base64, parse_json, read_text
from lightclient.classification import Classification
from lightclient.errors import InputError, LightClientError
from lightclient.http.deadline import Deadline
from lightclient.model.encoding import Text, check_text

Record = dict[str, Any]
_LOG = logging.getLogger("lightclient")


@dataclass(frozen=True)
class Records:
    """Records of one source, which hold a text each: `{"text": …}`, among other fields or alone.

    `name`: what Lambda calls a record. `body`: its JSON. `ordered`: whether a record that failed
    holds up those after it.
    """

    source: str
    name: Callable[[Record], str]
    body: Callable[[Record], str | bytes]
    ordered: Callable[[Record], bool]

    def knows(self, event: dict[str, Any]) -> bool:
        """Whether the event is of this kind."""
        records = event.get("Records")
        first = records[0] if isinstance(records, list) and records else None
        return isinstance(first, dict) and first.get("eventSource") == self.source

    def respond(self, event: dict[str, Any], work: Work) -> dict[str, Any]:
        """Classify the records, deliver the answers, and name the records that come again."""
        failed = self._failed(event["Records"], work)
        return {"batchItemFailures": [{"itemIdentifier": self.name(record)} for record in failed]}

    def _failed(self, records: Sequence[Record], work: Work) -> Sequence[Record]:
        failed: list[Record] = []
        deadline = Deadline(work.timeout)
        for at, delivered in enumerate(self._deliveries(records, work)):
            if not delivered and (self.ordered(records[at]) or deadline.over):
                _LOG.warning("records after it that come again: %d", len(records) - at - 1)
                return [*failed, *records[at:]]
            if not delivered:
                failed.append(records[at])
        return failed

    def _deliveries(self, records: Sequence[Record], work: Work) -> Iterator[bool]:
        """Whether each record was answered, and the answer delivered, in their order."""
        # An error in place of a text is no text. It fails in its place, and no other text does.
        texts: list[Any] = [self._read(record) for record in records]
        answers = work.classifier.classify_many(texts, on_error="return", timeout=work.timeout)
        for record, text, answer in zip(records, texts, answers, strict=True):
            outcome = text if isinstance(text, InputError) else answer
            if isinstance(outcome, LightClientError):
                kind = type(outcome).__name__
                _LOG.warning("record %s failed: %s: %s", self.name(record), kind, outcome)
                yield False
            else:
                yield self._delivered(record, outcome, work)

    def _read(self, record: Record) -> Text | InputError:
        try:
            fields = parse_json(self.body(record))
            text = fields.get("text") if isinstance(fields, dict) else None
            return check_text(read_text(text), 'the field "text" of a record')
        except InputError as error:
            return error

    def _delivered(self, record: Record, answer: Classification, work: Work) -> bool:
        if work.deliver is None:
            line = {"itemIdentifier": self.name(record)} | as_json(answer)
            print(json.dumps(line), flush=True)  # noqa: T201 - it goes to the function's log
            return True
        try:
            work.deliver(record, answer)
        except Exception:  # noqa: BLE001 - whatever it may be, it is one record that failed
            _LOG.exception("the answer for record %s was not delivered", self.name(record))
            return False
        return True


QUEUE = Records(
    "aws:sqs",
    name=lambda record: str(record["messageId"]),
    body=lambda record: str(record["body"]),
    ordered=lambda record: str(record.get("eventSourceARN")).endswith(".fifo"),
)
STREAM = Records(
    "aws:kinesis",
    name=lambda record: str(record["kinesis"]["sequenceNumber"]),
    body=lambda record: decode_base64(record["kinesis"]["data"]),
    ordered=lambda record: True,  # Lambda sends everything from the first failed one on again
)
