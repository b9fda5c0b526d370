"""The `lightclient` command."""

import argparse
import io
import os
import sys
from collections.abc import Sequence

from lightclient import __version__
from lightclient.cli import check, classify, demo, export, serve
from lightclient.errors import LightClientError

_DESCRIPTION = """\
Classify text with a Hugging Face model on TensorFlow Serving.

  lightclient demo "I like you. I love you"       no server needed: see how it works
  lightclient check --url http://HOST:8501/v1/models/NAME
  lightclient classify --url http://HOST:8501/v1/models/NAME "some text" "another"
  lightclient classify --file reviews.csv --column text --format jsonl > answers.jsonl
"""
_EPILOG = """\
Left out, --url, --bundle, --timeout and --function come from LIGHTCLIENT_URL, LIGHTCLIENT_BUNDLE,
LIGHTCLIENT_TIMEOUT and LIGHTCLIENT_FUNCTION; a bearer token from LIGHTCLIENT_TOKEN,
certificates from LIGHTCLIENT_CA_CERTS and LIGHTCLIENT_CLIENT_CERT.

Results go to stdout or to --output, everything else to stderr. Exit status: 0 when all went well,
also where rows were skipped as asked for or the reader had enough, as in `| head`; 1 when
something failed, 2 for a wrong command line, 130 after Ctrl-C.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; give its exit status. No traceback reaches the user."""
    try:
        _make_streams_fit()
        arguments = _parser().parse_args(argv)
        status: int = arguments.run(arguments)
        sys.stdout.flush()
    except LightClientError as error:
        return _complain(str(error))
    except BrokenPipeError:
        # Whoever read the results has had enough; keep the interpreter from flushing once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt as interrupt:  # with words about what was written, if somebody knows
        return _complain("; ".join(["interrupted", *interrupt.args]), status=130)
    except OSError as error:
        return _complain(str(error))
    except ModuleNotFoundError as error:
        return _complain(f"{error.name} is not installed: pip install {error.name}")
    except Exception as error:  # noqa: BLE001 - the last door: a defect of ours, told in one line
        return _complain(f"this is a defect of lightclient, please report it: {error!r:.200}")
    return status


def _make_streams_fit() -> None:
    """UTF-8 whatever the locale, since texts are in any script; a closed stream is an empty one."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")


def _complain(message: str, status: int = 1) -> int:
    print(f"lightclient: {message}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lightclient",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"lightclient {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in (demo, classify, check, serve, export):
        command.add_command(commands)
    return parser
