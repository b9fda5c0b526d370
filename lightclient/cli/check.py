"""`lightclient check`: can this client talk to that server, and if not, why?"""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lightclient.cli import options
from lightclient.errors import LightClientError, ModelNotFound, ReplyError
from lightclient.messages import printable

if TYPE_CHECKING:
    from lightclient.http.transport import Reply
    from lightclient.serving.predictor import Plan

_TEXT = """\
Walk through what a classification needs: does the host answer, is the model there and loaded, does
its signature fit the bundle, does one text get an answer? Ends at the first step that fails, with
what to do about it.
"""
_SAMPLE = "I like you. I love you"


def add_command(commands: "options.Commands") -> None:
    """Add `check`."""
    parser = options.add_command(commands, "check", "find out why it does not work", _TEXT)
    options.add_server_options(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from lightclient.serving.refusal import SEE_CHECK

    try:
        for finding in _findings(arguments):
            print(f"ok    {finding}", flush=True)
    except LightClientError as error:
        print("wrong " + str(error).removesuffix(SEE_CHECK).replace("\n", "\n      "))
        return 1
    return 0


def _findings(arguments: argparse.Namespace) -> Iterator[str]:
    """What each step found, step by step; what is wrong is raised."""
    from lightclient.http.deadline import Deadline
    from lightclient.serving.predictor import Predictor
    from lightclient.settings import read_settings

    settings = read_settings(url=arguments.url, bundle=arguments.bundle, timeout=arguments.timeout)
    predictor = Predictor(settings)
    bundle, address, transport = predictor.bundle, predictor.address, predictor.transport
    yield f"bundle {bundle.name!r}: {len(bundle.labels)} labels, {bundle.max_length} tokens at most"
    reply = transport.send("GET", address.path, None, Deadline(settings.timeout))
    yield f"{address.origin} answers"
    yield f"model {address.model!r} is AVAILABLE: version {_available(reply)}"
    plan = predictor.plan(Deadline(settings.timeout))
    yield f"signature {plan.signature.name!r} fits: {_described(plan)}"
    [answer] = predictor.classify([_SAMPLE], Deadline(settings.timeout))
    transport.close()
    yield f"{_SAMPLE!r} gets {answer}"


def _available(reply: "Reply") -> str:
    """The version that is loaded (g3doc/api_rest.md, model status).

    An answer of 200 is not enough: a version that was unloaded is told with the state END.
    """
    from lightclient.serving.refusal import read_json

    answer = read_json(reply)

    def told(value: object) -> str:
        return printable(str(value))

    try:
        versions = answer["model_version_status"]
        states = {told(entry["version"]): told(entry["state"]) for entry in versions}
        failures = [told(entry["status"].get("error_message") or "") for entry in versions]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ReplyError(
            f"{reply.url} does not tell a model's status as TensorFlow Serving does", url=reply.url
        ) from error
    loaded = [version for version, state in states.items() if state == "AVAILABLE"]
    if loaded:
        return ", ".join(loaded)
    state = "; ".join(f"version {version} is {state}" for version, state in states.items())
    said = " ".join(filter(None, failures))
    raise ModelNotFound(
        f"the model is not loaded: {state or 'no version at all'}. {said}\n"
        "Wait while it is LOADING or START; else see the server's log and its model folder.",
        url=reply.url,
        status=reply.status,
        server_message=said,
        attempts=reply.attempts,
    )


def _described(plan: "Plan") -> str:
    signature = plan.signature
    names = (signature.input_ids, signature.attention_mask, signature.token_type_ids)
    length = f"{plan.length} tokens" if plan.length else "free length"
    classes = "" if signature.classes is None else f", {signature.classes} of them"
    return f"{', '.join(filter(None, names))} ({length}) -> {signature.output or 'logits'}{classes}"
