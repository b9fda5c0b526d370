"""From an event to its answer, within the time that the function has left."""

import logging
from collections.abc import Callable
from typing import Any

from lightclient.aws_lambda.batches import QUEUE, STREAM
from lightclient.aws_lambda.calls import HttpRequest, Invocation
from lightclient.aws_lambda.request import Deliver, Work
from lightclient.client import Classifier
from lightclient.errors import InputError, LightClientError
from lightclient.messages import short_repr

_FORMS = (HttpRequest(), QUEUE, STREAM, Invocation())
# Lambda gives 10 seconds to the init phase, and as many to what runs after a restore.
_WARM_SECONDS = 5.0
# The answer still has to reach Lambda before it kills the function.
_SPARE_SECONDS = 0.5
_LEAST_SECONDS = 0.001
_LOG = logging.getLogger("lightclient")
Handler = Callable[[Any, Any], Any]


def make_handler(classifier: Classifier, *, deliver: Deliver | None = None) -> Handler:
    """Make a Lambda handler. Call it at the top of a module, so that it runs in the init phase.

    It warms the classifier up. If the server does not answer then, the first event tries again.
    With SnapStart, the connections are closed before a snapshot and opened after each restore.

    Args:
        classifier: answers all events, each within its `timeout` and the time that is left.
        deliver: called as `deliver(record, answer)`, in order, for each answered record of a queue
            or a stream. If it raises an exception, the record comes again. If it is left out, each
            answer is a line of JSON in the function's log, with the record's id, without its text.

    Raises:
        InputError: `classifier` is no `Classifier`.
    """
    if not isinstance(classifier, Classifier):
        raise InputError(f"make_handler takes a Classifier, not {short_repr(classifier)}")
    _warm(classifier)
    _load_the_rest()
    _prepare_for_snapshots(classifier)

    def handler(event: Any, context: Any) -> Any:
        work = Work(classifier, _seconds_left(classifier, context), deliver)
        for form in _FORMS:
            if isinstance(event, dict) and form.knows(event):
                return form.respond(event, work)
        raise InputError(
            "lightclient.aws_lambda does not know this form of event; it takes a direct invocation "
            '({"text": "…"} or {"texts": ["…", "…"]}), a request by API Gateway (payload 1.0 or '
            "2.0), to a function URL or by an Application Load Balancer, and records of SQS or "
            "Kinesis"
        )

    return handler


def _warm(classifier: Classifier) -> None:
    try:
        classifier.warm(timeout=min(classifier.timeout, _WARM_SECONDS))
    except LightClientError as error:
        # Not fatal, because the server may be there when an event comes.
        _LOG.warning("not warmed up: %s: %s", type(error).__name__, error)


def _load_the_rest() -> None:
    """Import what a classifier imports at its first need, which no event should wait for."""
    import lightclient.scoring
    import lightclient.serving.reply
    import lightclient.streams.stream  # noqa: F401


def _prepare_for_snapshots(classifier: Classifier) -> None:
    try:
        from snapshot_restore_py import register_after_restore, register_before_snapshot
    except ImportError:  # Lambda's own runtimes have it; elsewhere nothing takes snapshots
        return
    register_before_snapshot(classifier.close)
    register_after_restore(_warm, classifier)


def _seconds_left(classifier: Classifier, context: Any) -> float:
    if context is None:  # called by hand, and not by Lambda
        return classifier.timeout
    left: float = context.get_remaining_time_in_millis() / 1000 - _SPARE_SECONDS
    return max(min(classifier.timeout, left), _LEAST_SECONDS)
