"""`lightclient check`: can this client talk to that server, and if not, why?"""

import argparse
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lightclient.cli import options
from lightclient.cli.progress import handling
from lightclient.errors import InputError, LightClientError, ModelNotFound, ReplyError
from lightclient.messages import printable

if TYPE_CHECKING:
    from lightclient.http.deadline import Deadline
    from lightclient.http.transport import Reply
    from lightclient.serving.plan import Plan
    from lightclient.serving.predictor import Predictor

_TEXT = """\
Walk through what a classification needs: does the host answer, is the model there and loaded, does
its signature fit the bundle, does one text get an answer, and the same one beside others? Ends at
the first step that fails, with what to do about it. Exit status: 0 when all is well, else 1.

  lightclient check --wait 60 --quiet && python service.py       start when the server is ready

--json prints one object: "ok" (true or false), "attempts", "seconds", and "steps", a list of
objects in the order setup, server, model, signature, bundle, function, answer, batching. Each has
"step", "ok" and "message". A step that fails is the last one, and has "error" too, the name of the
error's class.

Vertex AI, SageMaker and KServe tell no signature, and the first two no status. There, the usual
inputs and the row form are tried.
"""
_SAMPLE = "I like you. I love you"
_LONGEST_WAIT = 7 * 24 * 3600
_PAUSE = 0.5  # seconds from one attempt to the next
_LEAST_TIMEOUT = 1.0  # at the end of the wait; a shorter one would blame a server that is well


@dataclass(frozen=True)
class Finding:
    """What one step found. `error`: what is wrong; None: all is well."""

    step: str
    message: str
    error: LightClientError | None = None

    def as_dict(self) -> dict[str, object]:
        """What `--json` shows of it."""
        shown = {"step": self.step, "ok": self.error is None, "message": self.message}
        return shown | ({"error": type(self.error).__name__} if self.error else {})


def add_command(commands: "options.Commands") -> None:
    """Add `check`."""
    parser = options.add_command(commands, "check", "find out why it does not work", _TEXT)
    options.add_server_options(parser)
    parser.add_argument(
        "--wait",
        metavar="S",
        type=_seconds,
        default=0.0,
        help="when something is wrong, try again until all is well, for S seconds at most",
    )
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--quiet", action="store_true", help="print only what is wrong")
    output.add_argument("--json", action="store_true", help="print one JSON object, for machines")
    parser.set_defaults(run=_run)


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0 <= float(text) <= _LONGEST_WAIT:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text}: give seconds, from 0 to {_LONGEST_WAIT}")


def _run(arguments: argparse.Namespace) -> int:
    started = time.monotonic()
    end = started + arguments.wait
    attempts = 0
    progress = _Progress(silent=arguments.quiet or arguments.json)
    # A step says what the client warns of, which each attempt would print once more.
    with handling(logging.NullHandler()):
        while True:
            attempts += 1
            findings = _attempt(arguments, end, progress)
            error = findings[-1].error
            if _is_settled(error) or time.monotonic() + _PAUSE >= end:
                break
            progress.show("wait", findings[-1].message.splitlines()[0])
            time.sleep(_PAUSE)
    if arguments.json:
        print(_document(findings, attempts, time.monotonic() - started))
    elif error:
        print("wrong " + findings[-1].message.replace("\n", "\n      "))
    return 1 if error else 0


def _document(findings: list[Finding], attempts: int, seconds: float) -> str:
    ok, steps = findings[-1].error is None, [finding.as_dict() for finding in findings]
    found = {"ok": ok, "attempts": attempts, "seconds": round(seconds, 3), "steps": steps}
    return json.dumps(found)


def _is_settled(error: LightClientError | None) -> bool:
    """Whether another attempt would find the same: a wrong setting stays wrong."""
    return error is None or isinstance(error, InputError)


class _Doubt(str):
    """What a step found, where nothing is known to be wrong and the user should look at it."""

    __slots__ = ()


