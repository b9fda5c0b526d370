"""`lightclient classify`: rows in, rows with answers out, as a stream."""

import argparse
import csv
import logging
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from lightclient.checks import check_number
from lightclient.cli import options
from lightclient.cli.answers import find_labels
from lightclient.cli.output import CONTINUING, FORMS
from lightclient.cli.progress import Console, Log, handling
from lightclient.cli.rows import KINDS, Source, read_rows, read_texts
from lightclient.cli.run import Run
from lightclient.cli.tally import Tally
from lightclient.errors import InputError

_TEXT = """\
Classify the texts of the command line, of a file, or of stdin.

  lightclient classify --url http://HOST:8501/v1/models/NAME "some text" "another"
  lightclient classify --file reviews.csv --column text --output answers.csv
  lightclient classify --file reviews.jsonl --column text --format csv > answers.csv
  cat lines.txt | lightclient classify --top-k 3
  zcat reviews.csv.gz | lightclient classify --format-in csv --column text --format jsonl
  lightclient classify --labels "sports,politics" "the match is over"

csv, jsonl and json keep all columns of a row and add label, score and truncated to them (with
--top-k also label_2, score_2 and so on in csv, and scores in JSON). The objects of a .jsonl file
stay as they are written. A .tsv file knows no quotes: a cell is what stands between two tabs.

With --threshold they also add labels: those that reach it, highest first. In csv it is a list of
names in JSON, such as ["toxic", "insult"]; in JSON, objects with label and score. The list is empty
if no label reaches it, and the cell is empty (in JSON: null) if the row has no answer.

With --long-texts mean or max they also add windows: how many a text was read in, mostly 1.

With --labels, a text is classified by these, as transformers' zero-shot-classification pipeline
does it. That needs a model for natural language inference, one of whose labels begins with
"entail", and the server computes a row for each label of each text.

A row without a text is one with an empty or blank cell, a null, a key that is not there, a value
that is no string, or too few cells, or a blank line of plain text or of a table with one column. It
stays, without an answer, unless --missing says otherwise. The end of the run tells how many there
were, and the first one. The numbers of rows count the header: row 2 is the first one below it.

Rows are read ahead: 64 at first, then up to 1,024 at a time, and sent in several requests at once;
the answers come in the order of the rows, the first ones after 192 rows or the end of the input. A
server that is away or overloaded is tried again until --timeout is over. What broke off with
--output goes on where it stopped when the same command is given with --resume, and the same input
(--format jsonl or csv): no row is lost and none is answered twice.
"""


def add_command(commands: "options.Commands") -> None:
    """Add `classify`."""
    parser = options.add_command(commands, "classify", "classify texts", _TEXT)
    _add_input_options(parser)
    _add_zero_shot_options(parser)
    options.add_server_options(parser)
    _add_output_options(parser)
    parser.set_defaults(run=_run, usage_error=parser.error)


def _add_input_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("texts", metavar="TEXT", nargs="*", help="a text; none: stdin is read")
    parser.add_argument("--file", metavar="F", type=Path, help="a .txt, .csv, .tsv or .jsonl file")
    parser.add_argument(
        "--format-in",
        choices=KINDS,
        help="what stdin or the file holds; default: as the file's ending says, and txt of stdin",
    )
    parser.add_argument(
        "--column",
        metavar="C",
        help="the column or key that holds the text: a name, or in csv and tsv the number of a "
        "column, from 1",
    )
    parser.add_argument(
        "--no-header",
        action="store_true",
        help="the first line is a row; the columns are called column_1, column_2 and so on",
    )
    parser.add_argument(
        "--missing",
        choices=("skip", "error", "empty"),
        default="skip",
        help="what happens to a row without a text. skip: the row stays, without an answer; error: "
        "it ends the run; empty: it is classified as the empty text; default: %(default)s",
    )
    parser.add_argument(
        "--long-texts",
        choices=("cut", "refuse", "mean", "max"),
        default="cut",
        help="what happens to a text longer than the model reads. cut: its end is left out; "
        "refuse: it is an error; mean, max: it is read in windows, and the score of a label is its "
        "mean or its maximum over them; default: %(default)s",
    )


