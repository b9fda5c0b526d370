"""What the fault suite shares: certificates, a log that hears everything, the table at its end."""

import logging
from collections.abc import Iterator

import pytest

from tests.faults.certificates import Certificates
from tests.faults.report import TALLY


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between repeats; they still double. The suite would take twice as long."""
    monkeypatch.setattr("lightclient.http.repeats._FIRST_PAUSE", 0.01)


@pytest.fixture
def records(caplog: pytest.LogCaptureFixture) -> Iterator[list[logging.LogRecord]]:
    """All that is logged, by whomever, from DEBUG on."""
    with caplog.at_level(logging.DEBUG):
        yield caplog.records


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TALLY.calls:
        terminalreporter.section("faults")
        for line in TALLY.lines():
            terminalreporter.write_line(line)
