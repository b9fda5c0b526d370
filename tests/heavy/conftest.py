"""What the suites with TensorFlow share: models on disk, and the report of their figures."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.heavy.report import LINES

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a small model's Hugging Face folder, with random but fixed weights."""
    from tests.heavy.models import make_model

    def make(family: str, **changes: object) -> Path:
        return make_model(family, tmp_path_factory.mktemp(family), **changes)

    return make


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if LINES:
        terminalreporter.section("parity with transformers")
        for line in LINES:
            terminalreporter.write_line(line)
