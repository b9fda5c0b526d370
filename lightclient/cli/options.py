"""Options that several commands share."""

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_command(
    commands: "Commands", name: str, summary: str, text: str
) -> argparse.ArgumentParser:
    """A sub-command whose help keeps the line breaks of `text`."""
    return commands.add_parser(
        name,
        help=summary,
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


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
        "--pad-to", metavar="N", type=int, help="one length for all requests, if the server batches"
    )
    parser.add_argument(
        "--timeout", metavar="S", type=float, help="seconds a call may take; default: 10"
    )


def server_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings that a command line gives; None for those that it leaves out."""
    names = ("url", "bundle", "timeout", "function", "pad_to")
    return {name: getattr(arguments, name) for name in names}
