"""`lightclient classify`: texts in, answers out, as a stream."""

import argparse
import sys
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

from lightclient.cli import options
from lightclient.cli.outfile import LAYOUTS, Begun, open_output, pass_over
from lightclient.cli.output import CONTINUING, WRITERS
from lightclient.cli.texts import read_file, read_lines
from lightclient.errors import LightClientError

if TYPE_CHECKING:
    from lightclient.classification import Classification
    from lightclient.client import Classifier

_TEXT = """\
Classify texts from the command line, from a file, or from stdin, one a line.

  lightclient classify --url http://HOST:8501/v1/models/NAME "some text" "another"
  lightclient classify --file reviews.csv --column text --format jsonl > answers.jsonl
  lightclient classify --file reviews.tsv --column 2          # no header: the second column
  cat lines.txt | lightclient classify --top-k 3
  lightclient classify --file reviews.csv --column text --format csv --output answers.csv

Texts are read ahead: 64 at first, then up to 1,024 at a time, and sent in several requests at once;
the answers come in the order of the texts. A server that is away or overloaded is tried again until
--timeout is over. What broke off with --output goes on where it stopped when the same command is
given with --resume (--file, --format jsonl or csv): no text is lost and none is answered twice.

A .tsv file knows no quotes: a cell is what stands between two tabs.
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
    parser.add_argument(
        "--output", metavar="OUT", type=Path, help="a new file for the results; default: stdout"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with an OUT that an abort left behind"
    )
    parser.set_defaults(run=_run, usage_error=parser.error)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number, 1 or more")
    return int(text)


def _run(arguments: argparse.Namespace) -> int:
    from lightclient.client import Classifier

    _check_resume(arguments)
    texts = iter(_texts(arguments))
    with Classifier(**options.server_settings(arguments)) as classifier:
        if arguments.texts:
            _count_labels(classifier)  # asks the server, so that one which is away is told soon
        if arguments.output:
            tally = _to_file(arguments, classifier, texts)
        else:
            tally = _Tally(classifier, Begun(texts))
            _write(arguments, tally, sys.stdout)
    if tally.truncated:
        texts_were = "1 text was" if tally.truncated == 1 else f"{tally.truncated} texts were"
        print(
            f"lightclient: {texts_were} longer than the model takes; what is over was not read",
            file=sys.stderr,
        )
    return 0


def _check_resume(arguments: argparse.Namespace) -> None:
    if not arguments.resume:
        return
    if not (arguments.file and arguments.output):
        arguments.usage_error("--resume goes with --file and --output")
    if arguments.format not in CONTINUING:
        arguments.usage_error(f"--resume goes with --format {' or '.join(CONTINUING)}")
    if arguments.output.exists() and arguments.output.samefile(arguments.file):
        arguments.usage_error("--output must be another file than --file")


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
    """Each text with its answer; how many were cut, and how many answers there are by now."""

    def __init__(self, classifier: "Classifier", begun: Begun) -> None:
        self._classifier = classifier
        self._begun = begun
        self._waiting: deque[str] = deque()
        self.truncated = 0
        self.answers = begun.answers

    def __iter__(self) -> "Generator[tuple[str, Classification], None, None]":
        many = self._classifier.classify_many(self._remembered())
        with closing(cast("Generator[Classification, None, None]", many)) as answers:
            for answer in answers:
                self.truncated += answer.truncated
                yield self._waiting.popleft(), answer
                self.answers += 1  # it has been written: the next one is asked for

    def _remembered(self) -> Iterator[str]:
        for text in self._begun.texts:
            self._waiting.append(text)
            yield text


def _to_file(
    arguments: argparse.Namespace, classifier: "Classifier", texts: Iterator[str]
) -> _Tally:
    with open_output(arguments.output, resume=arguments.resume) as out:
        begun = Begun(texts)
        if arguments.resume:
            # With one label to show, the server need not be asked: nothing may be left to do.
            labels = 1 if arguments.top_k == 1 else _count_labels(classifier)
            layout = LAYOUTS[arguments.format](arguments.top_k, labels)
            begun = pass_over(arguments.output, texts, layout)
            out.truncate(begun.end)
        tally = _Tally(classifier, begun)
        with _telling(arguments, tally), out:  # closed within: the disk may be full only then
            _write(arguments, tally, out, goes_on=begun.end > 0)
    return tally


def _count_labels(classifier: "Classifier") -> int:
    """How many labels the served model has, which may take a question to the server."""
    from lightclient.http.deadline import Deadline
    from lightclient.http.pace import Pace

    deadline = Deadline(classifier.timeout, pace=Pace(1))
    return len(classifier._predictor.plan(deadline).bundle.labels)


def _write(
    arguments: argparse.Namespace, tally: _Tally, out: TextIO, *, goes_on: bool = False
) -> None:
    write = (CONTINUING if goes_on else WRITERS)[arguments.format]
    # Closed here: the garbage collector could do so in a thread of the generator itself.
    with closing(iter(tally)) as answers:
        write(_with_progress(answers, out), out, arguments.top_k)


@contextmanager
def _telling(arguments: argparse.Namespace, tally: _Tally) -> Iterator[None]:
    """Whatever ends the run, say how to go on."""
    try:
        yield
    except LightClientError as error:
        # `index` counts from the text that this run began with.
        message = str(error).replace(f"texts[{error.index}]", f"texts[{tally.answers}]", 1)
        error.args = (f"{message}; {_mend(arguments, tally)}",)
        raise
    except OSError as error:
        raise LightClientError(
            f"{arguments.output} cannot be written: {error.strerror}; {_mend(arguments, tally)}"
        ) from error
    except KeyboardInterrupt:
        print(f"lightclient: interrupted; {_mend(arguments, tally)}", file=sys.stderr)
        raise SystemExit(130) from None


def _mend(arguments: argparse.Namespace, tally: _Tally) -> str:
    held = "1 answer is" if tally.answers == 1 else f"{tally.answers} answers are"
    if arguments.file and arguments.format in CONTINUING:
        return f"{held} in {arguments.output}: run the same command with --resume to go on"
    return (
        f"{held} in {arguments.output}: delete it to begin anew; to go on there takes --file and "
        f"--format {' or '.join(CONTINUING)}"
    )


def _with_progress(
    answers: Iterable[tuple[str, "Classification"]], out: TextIO
) -> Iterable[tuple[str, "Classification"]]:
    """With a bar on stderr, if that is a terminal, the answers go elsewhere, and tqdm is there."""
    if not sys.stderr.isatty() or out.isatty():
        return answers
    try:
        tqdm = import_module("tqdm").tqdm
    except ImportError:
        return answers
    bar: Iterable[tuple[str, Classification]] = tqdm(answers, unit=" texts", delay=1)
    return bar
