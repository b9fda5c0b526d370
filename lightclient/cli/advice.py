"""How to go on after an error that has ended a run."""

from lightclient.cli.answers import is_about_a_text
from lightclient.cli.lines import RowError
from lightclient.cli.output import CONTINUING
from lightclient.errors import BundleError, InputError, LightClientError, SignatureError


def advise(error: LightClientError, held: str, form: str, go_on: str) -> str:
    """The error's message with what to do.

    `held`: how many rows are where; `form`: the format of the output; `go_on`: what to do if the
    same command may fare better.
    """
    what = (error.what if isinstance(error, RowError) else str(error)).rstrip(".")
    mend, option = _ways_out(error)
    if not mend:
        return f"{what}; {held}: {go_on}"
    if form in CONTINUING:
        anew = f", or begin anew with {option}" if option else ""
        return f"{what}; {held}: {mend} and run the same command with --resume{anew}"
    anew = f", or give {option}" if option else ""
    return f"{what}; {held}: {mend}{anew}; then delete the file and begin anew"


def _ways_out(error: LightClientError) -> tuple[str, str]:
    """How to mend the input, and the option that helps as well; empty if that is of no use."""
    if isinstance(error, RowError):
        return error.mend, error.option
    if error.index is not None and is_about_a_text(error):
        return "mend or remove the text", "--on-error skip"
    if isinstance(error, (InputError, BundleError, SignatureError)):
        return "mend that", ""
    return "", ""
