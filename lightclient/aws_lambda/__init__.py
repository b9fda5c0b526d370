"""A function on AWS Lambda that classifies what it is sent.

Name `lightclient.aws_lambda.handler` as the function's handler, and the environment configures it:
LIGHTCLIENT_URL and so on. `make_handler` makes the same from a classifier of your own.

It takes direct invocations, requests of API Gateway, function URLs and load balancers, and batches
from SQS and Kinesis.
"""

from typing import TYPE_CHECKING

from lightclient.aws_lambda.adapter import make_handler
from lightclient.client import Classifier

if TYPE_CHECKING:
    from lightclient.aws_lambda.adapter import Handler

    handler: Handler
else:

    def __getattr__(name: str) -> object:
        # Lambda asks for the handler in its init phase. Whoever imports only make_handler needs no
        # environment.
        if name != "handler":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()["handler"] = made = make_handler(Classifier())
        return made


__all__ = ["handler", "make_handler"]