class _Progress:
    """Prints what was found as it comes, and what is found again only once."""

    def __init__(self, silent: bool) -> None:
        self._silent = silent
        self._shown: set[str] = set()

    def show(self, mark: str, message: str) -> None:
        """Print a line that was not printed yet."""
        line = f"{mark:<5} {message}"
        if not (self._silent or line in self._shown):
            self._shown.add(line)
            print(line, flush=True)


def _attempt(arguments: argparse.Namespace, end: float, progress: _Progress) -> list[Finding]:
    """What each step finds; one that fails is the last."""
    from lightclient.serving.refusal import SEE_CHECK

    found = []
    with ExitStack() as stack:
        try:
            for step in _Walk(arguments, end, stack).steps():
                name = step.__name__
                found.append(Finding(name, message := step()))
                progress.show("warn" if isinstance(message, _Doubt) else "ok", message)
        except LightClientError as error:
            found.append(Finding(name, str(error).removesuffix(SEE_CHECK), error))
    return found


class _Walk:
    """The steps, in their order. Each says what it found, or raises what is wrong."""

    _predictor: "Predictor"

    def __init__(self, arguments: argparse.Namespace, end: float, stack: ExitStack) -> None:
        self._arguments, self._end, self._stack = arguments, end, stack

    def steps(self) -> Iterator[Callable[[], str]]:
        """The steps, as many as this server knows."""
        yield self.setup
        if self._address.model is not None:
            yield self.server
            yield self.model
        yield self.signature
        yield self.bundle
        yield self.function
        yield self.answer
        yield self.batching

    def setup(self) -> str:
        """The settings, and the bundle."""
        from lightclient.serving.address import parse_address
        from lightclient.settings import read_settings

        self._settings = read_settings(**options.server_settings(self._arguments))
        self._address = parse_address(self._settings.url)
        if self._address.model is None:
            self._assume_signature()
        self._connect()
        if self._predictor.choice.is_open:
            return "bundle: the model is asked for its own"
        return f"bundle {self._predictor.bundle.name!r}: {_described_bundle(self._predictor)}"

    def server(self) -> str:
        """Whatever answers at the address."""
        self._status = self._get(self._address.path)
        return f"{self._address.origin} answers"

    def model(self) -> str:
        """The model's status."""
        from lightclient.serving.refusal import read_json

        if read_json(self._status).get("ready") is True:
            self._assume_signature()
            self._connect()
            return f"model {self._address.model!r} is ready, in KServe's words"
        return f"model {self._address.model!r} is AVAILABLE: version {self._version()}"

    def _version(self) -> str:
        """The version that answers; without a label, all that are loaded."""
        from lightclient.serving.refusal import read_json

        versions, label = _available(self._status), self._address.label
        if label is None:
            return versions
        # The status at a label is that of all versions. The metadata are those of the label's.
        reply = self._get(self._address.metadata)
        answer = read_json(reply)
        try:
            version = answer["model_spec"]["version"]
        except (LookupError, TypeError) as error:
            raise _unlike(reply, "version") from error
        return f"{printable(str(version))}, by its label {label!r}"

    def signature(self) -> str:
        """The model's metadata, against the bundle."""
        from lightclient.model.files import bound
        from lightclient.serving.signature import BY_HAND

        plan = self._predictor.plan(self._deadline())
        if self._settings.signature:
            return f"the server tells no signature; assumed: {_described(plan)}; {BY_HAND}"
        name = plan.signature.name.removesuffix(bound("", plan.bundle.fingerprint))
        return f"signature {name!r} fits: {_described(plan)}"

    def bundle(self) -> str:
        """The bundle in use, against the one that the model carries."""
        from lightclient.serving.carried import told

        choice = self._predictor.choice
        if choice.carried is None:
            if choice.is_open:
                return _Doubt(told(choice.bundle))
            return f"bundle {choice.bundle.name!r} is used: the model carries none to compare with"
        if choice.is_open:
            return f"the model carries its bundle: {_described_bundle(self._predictor)}"
        return f"the model was exported with this bundle, {choice.bundle.fingerprint}"

    def function(self) -> str:
        """What makes scores of the output."""
        plan = self._predictor.plan(self._deadline())
        output = "the output" if plan.signature.output is None else repr(plan.signature.output)
        return f"function {plan.function.name!r} makes scores of {output}, {plan.function.reason}"

    def answer(self) -> str:
        """A text's classification."""
        from lightclient.questions.classify import Classify

        [answer] = self._predictor.ask(Classify().one_row_each, [_SAMPLE], self._deadline()) or []
        asked = ", asked with form='row'" if self._settings.form == "row" else ""
        return f"{_SAMPLE!r} gets {answer}{asked}"

    def batching(self) -> str:
        """Texts at the same moment, which a server may put into one batch."""
        from lightclient.cli.batching import find_batching

        return find_batching(self._predictor, self._deadline())

    def _get(self, path: str) -> "Reply":
        return self._predictor.transport.send("GET", path, None, self._deadline())

    def _connect(self) -> None:
        from lightclient.serving.predictor import Predictor

        self._predictor = Predictor(self._settings)
        self._stack.callback(self._predictor.transport.close)

    def _assume_signature(self) -> None:
        from lightclient.model.bundle import Bundle
        from lightclient.serving.carried import SERVED
        from lightclient.serving.signature import Signature

        if self._settings.bundle == SERVED:
            raise InputError(
                f"{self._address} tells no signature, and so it cannot be asked for its bundle: "
                "pass the model's Hugging Face folder as bundle="
            )
        bundle = Bundle.load(self._settings.bundle)
        types = "token_type_ids" if bundle.needs_type_ids else None
        signature = Signature(token_type_ids=types)
        self._settings = replace(self._settings, signature=signature, form="row")

    def _deadline(self) -> "Deadline":
        """That of one step. With `--wait`, it is over soon after the whole time."""
        from lightclient.http.deadline import Deadline

        seconds = self._settings.timeout
        if self._arguments.wait:
            seconds = min(seconds, max(self._end - time.monotonic(), _LEAST_TIMEOUT))
        return Deadline(seconds)


