"""`lightclient classify`: rows in, rows with answers out, as a stream."""

import argparse
import csv
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO, cast

from lightclient.checks import check_number
from lightclient.classification import least_scores
from lightclient.cli import options
from lightclient.cli.advice import advise
from lightclient.cli.answers import Answers, find_labels
from lightclient.cli.outfile import Begun, check_last, make_layout, open_output, pass_over
from lightclient.cli.output import CONTINUING, FORMS, Added, Csv, Form, JsonLines, Outcome, write
from lightclient.cli.progress import Console, Progress, logging_to, showing
from lightclient.cli.rows import KINDS, Row, Source, apply_missing, read_rows, read_texts
from lightclient.cli.tally import Tally
from lightclient.errors import InputError, LightClientError

if TYPE_CHECKING:
    from lightclient.client import Classifier

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

With --labels, a text is classified by these, as transformers' zero-shot-classification pipeline
does it. That needs a model for natural language inference, one of whose labels begins with
"entail", and the server computes a row for each label of each text.

A row without a text is one with an empty or blank cell, a null, a key that is not there, a value
that is no string, or too few cells, or a blank line of plain text or of a table with one column. It
stays, without an answer, unless --missing says otherwise. The end of the run tells how many there
were, and the first one. The numbers of rows count the header: row 2 is the first one below it.

Texts are read ahead: 64 at first, then up to 1,024 at a time, and sent in several requests at once;
the answers come in the order of the rows, the first ones after 192 texts or the end of the input. A
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
    parser.add_argument(
        "--file", metavar="F", type=_path_not("stdin"), help="a .txt, .csv, .tsv or .jsonl file"
    )
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
        type=_path_not("stdout"),
        help="a new file for the results; default: stdout",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with an OUT that an abort left behind; the last answer in it is asked for "
        "again, and must be the same",
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


def _path_not(stream: str) -> Callable[[str], Path]:
    def path(text: str) -> Path:
        if text == "-":
            raise argparse.ArgumentTypeError(f"leave it out for {stream}")
        return Path(text)

    return path


def _run(arguments: argparse.Namespace) -> int:
    from lightclient.client import Classifier

    _settle(arguments)
    console, tally = Console(sys.stderr), Tally()
    with ExitStack() as stack:
        stack.enter_context(logging_to(console, verbose=arguments.verbose))
        source = stack.enter_context(_open_source(arguments))
        if source.notice:
            console.say(source.notice)
        classifier = stack.enter_context(Classifier(**options.server_settings(arguments)))
        if arguments.texts:
            # Asks the server, so that one which is away is told soon.
            find_labels(classifier, arguments.zero_shot)
        try:
            _Run(arguments, source, classifier, console, tally).go()
        finally:
            for message in tally.tell():
                console.say(message)
    return 0


def _settle(arguments: argparse.Namespace) -> None:
    """Check what goes together, and fill in what is left out."""
    options.check_url(arguments)
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
    if not (arguments.format_in or arguments.file):
        arguments.format_in = "txt"
    if not arguments.format_in:
        arguments.format_in = arguments.file.suffix.lower().removeprefix(".")
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
    from lightclient.zero_shot import TEMPLATE, ZeroShot

    arguments.zero_shot = None
    if arguments.labels is None:
        for name in ("template", "multi_label"):
            if getattr(arguments, name) not in (None, False):
                arguments.usage_error(f"--{name.replace('_', '-')} goes with --labels")
        return
    if arguments.missing == "empty":
        arguments.usage_error("--missing empty does not go with --labels, which need a text")
    template = TEMPLATE if arguments.template is None else arguments.template
    try:
        arguments.zero_shot = ZeroShot(arguments.labels, template, arguments.multi_label)
    except InputError as error:
        arguments.usage_error(str(error))


def _ending_format(arguments: argparse.Namespace) -> str:
    ending: str = arguments.output.suffix.lower().removeprefix(".")
    if ending not in FORMS:
        arguments.usage_error(
            f"the ending of --output {arguments.output} says no format: give --format "
            f"{', '.join(FORMS)}, or an OUT that ends in .csv, .jsonl or .json"
        )
    return ending


@contextmanager
def _open_source(arguments: argparse.Namespace) -> Iterator[Source]:
    if arguments.texts:
        yield read_texts(arguments.texts)
        return
    kind, name = arguments.format_in, str(arguments.file or "stdin")
    if kind not in KINDS:
        raise InputError(
            f"{name}: the file must end in .{', .'.join(KINDS)}, or --format-in must say what it is"
        )
    with _open_input(arguments) as stream:
        if arguments.output and _is_same(stream, arguments.output):
            arguments.usage_error("--output must be another file than the input")
        yield read_rows(stream, name, kind, arguments.column, has_header=not arguments.no_header)


@contextmanager
def _open_input(arguments: argparse.Namespace) -> Iterator[BinaryIO]:
    if not arguments.file:
        if _is_typed(arguments):
            print("texts, one a line; end with Ctrl-D", file=sys.stderr)
        yield sys.stdin.buffer
        return
    try:
        stream = arguments.file.open("rb")
    except OSError as error:
        raise InputError(f"{arguments.file} cannot be read: {error.strerror}") from error
    with stream:
        yield stream


def _is_typed(arguments: argparse.Namespace) -> bool:
    return not (arguments.file or arguments.texts) and sys.stdin.isatty()


