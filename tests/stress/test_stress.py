"""One classifier under many threads, interrupts, faults and forks: right answers, nothing left."""

import errno
import gc
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lightclient import Classification, Classifier, LightClientError, ServerFailed, Signature
from lightclient.http.deadline import Deadline, Stop
from lightclient.http.exchange import Exchange
from lightclient.http.sockets import TimedSocket, dial
from tests.scripted import response
from tests.stress import callers, soak, threads
from tests.stress.callers import answers, logits_of_text, own_threads
from tests.stress.children import CHILD, PARENT
from tests.stress.server import (
    Server,
    logits_of,
    never,
    right_answer,
    rows_of,
    serving_elsewhere,
    well,
)

linux_only = pytest.mark.skipif(not callers.LINUX, reason="reads /proc")
SOON = 1.0


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = own_threads()  # one that is stuck fails its own test only
    yield
    assert len(own_threads()) <= len(before)


def right(texts: list[Any], got: list[Any]) -> bool:
    return [answer.logits for answer in got] == [logits_of_text(text) for text in texts]


def some_texts(count: int) -> list[Any]:
    return random.Random(2).choices(list(answers()), k=count)


def test_threads_that_share_a_classifier_get_their_own_answers() -> None:
    with serving_elsewhere() as url:
        tally = threads.run(url, threads=16, seconds=2)
    assert not tally.wrong
    assert not tally.errors
    assert tally.right > 200


@linux_only
def test_a_short_soak() -> None:
    tally, defects = soak.run(seconds=3, seed=1)
    assert defects == []
    assert tally.errors
    assert tally.right > 100


class SoakWouldTell(Exception):
    """Only a name for what a broken classifier would do."""


def test_the_tally_tells_what_is_wrong() -> None:
    texts, tally, machine = list(answers()), callers.Tally(), callers.Scheduling()
    other = Classification("x", 0.0, (), logits_of_text(texts[1]))
    tally.outcome(texts[0], other)
    tally.outcome(texts[0], SoakWouldTell())
    tally.outcome(texts[0], LightClientError("named"))
    tally.outcome(texts[1], other)
    tally.took(0.0, 2.0, timeout=1.0, scheduling=machine)
    assert (len(tally.wrong), tally.right, tally.overruns) == (2, 1, 1)
    assert tally.errors == {"LightClientError": 1}


class HangsLater:
    """Answers the request of the first window, of 64 texts, and none that is larger."""

    def __init__(self) -> None:
        self.hanging = threading.Event()

    def __call__(self, connection: socket.socket, request: bytes) -> bool:
        if len(rows_of(request)) <= 64:
            return well(connection, request)
        self.hanging.set()
        return never(connection, request)


def leave_by_close(stream: Any) -> None:
    stream.close()


def leave_by_interrupt(stream: Any) -> None:
    def consume() -> None:
        for _ in stream:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        consume()