def _available(reply: "Reply") -> str:
    """The version that is loaded (g3doc/api_rest.md, model status).

    An answer of 200 is not enough: a version that was unloaded is told with the state END.
    """
    from lightclient.serving.refusal import read_json

    answer = read_json(reply)
    try:
        found = [
            (str(entry["version"]), str(entry["state"]), entry["status"].get("error_message"))
            for entry in answer["model_version_status"]
        ]
    except (LookupError, TypeError, AttributeError) as error:
        raise _unlike(reply, "status") from error
    if loaded := ", ".join(version for version, state, _ in found if state == "AVAILABLE"):
        return printable(loaded)
    state = printable("; ".join(f"version {version} is {state}" for version, state, _ in found))
    said = printable(" ".join(str(message) for _, _, message in found if message))
    raise ModelNotFound(
        f"the model is not loaded: {state or 'no version at all'}. {said}\n"
        "Wait while it is LOADING or START; else see the server's log and its model folder.",
        url=reply.url,
        status=reply.status,
        server_message=said,
        attempts=reply.attempts,
    )


def _unlike(reply: "Reply", what: str) -> ReplyError:
    words = f"{reply.url} does not tell a model's {what} as TensorFlow Serving does"
    return ReplyError(words, url=reply.url)


def _described_bundle(predictor: "Predictor") -> str:
    labels = printable(", ".join(predictor.bundle.labels), 200)
    return f"labels {labels}; {predictor.bundle.max_length or 'any number of'} tokens at most"


def _described(plan: "Plan") -> str:
    signature = plan.signature
    names = (signature.input_ids, signature.attention_mask, signature.token_type_ids)
    length = f"{plan.length} tokens" if plan.length else "free length"
    classes = "" if signature.classes is None else f", {signature.classes} of them"
    return f"{', '.join(filter(None, names))} ({length}) -> {signature.output or 'logits'}{classes}"
