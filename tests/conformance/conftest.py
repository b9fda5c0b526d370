"""The server under test: the stand-in with its demo model, or the one of `--serving-url`."""

import pytest

from lightclient.standin import StandIn
from tests.conformance.server import Model, Server


@pytest.fixture(scope="session")
def serving_url(request):
    url = request.config.getoption("--serving-url")
    if url:
        yield url
        return
    with StandIn() as url:
        yield url


@pytest.fixture(scope="session")
def server(serving_url):
    return Server(serving_url)


@pytest.fixture(scope="session")
def model(server):
    return Model(server)
