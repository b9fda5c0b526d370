"""What is asked, as JSON: `{"text": …}` or `{"texts": […]}`.

Beside it, `top_k` and `threshold` may stand.
"""

import json
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lightclient.checks import check_whole
from lightclient.classification import Classification, Threshold, check_threshold
from lightclient.client import Classifier
from lightclient.errors import InputError

Deliver = Callable[[dict[str, Any], Classification], object]


@dataclass(frozen=True)
class Work:
    """What one event is answered with; `timeout`: the seconds for the whole event."""

    classifier: Classifier
    timeout: float
    deliver: Deliver | None = None


def answer_request(fields: Any, work: Work) -> dict[str, Any] | list[dict[str, Any]]:
    """An object for one text, or a list of objects for a list of texts.

    Raises:
        InputError: a field is missing, unknown or not what it must be.
        Whatever `Classifier.classify` and `classify_many` raise.
    """
    if not isinstance(fields, dict) or ("text" in fields) == ("texts" in fields):
        raise InputError('a request is an object with either "text" or "texts"')
    if fields.keys() - {"text", "texts", "top_k", "threshold"}:
        # They are not named, because a text may have become one by mistake.
        raise InputError('a request has no fields but "text" or "texts", "top_k" and "threshold"')
    top_k, threshold = fields.get("top_k"), fields.get("threshold")
    if top_k is not None:
        check_whole("top_k", top_k, 1)
    if threshold is not None:
        check_threshold(threshold)
    if "text" in fields:
        text = read_text(fields["text"])
        return as_json(work.classifier.classify(text, timeout=work.timeout), top_k, threshold)
    if not isinstance(fields["texts"], list):
        raise InputError(f"texts must be a list, not {type(fields['texts']).__name__}")
    texts = [read_text(text) for text in fields["texts"]]
    # All of them first, so that a threshold of other labels breaks off no stream.
    answers = list(work.classifier.classify_many(texts, timeout=work.timeout))
    return [as_json(answer, top_k, threshold) for answer in answers]


def read_text(value: Any) -> Any:
    """Return a text, or a pair as a tuple, which JSON writes as a list of two."""
    return tuple(value) if isinstance(value, list) else value


def as_json(
    answer: Classification, top_k: int | None = None, threshold: Threshold | None = None
) -> dict[str, Any]:
    """The best label with its score; for `top_k` the best `scores`, for `threshold` the `labels`.

    Raises:
        InputError: `threshold` does not fit the model's labels.
    """
    found = {"label": answer.label, "score": answer.score, "truncated": answer.truncated}
    if top_k is not None:
        found["scores"] = [score._asdict() for score in answer.scores[:top_k]]
    if threshold is not None:
        found["labels"] = [score._asdict() for score in answer.above(threshold)]
    return found


def parse_json(text: str | bytes) -> Any:
    """Parse what was sent.

    Raises:
        InputError: it is no JSON. The message does not quote it.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise InputError('what was sent is not JSON in UTF-8; send {"text": "…"}') from None


def decode_base64(text: str) -> bytes:
    """Decode what was sent, and came in base64.

    Raises:
        InputError: it is no base64.
    """
    try:
        return b64decode(text, validate=True)
    except ValueError:
        raise InputError("what was sent is not base64, although the event says so") from None