def leave_by_exception(stream: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        [1 / 0 for _ in stream]


def leave_by_forgetting(stream: Any) -> None:
    """The caller drops it: see that no other name is left in the test."""


@pytest.mark.parametrize(
    "leave", [leave_by_close, leave_by_interrupt, leave_by_exception, leave_by_forgetting]
)
def test_leaving_a_stream_whose_server_never_answers(leave: Callable[[Any], None]) -> None:
    handle = HangsLater()
    with Server(handle) as server:
        classifier = Classifier(server.url, timeout=20, signature=Signature())
        streams: list[Any] = [classifier.classify_many([*map(str, range(1000))])]
        next(streams[0])
        assert handle.hanging.wait(10)
        start = time.monotonic()
        leave(streams.pop())
        assert own_threads() == []
        assert time.monotonic() - start < SOON
        classifier.close()
        assert server.all_left(SOON)


def _full_listener() -> tuple[socket.socket, list[socket.socket]]:
    """A port that leaves whoever connects without a word, as a firewall does."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    waiting = [socket.socket() for _ in range(3)]
    for connection in waiting:
        connection.setblocking(False)
        connection.connect_ex(listener.getsockname())
    return listener, waiting


def _connecting_to(port: int) -> int:
    """How many sockets of this machine have asked for a connection to a port, in vain as yet."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[2].endswith(f":{port:04X}") and row[3] == "02" for row in rows)


def _seconds_to_leave(url: str, under_way: Callable[[], bool]) -> float:
    """How long a stream takes to end after an interrupt, its requests on their way."""
    classifier = Classifier(url, timeout=1.5, signature=Signature())
    stream: Any = classifier.classify_many([*map(str, range(64))])
    interrupted: list[float] = []

    def interrupt() -> None:
        _wait_until(under_way)
        interrupted.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        next(stream)
    ended = time.monotonic()
    thread.join()
    return ended - interrupted[0]


@linux_only
def test_leaving_a_stream_that_still_connects() -> None:
    listener, waiting = _full_listener()
    port = listener.getsockname()[1]
    already = _connecting_to(port)
    try:
        url = f"http://127.0.0.1:{port}/v1/models/m"
        assert _seconds_to_leave(url, lambda: _connecting_to(port) > already) < SOON
    finally:
        for opened in (*waiting, listener):
            opened.close()


def test_leaving_a_stream_in_its_tls_handshake() -> None:
    greeted: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greeted_by_the_client() -> bool:
            connection, _ = listener.accept()
            opened.append(connection)
            greeted.append(connection.recv(1))
            return True

        opened: list[socket.socket] = []
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/v1/models/m"
        try:
            assert _seconds_to_leave(url, greeted_by_the_client) < SOON
        finally:
            for connection in opened:
                connection.close()
    assert greeted == [b"\x16"]


def test_leaving_a_stream_that_looks_a_name_up(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ended, original = threading.Event(), threading.Event(), socket.getaddrinfo

    def slow(*args: Any, **options: Any) -> Any:
        if not options.get("flags"):
            begun.set()
            ended.wait(10)
        return original(*args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    try:
        seconds = _seconds_to_leave("http://localhost:1/v1/models/m", begun.is_set)
    finally:
        ended.set()
        _wait_until(lambda: not own_threads())
    assert seconds < SOON


def test_a_stop_while_connecting_leaves_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = Stop()
    opened: list[socket.socket] = []
    original = TimedSocket.connect_ex

    def connect_ex(self: TimedSocket, address: Any) -> int:
        original(self, address)
        opened.append(self)
        stop.set()
        return errno.EINPROGRESS

    monkeypatch.setattr(TimedSocket, "connect_ex", connect_ex)
    with Server() as server:
        try:
            with pytest.raises(TimeoutError):
                dial("127.0.0.1", server.port, Exchange(Deadline(5, stop), 1000))
            assert [sock.fileno() for sock in opened] == [-1]
        finally:
            opened[0].close()


def child(name: str, url: str, **environ: str) -> "subprocess.Popen[str]":
    module = ["-W", "ignore::DeprecationWarning", "-m", "tests.stress.children"]
    return subprocess.Popen(
        [sys.executable, *module, name, url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environ},
    )  # fmt: skip


@pytest.mark.parametrize("name", ["wait_for_one", "wait_for_many"])
def test_ctrl_c_ends_a_waiting_process(name: str) -> None:
    with Server(never) as server, child(name, server.url) as process:
        assert server.asked.wait(30)
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert time.monotonic() - start < 2 * SOON  # the interpreter's own end included
        assert process.returncode == -signal.SIGINT
        assert err.rstrip().endswith("KeyboardInterrupt")
        assert out.strip() in ("", "[]")


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer that interrupts")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # in a callback
def test_interrupts_at_any_moment() -> None:
    """A call that is interrupted leaves the classifier well, and no thread, wherever it was."""
    choice, interrupted = random.Random(3), 0
    texts = some_texts(80)
    handler = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with Server() as server, Classifier(server.url) as classifier:
            classifier.warm()
            until = time.monotonic() + 2
            while time.monotonic() < until:
                call = choice.choice([_read_many, _ask_list, _ask_one])
                try:
                    signal.setitimer(signal.ITIMER_REAL, choice.uniform(0.0002, 0.03))
                    call(classifier, texts)
                    signal.setitimer(signal.ITIMER_REAL, 0)
                except KeyboardInterrupt:
                    interrupted += 1
                _wait_until(_no_thread_runs)
                assert right(texts[:3], classifier.classify(texts[:3]))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
    assert interrupted > 10


def _no_thread_runs() -> bool:
    """Where the interrupt came within the stream's own end, the garbage collector ends the rest."""
    if own_threads():
        gc.collect()
    return not own_threads()


def _read_many(classifier: Classifier, texts: list[Any]) -> None:
    assert right(texts, list(classifier.classify_many(texts)))


def _ask_list(classifier: Classifier, texts: list[Any]) -> None:
    assert right(texts[:20], classifier.classify(texts[:20]))


def _ask_one(classifier: Classifier, texts: list[Any]) -> None:
    assert right(texts[:1], [classifier.classify(texts[0])])


def _wait_until(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.005)


@pytest.mark.parametrize("count", [0, 1, 64, 65, 500])
@pytest.mark.parametrize("failure", [OSError("gone"), KeyboardInterrupt()])
def test_an_input_that_breaks_off(count: int, failure: BaseException) -> None:
    texts = some_texts(count)

    def breaking() -> Iterator[Any]:
        yield from texts
        raise failure

    got: list[Any] = []
    with Server() as server, Classifier(server.url) as classifier:
        with pytest.raises(type(failure)) as caught:
            got.extend(classifier.classify_many(breaking()))
        assert right(texts[:3], [classifier.classify(text) for text in texts[:3]])
    assert caught.value is failure
    if isinstance(failure, Exception):
        assert right(texts, got)
    else:
        assert right(texts[: len(got)], got)


def failing_for(culprit: str) -> Callable[[socket.socket, bytes], bool]:
    logits = logits_of_text(culprit)

    def handle(connection: socket.socket, request: bytes) -> bool:
        if request.startswith(b"POST") and logits in map(logits_of, rows_of(request)):
            connection.sendall(response(500, '{"error": "this text breaks the model"}'))
            return True
        return well(connection, request)

    return handle


@pytest.mark.parametrize("at", [0, 63, 64, 300, 499])
def test_a_text_that_breaks_the_server(at: int) -> None:
    texts = some_texts(500)
    culprit = texts[at] = "the text that breaks it"
    with Server(failing_for(culprit)) as server, Classifier(server.url) as classifier:
        got = list(classifier.classify_many(texts, on_error="return"))
        error: Any = got.pop(at)
        assert isinstance(error, ServerFailed)
        assert error.index == at
        assert right([text for text in texts if text != culprit], got)

        got.clear()
        with pytest.raises(ServerFailed, match=rf"^texts\[{at}\]: ") as caught:
            got.extend(classifier.classify_many(texts))
        assert caught.value.index == at
        assert right(texts[:at], got)


def test_a_server_that_restarts_in_the_middle() -> None:
    texts = some_texts(1500)
    server = Server()
    try:
        with Classifier(server.url) as classifier:
            stream = classifier.classify_many(texts)
            got = [next(stream) for _ in range(100)]
            before = server.rows.keys()
            server.close()
            server = Server(port=server.port)
            got += stream
            assert right(texts, got)
            assert right(texts[:1], [classifier.classify(texts[0])])
            assert before
            assert server.rows
    finally:
        server.close()


def ends_well(name: str, url: str, **environ: str) -> None:
    with child(name, url, **environ) as process:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    ("name", "parallelism"),
    [("fork", ""), ("fork", "true"), ("fork_of_a_fork", "true"), ("fork_in_the_middle", "true")],
)
def test_parent_and_child_go_on_and_share_no_socket(name: str, parallelism: str) -> None:
    variable = {"TOKENIZERS_PARALLELISM": parallelism} if parallelism else {}
    with Server() as server:
        ends_well(name, server.url, **variable)
        parent = server.ports_of(set(map(logits_of_text, PARENT)))
        children = server.ports_of(set(map(logits_of_text, CHILD)))
    assert parent
    assert children
    assert not parent & children


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_may_leave_a_stream_of_its_parent() -> None:
    with Server() as server:
        ends_well("a_child_leaves_a_stream", server.url)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_may_read_a_stream_of_its_parent() -> None:
    with Server(HangsLater()) as server:
        ends_well("a_child_reads_a_stream", server.url)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_that_asks_a_stream_of_its_parent_for_more_is_told() -> None:
    with Server() as server:
        ends_well("a_child_asks_for_more", server.url)


@pytest.mark.parametrize("name", ["process_pools", "copies"])
def test_a_classifier_goes_to_other_processes_and_is_copied(name: str) -> None:
    with Server() as server:
        ends_well(name, server.url)


def test_the_server_of_these_tests_tells_texts_apart() -> None:
    assert len(set(answers().values())) == len(answers())
    request = (
        b'POST x HTTP/1.1\r\n\r\n{"inputs":{"input_ids":[[5,6,0]],"attention_mask":[[1,1,0]]}}'
    )
    assert rows_of(request) == [[5, 6]]
    assert json.loads(right_answer(request)) == {"outputs": [list(logits_of([5, 6]))]}