def _add_zero_shot_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--labels",
        metavar="L,L",
        type=_labels,
        action="extend",
        help="labels that the model has never seen, separated by commas; one that holds a comma "
        "stands in double quotes; may be given several times",
    )
    parser.add_argument(
        "--template",
        metavar="T",
        help="with --labels: the sentence that says of a text that a label fits, with {} in the "
        "place of the label; default: 'This example is {}.'",
    )
    parser.add_argument(
        "--multi-label",
        action="store_true",
        help="with --labels: a text may have several, or none; each score is then between 0 and 1 "
        "for itself, and otherwise they sum to 1",
    )


def _labels(text: str) -> list[str]:
    """The labels in one cell or more, as a line of CSV has them."""
    try:
        [cells] = csv.reader([text], strict=True, skipinitialspace=True)
    except (ValueError, csv.Error) as error:
        raise argparse.ArgumentTypeError(f"{text!r} must be labels separated by commas") from error
    return [cell.strip() for cell in cells]


def _add_output_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--on-error",
        choices=("skip", "stop"),
        default="stop",
        help="what happens at a text that the tokenizer or the server refuses. skip, which is best "
        "for a long run: the row stays, without an answer, a column 'error' names the error, and "
        "the run goes on; --resume does not try such a row again. Other failures always end the "
        "run; default: %(default)s",
    )
    parser.add_argument(
        "--format",
        choices=FORMS,
        help="default: as OUT ends (.csv, .jsonl or .json); table on stdout",
    )
    parser.add_argument(
        "--top-k", metavar="K", type=options.whole, default=1, help="labels to show; default: 1"
    )
    parser.add_argument(
        "--threshold",
        metavar="T",
        type=_threshold,
        action="append",
        default=[],
        help="give the labels whose scores are at or above a number: one for all labels, or "
        "LABEL=T given once for each label of the model (the last = counts); a table shows them in "
        "place of the best one",
    )
    parser.add_argument(
        "--prefix", metavar="P", default="", help="stands before the names of the added columns"
    )
    parser.add_argument(
        "--output",
        metavar="OUT",
        type=Path,
        help="a new file for the results; default: stdout",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with an OUT that an abort left behind; one answer in it is asked for again, "
        "and must be the same",
    )
    parser.add_argument(
        "--quiet",
        action="store_true",
        help="do not show how far it is, which is a line that changes on a terminal, and a line a "
        "minute elsewhere",
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="show all that is logged, on stderr"
    )


def _threshold(text: str) -> tuple[str | None, float]:
    label, equals, number = text.rpartition("=")
    try:
        return label if equals else None, check_number("T", float(number))
    except ValueError as error:  # an InputError is one as well
        raise argparse.ArgumentTypeError(
            f"{text!r} must be a finite number, such as 0.5, or a label and its number, such as "
            "toxic=0.5; give the option once for each label"
        ) from error


def _run(arguments: argparse.Namespace) -> int:
    from lightclient.client import Classifier

    _settle(arguments)
    console, tally = Console(sys.stderr), Tally()
    with ExitStack() as stack:
        level = logging.DEBUG if arguments.verbose else logging.WARNING
        stack.enter_context(handling(Log(console), level))
        source = _open_source(arguments, stack)
        source.missing = arguments.missing
        if source.notice:
            console.say(source.notice)
        given = options.server_settings(arguments)
        classifier = stack.enter_context(Classifier(**given, long_texts=arguments.long_texts))
        if arguments.texts:
            # Somebody waits, and is told soon if the server is away.
            find_labels(classifier, arguments.zero_shot, patient=False)
        try:
            Run(arguments, source, classifier, console, tally).go()
        finally:
            for message in tally.tell():
                console.say(message)
    return 0


def _settle(arguments: argparse.Namespace) -> None:
    """Check what goes together, and fill in what is left out."""
    from lightclient.serving.address import parse_address

    try:
        if arguments.url is not None:
            parse_address(arguments.url)
    except InputError as error:
        arguments.usage_error(f"argument --url: {error}")
    for name, stream in (("file", "stdin"), ("output", "stdout")):
        if getattr(arguments, name) == Path("-"):
            arguments.usage_error(f"argument --{name}: leave it out for {stream}")
    _settle_input(arguments)
    _settle_output(arguments)
    _settle_threshold(arguments)
    _settle_zero_shot(arguments)


