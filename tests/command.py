"""The command, run in this process."""

import pytest

from lightclient.cli import main


def run_command(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """The status of a command line, and what it prints to stdout and stderr."""
    try:
        status = main(list(map(str, arguments)))
    except SystemExit as left:  # argparse ends a wrong command line so
        status = int(left.code or 0)
    captured = capsys.readouterr()
    assert "Traceback" not in captured.out + captured.err
    return status, captured.out, captured.err
