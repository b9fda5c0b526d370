"""One run of `lightclient classify`: from rows to rows with answers, in a file or on stdout."""

import argparse
import io
import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, TextIO, cast

from lightclient.classification import least_scores
from lightclient.cli.advice import advise
from lightclient.cli.answers import answer_rows, find_labels
from lightclient.cli.options import is_typed
from lightclient.cli.outfile import check_last, open_output, pass_over
from lightclient.cli.output import CONTINUING, FORMS, Added, Csv, Form, JsonLines, Outcome, write
from lightclient.cli.progress import Console, Progress, showing
from lightclient.cli.rows import Row, Source
from lightclient.cli.tally import Tally, number
from lightclient.errors import LightClientError

if TYPE_CHECKING:
    from lightclient.client import Classifier


class Run:
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
        if self._arguments.output:
            self._to_file(form)
        else:
            self._to_stdout(form)

    def _form(self) -> Form:
        arguments = self._arguments
        top_k, threshold, shown = arguments.top_k, arguments.threshold, 1
        # Else the server need not be asked: nothing may be left to do.
        if top_k > 1 or isinstance(threshold, dict):
            labels = find_labels(self._classifier, arguments.zero_shot)
            shown = min(top_k, len(labels))
            if threshold is not None:
                least_scores(threshold, labels)  # an error before the first row
        windows, errors = arguments.long_texts in ("mean", "max"), arguments.on_error == "skip"
        added = Added(arguments.prefix, top_k, shown, threshold, windows, errors)
        form = FORMS[arguments.format]
        names = self._source.first_names() if form is Csv else self._source.header or ()
        return form(added, names)

    def _to_stdout(self, form: Form) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(line_buffering=True)  # a row is there when it is counted
        try:
            with self._showing(sys.stdout):
                self._write(form, sys.stdout)
                sys.stdout.flush()
        except BrokenPipeError:
            # Whoever read the rows has had enough; keep the interpreter from flushing once more.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except KeyboardInterrupt:
            if not self._tally.rows:
                raise
            # At least, since the one that was being written is not counted yet.
            written = number(self._tally.rows, "1 row was", "rows were")
            raise KeyboardInterrupt(f"at least {written} written") from None

    def _to_file(self, form: Form) -> None:
        arguments = self._arguments
        self._is_new = not arguments.output.exists()
        with (
            open_output(arguments.output, arguments.format, resume=arguments.resume) as out,
            self._showing(out),
        ):
            end = self._pass_over(cast("Csv | JsonLines", form)) if arguments.resume else 0
            out.truncate(end)
            # Closed within: the disk may be full only then.
            with self._telling(), out, self._removing():
                self._write(form, out, goes_on=end > 0)

    def _pass_over(self, form: Csv | JsonLines) -> int:
        """How many bytes of the file stay."""
        path = self._arguments.output
        begun = pass_over(path, self._source, form, self._tally)
        if begun.last is None:
            return begun.end
        row, found = begun.last
        with self._telling():
            again = self._ask(row) if self._source.peek() else None
        if again is not None:
            check_last(path, row, found, again, self._arguments.threshold)
        return begun.end

    def _ask(self, row: Row) -> Outcome:
        zero_shot = self._arguments.zero_shot
        [(_, outcome)] = answer_rows(self._classifier, iter([row]), zero_shot, skips_errors=True)
        return outcome

    def _write(self, form: Form, out: TextIO, *, goes_on: bool = False) -> None:
        skips, zero_shot = self._arguments.on_error == "skip", self._arguments.zero_shot
        found = answer_rows(self._classifier, self._source, zero_shot, skips_errors=skips)
        # Closed here: the garbage collector could do so in a thread of the generator itself.
        with closing(found) as answers:
            write(form, self._counted(answers), out, goes_on=goes_on)

    def _counted(self, answers: Iterator[tuple[Row, Outcome]]) -> Iterator[tuple[Row, Outcome]]:
        """The same, each counted when the next one is asked for: it is written then."""
        for row, outcome in answers:
            yield row, outcome
            if isinstance(outcome, LightClientError):
                said = str(outcome).removeprefix(f"texts[{outcome.index}]").lstrip(": ")
                error = f"{type(outcome).__name__}: {said.splitlines()[0]}"
                self._tally.add(row, error=error)
            else:
                self._tally.add(row, truncated=outcome is not None and outcome.truncated)

    @contextmanager
    def _showing(self, out: TextIO) -> Iterator[None]:
        on_terminal = sys.stderr.isatty()
        is_in_the_way = on_terminal and (out.isatty() or is_typed(self._arguments))
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
            kept = f"at least {self._held()}: {self._go_on()}"  # see `_to_stdout`
            raise KeyboardInterrupt("no row was written" if self._is_in_vain() else kept) from None

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

    def _held(self) -> str:
        return f"{number(self._tally.rows, '1 row is', 'rows are')} in {self._arguments.output}"

    def _go_on(self) -> str:
        arguments = self._arguments
        if arguments.format not in CONTINUING:
            forms = " or ".join(CONTINUING)
            return f"delete it to begin anew; to go on there takes --format {forms}"
        same_input = "" if arguments.file or arguments.texts else " and the same input"
        return f"run the same command with --resume{same_input} to go on"