def _is_same(stream: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except OSError:
        return False  # one of them is no file


class _Run:
    """One run of the command, once all that it needs is there."""

    def __init__(
        self,
        arguments: argparse.Namespace,
        source: Source,
        classifier: "Classifier",
        console: Console,
        tally: Tally,
    ) -> None:
        self._arguments, self._source, self._classifier = arguments, source, classifier
        self._console, self._tally = console, tally
        self._is_new = False  # whether this run has created the file of --output

    def go(self) -> None:
        """Classify all rows."""
        form = self._form()
        missing, name = self._arguments.missing, self._source.name
        rows = (apply_missing(row, missing, name) for row in self._source)
        if self._arguments.output:
            self._to_file(form, rows)
        else:
            self._to_stdout(form, rows)

    def _form(self) -> Form:
        arguments = self._arguments
        top_k, threshold, shown = arguments.top_k, arguments.threshold, 1
        # Else the server need not be asked: nothing may be left to do.
        if top_k > 1 or isinstance(threshold, dict):
            labels = find_labels(self._classifier, arguments.zero_shot)
            shown = min(top_k, len(labels))
            if threshold is not None:
                least_scores(threshold, labels)  # an error before the first row
        added = Added(arguments.prefix, top_k, shown, arguments.on_error == "skip", threshold)
        form = FORMS[arguments.format]
        names = self._source.first_names() if form is Csv else self._source.header or ()
        return form(added, names)

    def _to_stdout(self, form: Form, rows: Iterator[Row]) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(line_buffering=True)  # a row is there when it is counted
        try:
            with self._showing(sys.stdout):
                self._write(form, rows, sys.stdout)
                sys.stdout.flush()
        except BrokenPipeError:
            # Whoever read the rows has had enough; keep the interpreter from flushing once more.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except KeyboardInterrupt:
            written = "1 row was" if self._tally.rows == 1 else f"{self._tally.rows} rows were"
            self._interrupted(f"{written} written")

    def _to_file(self, form: Form, rows: Iterator[Row]) -> None:
        arguments = self._arguments
        self._is_new = not arguments.output.exists()
        with (
            open_output(arguments.output, arguments.format, resume=arguments.resume) as out,
            self._showing(out),
        ):
            begun = Begun(rows)
            if arguments.resume:
                begun = self._pass_over(cast("Csv | JsonLines", form), rows)
                out.truncate(begun.end)
            # Closed within: the disk may be full only then.
            with self._telling(), out, self._removing():
                self._write(form, begun.rows, out, goes_on=begun.end > 0)

    def _pass_over(self, form: Csv | JsonLines, rows: Iterator[Row]) -> Begun:
        path = self._arguments.output
        begun = pass_over(path, rows, make_layout(form), self._tally)
        if begun.last is None:
            return begun
        row, found = begun.last
        with self._telling():
            again = self._ask(row) if begun.has_more() else None
        if again is not None:
            check_last(path, row, found, again, self._arguments.threshold)
        return begun

    def _ask(self, row: Row) -> Outcome:
        answers = self._answers(iter([row]), Tally(), skips_errors=True)
        [(_, outcome)] = answers
        return outcome

    def _write(
        self, form: Form, rows: Iterator[Row], out: TextIO, *, goes_on: bool = False
    ) -> None:
        skips = self._arguments.on_error == "skip"
        answers = self._answers(rows, self._tally, skips_errors=skips)
        # Closed here: the garbage collector could do so in a thread of the generator itself.
        with closing(iter(answers)) as found:
            write(form, found, out, goes_on=goes_on)

    def _answers(self, rows: Iterator[Row], tally: Tally, *, skips_errors: bool) -> Answers:
        zero_shot = self._arguments.zero_shot
        return Answers(self._classifier, rows, tally, zero_shot, skips_errors=skips_errors)

    @contextmanager
    def _showing(self, out: TextIO) -> Iterator[None]:
        on_terminal = sys.stderr.isatty()
        is_in_the_way = on_terminal and (out.isatty() or _is_typed(self._arguments))
        if self._arguments.quiet or is_in_the_way:
            yield
            return
        progress = Progress(self._tally, self._source, self._console, on_terminal=on_terminal)
        with showing(progress, self._console):
            yield

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Whatever ends the run, say how to go on."""
        try:
            yield
        except LightClientError as error:
            self._tell(error)
            raise
        except OSError as error:
            told = LightClientError(f"{self._arguments.output} cannot be written: {error.strerror}")
            self._tell(told)
            raise told from error
        except KeyboardInterrupt:
            self._interrupted(self._kept())

    def _tell(self, error: LightClientError) -> None:
        if not self._is_in_vain():
            form = self._arguments.format
            error.args = (advise(error, self._held(), form, self._go_on()),)

    @contextmanager
    def _removing(self) -> Iterator[None]:
        """Remove a file that this run has created in vain, or the next run would be refused."""
        try:
            yield
        except BaseException:
            if self._is_in_vain():
                with suppress(OSError):
                    self._arguments.output.unlink()
            raise

    def _is_in_vain(self) -> bool:
        return self._is_new and not self._tally.rows

    def _interrupted(self, mend: str) -> None:
        self._console.say(f"interrupted; {mend}")
        raise SystemExit(130) from None

    def _held(self) -> str:
        rows = self._tally.rows
        return f"{'1 row is' if rows == 1 else f'{rows} rows are'} in {self._arguments.output}"

    def _kept(self) -> str:
        return "no row was written" if self._is_in_vain() else f"{self._held()}: {self._go_on()}"

    def _go_on(self) -> str:
        arguments = self._arguments
        if arguments.format not in CONTINUING:
            forms = " or ".join(CONTINUING)
            return f"delete it to begin anew; to go on there takes --format {forms}"
        same_input = "" if arguments.file or arguments.texts else " and the same input"
        return f"run the same command with --resume{same_input} to go on"
