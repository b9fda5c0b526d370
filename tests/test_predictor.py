"""A server that takes so many rows in a request: what is over goes into more requests."""

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from lightclient import BadRequest, Classifier, Signature, TimedOut
from lightclient.standin import Batching, StandIn
from lightclient.streams.load import FIRST
from tests.exchanges import BATCHING
from tests.scripted import response
from tests.stress.callers import logits_of_text
from tests.stress.server import Server, never, rows_of, well

REFUSAL = BATCHING["more rows than max_batch_size, columnar"]  # of 100 rows; 32 are allowed
TEXTS = [f"text {at}" for at in range(100)]
SIGNATURE = Signature(output="logits")


class Limited:
    """Takes requests of so many rows. `sizes`: of those that came."""

    def __init__(self, limit: object) -> None:
        self.limit = limit
        self.sizes: list[int] = []

    def __call__(self, connection: socket.socket, request: bytes) -> bool:
        rows = len(rows_of(request))
        self.sizes.append(rows)
        if isinstance(self.limit, int) and self.limit > 0 and rows <= self.limit:
            return well(connection, request)
        words = REFUSAL.replace("100", str(rows)).replace("32", str(self.limit))
        connection.sendall(response(400, words))
        return True


def assert_right(classify: Callable[[list[str]], list[object]], texts: list[str]) -> None:
    found = [answer.logits for answer in classify(texts)]  # type: ignore[attr-defined]
    assert found == [logits_of_text(text) for text in texts]


def test_a_list_of_too_many_is_split_and_the_limit_is_remembered() -> None:
    server = Limited(32)
    with Server(server) as served, Classifier(served.url, signature=SIGNATURE) as classifier:
        assert_right(classifier.classify, TEXTS)
        assert server.sizes == [100, 32, 32, 32, 4]
        server.sizes.clear()
        assert_right(classifier.classify, TEXTS[:33])
        assert server.sizes == [32, 1]


def test_a_lower_limit_is_learnt_later_and_within_a_call() -> None:
    server = Limited(32)
    with Server(server) as served, Classifier(served.url, signature=SIGNATURE) as classifier:
        classifier.classify(TEXTS)
        server.limit = 7
        server.sizes.clear()
        assert_right(classifier.classify, TEXTS[:40])
        assert server.sizes == [32, 7, 7, 7, 7, 7, 5]
        server.limit = 1
        assert_right(classifier.classify, TEXTS[:8])
        assert server.sizes[7:] == [7, *[1] * 8]


@pytest.mark.parametrize("limit", [0, -1, 100, 101, "9" * 9, "9" * 5000, "many", ""])
def test_a_limit_that_makes_no_sense_is_the_plain_error(limit: object) -> None:
    server = Limited(limit if isinstance(limit, str) else str(limit))
    refused = pytest.raises(BadRequest, match="Task size 100 is larger than maximum input batch")
    with Server(server) as served, refused:
        Classifier(served.url, signature=SIGNATURE).classify(TEXTS)
    assert server.sizes == [100]


def test_all_requests_of_a_call_share_its_deadline() -> None:
    sizes: list[int] = []

    def hangs_at_the_third(connection: socket.socket, request: bytes) -> bool:
        sizes.append(len(rows_of(request)))
        if len(sizes) == 1:
            connection.sendall(response(400, REFUSAL))
            return True
        return (well if len(sizes) == 2 else never)(connection, request)

    with Server(hangs_at_the_third) as served, pytest.raises(TimedOut) as caught:
        Classifier(served.url, signature=SIGNATURE, timeout=0.5).classify(TEXTS)
    assert sizes == [100, 32, 32]
    assert caught.value.timeout == 0.5


def test_a_stream_keeps_to_the_limit() -> None:
    server = Limited(100)  # less than the tokens of a request allow
    texts = [*map(str, range(2000))]
    with Server(server) as served, Classifier(served.url, signature=SIGNATURE) as classifier:
        assert_right(lambda texts: list(classifier.classify_many(texts)), texts)
        refused = [size for size in server.sizes if size > 100]
        assert 1 <= len(refused) <= FIRST.requests  # those that were under way together
        server.sizes.clear()
        assert_right(lambda texts: list(classifier.classify_many(texts)), texts)
    # Chunks of 64, 128, 256, 512, 1,024 and 16 texts.
    assert sorted(server.sizes) == [12, 16, 24, 28, 56, 64, *[100] * 18]


def test_threads_share_the_limit() -> None:
    server = Limited(32)
    with Server(server) as served, Classifier(served.url, signature=SIGNATURE) as classifier:
        with ThreadPoolExecutor(8) as pool:
            for _ in pool.map(lambda _: assert_right(classifier.classify, TEXTS), range(16)):
                pass
        server.sizes.clear()
        classifier.classify(TEXTS)
    assert server.sizes == [32, 32, 32, 4]


def test_the_stand_in_s_limit_is_kept_to() -> None:
    with StandIn(batching=Batching(max_batch_size=8, timeout=0)) as url, Classifier(url) as ours:
        several = ours.classify(TEXTS[:20])
        assert [answer.label for answer in several] == [ours.classify(t).label for t in TEXTS[:20]]
