"""Events that somebody waits for: a direct invocation, or an HTTP request."""

import json
import logging
import math
from http import HTTPStatus
from typing import Any

from lightclient import errors
from lightclient.aws_lambda.request import Work, answer_request, decode_base64, parse_json

Event = dict[str, Any]

# All other errors lie between this function and the model's server, and become 502: its name, its
# credentials, what it answers.
_STATUSES: tuple[tuple[type[errors.LightClientError], HTTPStatus], ...] = (
    (errors.InputError, HTTPStatus.BAD_REQUEST),
    (errors.BadRequest, HTTPStatus.BAD_REQUEST),
    (errors.Overloaded, HTTPStatus.TOO_MANY_REQUESTS),
    (errors.BundleError, HTTPStatus.INTERNAL_SERVER_ERROR),
    (errors.Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.CannotConnect, HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.ConnectionLost, HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.TimedOut, HTTPStatus.GATEWAY_TIMEOUT),
)
_LOG = logging.getLogger("lightclient")


class Invocation:
    """A direct invocation: the event is the request. An error makes the invocation fail."""

    def knows(self, event: Event) -> bool:
        """Whether the event is of this kind."""
        return "text" in event or "texts" in event

    def respond(self, event: Event, work: Work) -> Any:
        """The answer; raises what `answer_request` does."""
        return answer_request(event, work)


class HttpRequest:
    """By API Gateway (payload 1.0 or 2.0), to a function URL, or by a load balancer."""

    def knows(self, event: Event) -> bool:
        """Whether the event is of this kind."""
        context = event.get("requestContext")
        return isinstance(context, dict) and ("httpMethod" in event or "http" in context)

    def respond(self, event: Event, work: Work) -> Event:
        """The response. An error becomes its status."""
        try:
            answer = answer_request(parse_json(_body(event)), work)
        except errors.LightClientError as error:
            return _refusal(event, error)
        return _response(event, HTTPStatus.OK, answer)


def _body(event: Event) -> str | bytes:
    body = event.get("body")
    if not body or not isinstance(body, str):
        raise errors.InputError('the request has no body: send JSON, like {"text": "…"}')
    return decode_base64(body) if event.get("isBase64Encoded") else body


def _refusal(event: Event, error: errors.LightClientError) -> Event:
    found = (status for kind, status in _STATUSES if isinstance(error, kind))
    status, name = next(found, HTTPStatus.BAD_GATEWAY), type(error).__name__
    message = str(error)
    if not isinstance(error, errors.InputError):
        # It names servers, and says what only whoever runs them can do.
        _LOG.warning("answered %d: %s: %s", status, name, message)
        message = "this could not be answered; the log of the function says why"
    pause = getattr(error, "retry_after", None)
    headers = {} if pause is None else {"Retry-After": str(math.ceil(pause))}
    return _response(event, status, {"error": name, "message": message}, headers)


def _response(
    event: Event, status: HTTPStatus, body: Any, more: dict[str, str] | None = None
) -> Event:
    headers = {"Content-Type": "application/json"} | (more or {})
    response = {"statusCode": status.value, "body": json.dumps(body), "isBase64Encoded": False}
    if "elb" not in event["requestContext"]:
        return response | {"headers": headers}
    response["statusDescription"] = f"{status.value} {status.phrase}"
    if "multiValueHeaders" in event:  # a load balancer that sends lists reads nothing but lists
        return response | {"multiValueHeaders": {name: [headers[name]] for name in headers}}
    return response | {"headers": headers}
