"""`lightclient classify`: texts in, answers out, as a stream."""

import argparse
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from lightclient.cli import options
from lightclient.cli.output import WRITERS
from lightclient.cli.texts import read_file, read_lines

if TYPE_CHECKING:
    from lightclient.client import Classifier
    from lightclient.scoring import Classification

_TEXT = """\
Classify texts from the command line, from a file, or from stdin, one a line.

  lightclient classify --url http://HOST:8501/v1/models/NAME "some text" "another"
  lightclient classify --file reviews.csv --column text --format jsonl > answers.jsonl
  lightclient classify --file reviews.tsv --column 2          # no header: the second column
  cat lines.txt | lightclient classify --top-k 3

Lines are read and answered 32 at a time. A .tsv file knows no quotes: a cell is what stands between
two tabs.
"""


def add_command(commands: "options.Commands") -> None:
    """Add `classify`."""
    parser = options.add_command(commands, "classify", "classify texts", _TEXT)
    parser.add_argument("texts", metavar="TEXT", nargs="*", help="a text; none: lines of stdin")
    parser.add_argument("--file", metavar="F", type=Path, help="a .txt, .csv, .tsv or .jsonl file")
    parser.add_argument(
        "--column",
        metavar="C",
        help="the column or key that holds the text; a number, from 1, if there is no header",
    )
    options.add_server_options(parser)
    parser.add_argument("--format", choices=WRITERS, default="table", help="default: %(default)s")
    parser.add_argument(
        "--top-k", metavar="K", type=_count, default=1, help="labels to show; default: 1"
    )
    parser.set_defaults(run=_run, usage_error=parser.error)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number, 1 or more")
    return int(text)


def _run(arguments: argparse.Namespace) -> int:
    from lightclient.client import Classifier

    texts = _texts(arguments)
    with Classifier(
        arguments.url, bundle=arguments.bundle, timeout=arguments.timeout
    ) as classifier:
        tally = _Tally(classifier, texts)
        WRITERS[arguments.format](_with_progress(tally), sys.stdout, arguments.top_k)
    if tally.truncated:
        texts_were = "1 text was" if tally.truncated == 1 else f"{tally.truncated} texts were"
        print(
            f"lightclient: {texts_were} longer than the model takes; what is over was not read",
            file=sys.stderr,
        )
    return 0


def _texts(arguments: argparse.Namespace) -> Iterable[str]:
    if arguments.file and arguments.texts:
        arguments.usage_error("give either TEXT or --file, not both")
    if arguments.column and not arguments.file:
        arguments.usage_error("--column goes with --file")
    if arguments.file:
        return read_file(arguments.file, arguments.column)
    if arguments.texts:
        found: list[str] = arguments.texts
        return found
    if sys.stdin.isatty():
        print("texts, one a line; end with Ctrl-D", file=sys.stderr)
    return read_lines(sys.stdin.buffer, "stdin")


class _Tally:
    """Each text with its answer, and how many were cut."""

    def __init__(self, classifier: "Classifier", texts: Iterable[str]) -> None:
        self._classifier = classifier
        self._texts = texts
        self._waiting: deque[str] = deque()
        self.truncated = 0

    def __iter__(self) -> Iterator[tuple[str, "Classification"]]:
        for answer in self._classifier.classify_many(self._remembered()):
            self.truncated += answer.truncated
            yield self._waiting.popleft(), answer

    def _remembered(self) -> Iterator[str]:
        for text in self._texts:
            self._waiting.append(text)
            yield text


def _with_progress(
    answers: Iterable[tuple[str, "Classification"]],
) -> Iterable[tuple[str, "Classification"]]:
    """With a bar on stderr, if that is a terminal, the answers go elsewhere, and tqdm is there."""
    if not sys.stderr.isatty() or sys.stdout.isatty():
        return answers
    try:
        tqdm = import_module("tqdm").tqdm
    except ImportError:
        return answers
    bar: Iterable[tuple[str, Classification]] = tqdm(answers, unit=" texts", delay=1)
    return bar
