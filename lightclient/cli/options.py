"""Options that several commands share."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_command(
    commands: "Commands", name: str, summary: str, text: str
) -> argparse.ArgumentParser:
    """A sub-command whose help keeps the line breaks of `text`; each option is given once."""
    parser = commands.add_parser(
        name,
        help=summary,
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.register("action", None, _StoreOnce)
    return parser


class _StoreOnce(argparse.Action):
    """Stores a value as argparse does; but the last of several would win, and nobody be told."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        given = namespace.__dict__.setdefault("given", set())
        if option_string and self.dest in given:
            parser.error(f"{option_string} is given more than once")
        given.add(self.dest)
        setattr(namespace, self.dest, values)


def add_server_options(parser: argparse.ArgumentParser) -> None:
    """The options that `server_settings` reads."""
    parser.add_argument(
        "--url", metavar="U", help="the served model: http://HOST:8501/v1/models/NAME"
    )
    parser.add_argument(
        "--bundle",
        metavar="B",
        help="the model's Hugging Face folder (tokenizer.json, config.json) or a shipped name; "
        "default: what the served model carries, or else distilbert-base-uncased-finetuned-sst-2-"
        "english, which 'served' forbids",
    )
    parser.add_argument(
        "--function",
        metavar="F",
        choices=("softmax", "sigmoid", "none"),
        help="what makes scores of the model's output: softmax, sigmoid or none; default: as the "
        "output's name says, or as transformers' pipeline does",
    )
    parser.add_argument(
        "--pad-to",
        metavar="N",
        type=whole,
        help="one length for all requests, if the server batches",
    )
    parser.add_argument(
        "--timeout", metavar="S", type=_timeout, help="seconds a call may take; default: 10"
    )


def whole(text: str) -> int:
    """A whole number, 1 or more, for the parser."""
    if not (text.isascii() and text.isdecimal()) or len(text) > 9 or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number, 1 or more")
    return int(text)


def _timeout(text: str) -> float:
    from lightclient.settings import check_timeout

    try:
        return check_timeout(float(text))
    except ValueError as error:  # an InputError is one as well
        raise argparse.ArgumentTypeError(
            f"{text!r} must be a number of seconds above 0, a year at most"
        ) from error


def server_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings that a command line gives; None for those that it leaves out."""
    names = ("url", "bundle", "timeout", "function", "pad_to")
    return {name: getattr(arguments, name) for name in names}


def is_typed(arguments: argparse.Namespace) -> bool:
    """Whether somebody types the texts in."""
    return not (arguments.file or arguments.texts) and sys.stdin.isatty()
