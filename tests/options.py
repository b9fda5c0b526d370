"""The option that runs the conformance suite against a real server.

pyproject.toml loads this as a plugin. The options of a conftest.py are known only where pytest
finds that file before it has read the command line, and it looks where the arguments lead: to the
folder behind --serving-bundle, if there is one.
"""

import os
from pathlib import Path

import pytest

from tests.conformance.server import URL

_SUITE = Path(__file__).parent / "conformance"


def pytest_addoption(parser):
    group = parser.getgroup("lightclient")
    group.addoption(
        "--serving-url",
        metavar="URL",
        help="run the conformance suite, and nothing else, against this served model: "
        "http://HOST:8501/v1/models/NAME",
    )
    group.addoption(
        "--serving-bundle",
        metavar="B",
        help="that model's Hugging Face folder, or the name of a shipped one, to have the light "
        "client itself tried on it",
    )


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--serving-url"):
        return
    chosen = [item for item in items if _SUITE in item.path.parents]
    others = [item for item in items if _SUITE not in item.path.parents]
    config.hook.pytest_deselected(items=others)
    items[:] = chosen


def pytest_report_header(config):
    url = config.getoption("--serving-url")
    return f"conformance suite only, against {url}" if url else None


def pytest_configure(config):
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]  # the servers of the tests are on this machine
    url = config.getoption("--serving-url")
    if url is None and config.getoption("--serving-bundle"):
        raise pytest.UsageError("--serving-bundle goes with --serving-url")
    if url is not None and not URL.fullmatch(url):
        raise pytest.UsageError(f"--serving-url {url}: give http://HOST:8501/v1/models/NAME")