def _settle_input(arguments: argparse.Namespace) -> None:
    if arguments.texts:
        for name in ("file", "column", "format_in", "no_header"):
            if getattr(arguments, name):
                arguments.usage_error(f"give either TEXT or --{name.replace('_', '-')}, not both")
    elif arguments.column is not None and not (arguments.file or arguments.format_in):
        arguments.usage_error(
            "--column goes with --file, or with --format-in csv, tsv or jsonl for stdin"
        )
    if not arguments.format_in:
        arguments.format_in = _ending(arguments.file) if arguments.file else "txt"
    if arguments.no_header and arguments.format_in not in ("csv", "tsv"):
        arguments.usage_error("--no-header goes with csv and tsv")


def _settle_output(arguments: argparse.Namespace) -> None:
    if arguments.format is None:
        arguments.format = _ending_format(arguments) if arguments.output else "table"
    if not arguments.resume:
        return
    if not arguments.output:
        arguments.usage_error("--resume goes with --output")
    if arguments.format not in CONTINUING:
        arguments.usage_error(f"--resume goes with --format {' or '.join(CONTINUING)}")


def _settle_threshold(arguments: argparse.Namespace) -> None:
    """Make one number of what is given, or a dict with one for each label; None if nothing is."""
    given = arguments.threshold
    least = dict(given)
    if len(least) < len(given) or (None in least and least.keys() != {None}):
        arguments.usage_error("--threshold is given once as T, or once for each label as LABEL=T")
    if given and arguments.format == "table" and "top_k" in getattr(arguments, "given", ()):
        arguments.usage_error("a table shows --top-k or --threshold: give one, or another --format")
    arguments.threshold = least.get(None, least or None)


def _settle_zero_shot(arguments: argparse.Namespace) -> None:
    from lightclient.questions.zero_shot import TEMPLATE, ZeroShot

    arguments.zero_shot = None
    if arguments.labels is None:
        for name in ("template", "multi_label"):
            if getattr(arguments, name) not in (None, False):
                arguments.usage_error(f"--{name.replace('_', '-')} goes with --labels")
        return
    if arguments.missing == "empty":
        arguments.usage_error("--missing empty does not go with --labels, which need a text")
    if arguments.long_texts != "cut":
        arguments.usage_error("--long-texts does not go with --labels, which cut a long text")
    template = TEMPLATE if arguments.template is None else arguments.template
    try:
        arguments.zero_shot = ZeroShot(arguments.labels, template, arguments.multi_label)
    except InputError as error:
        arguments.usage_error(str(error))


def _ending(path: Path) -> str:
    return path.suffix.lower().removeprefix(".")


def _ending_format(arguments: argparse.Namespace) -> str:
    ending = _ending(arguments.output)
    if ending not in FORMS:
        arguments.usage_error(
            f"the ending of --output {arguments.output} says no format: give --format "
            f"{', '.join(FORMS)}, or an OUT that ends in .csv, .jsonl or .json"
        )
    return ending


def _open_source(arguments: argparse.Namespace, stack: ExitStack) -> Source:
    if arguments.texts:
        return read_texts(arguments.texts)
    kind, name = arguments.format_in, str(arguments.file or "stdin")
    if kind not in KINDS:
        raise InputError(
            f"{name}: the file must end in .{', .'.join(KINDS)}, or --format-in must say what it is"
        )
    if options.is_typed(arguments):
        print("texts, one a line; end with Ctrl-D", file=sys.stderr)
    stream = stack.enter_context(_open(arguments.file)) if arguments.file else sys.stdin.buffer
    if arguments.output and _is_same(stream, arguments.output):
        arguments.usage_error("--output must be another file than the input")
    return read_rows(stream, name, kind, arguments.column, has_header=not arguments.no_header)


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def _is_same(stream: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except OSError:
        return False  # one of them is no file
