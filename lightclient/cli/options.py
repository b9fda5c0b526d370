"""Options that several commands share."""

import argparse
from typing import TYPE_CHECKING

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
    """`--url`, `--bundle` and `--timeout`."""
    parser.add_argument(
        "--url", metavar="U", help="the served model: http://HOST:8501/v1/models/NAME"
    )
    parser.add_argument(
        "--bundle",
        metavar="B",
        help="the model's Hugging Face folder (tokenizer.json, config.json) or a shipped name; "
        "default: distilbert-base-uncased-finetuned-sst-2-english",
    )
    parser.add_argument(
        "--timeout", metavar="S", type=float, help="seconds a call may take; default: 10"
    )
