"""What the tests run in a process of its own: python -m tests.stress.children NAME URL"""

import copy
import json
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from typing import Any

import numpy as np  # noqa: F401 - Python forgets an interrupt where a thread still imports it

from lightclient import Classifier, LightClientError, Signature
from tests.stress.callers import logits_of_text, own_threads

PARENT = [f"the parent asks {at}" for at in range(20)]
CHILD = [f"a child asks {at}, in more words" for at in range(20)]


def are_right(texts: list[str], answers: Iterable[Any]) -> bool:
    return [answer.logits for answer in answers] == [logits_of_text(text) for text in texts]


def all_ways(classifier: Classifier, texts: list[str]) -> bool:
    return (
        are_right(texts, classifier.classify(list(texts)))
        and are_right(texts, map(classifier.classify, texts))
        and are_right(texts, classifier.classify_many(texts))
    )


def _in_fork(child: Callable[[], bool], seconds: int = 15) -> Callable[[], bool]:
    """Start a child; give what waits for its word that all was right."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(seconds)  # it ends a child that hangs
        os._exit(0 if child() else 1)
    return lambda: os.waitpid(pid, 0)[1] == 0


def fork(url: str) -> bool:
    """With idle connections, after a batch, and both go on at once."""
    classifier = Classifier(url)
    before = all_ways(classifier, PARENT)
    wait = _in_fork(lambda: all_ways(classifier, CHILD))
    return before and all_ways(classifier, PARENT) and wait() and all_ways(classifier, PARENT)


def fork_of_a_fork(url: str) -> bool:
    classifier = Classifier(url)
    assert all_ways(classifier, PARENT)

    def child() -> bool:
        wait = _in_fork(lambda: all_ways(classifier, CHILD))
        return all_ways(classifier, CHILD) and wait()

    return _in_fork(child)() and all_ways(classifier, PARENT)


def fork_in_the_middle(url: str) -> bool:
    """Other threads call at that moment, and a stream is half read."""
    classifier = Classifier(url)
    stop, right = threading.Event(), []

    def call() -> None:
        while not stop.is_set():
            right.append(are_right(PARENT, classifier.classify(list(PARENT))))

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    stream = classifier.classify_many(PARENT * 30)
    begun = [next(stream) for _ in range(20)]
    waits = [_in_fork(lambda: all_ways(classifier, CHILD)) for _ in range(8)]
    children = [wait() for wait in waits]
    stop.set()
    for thread in threads:
        thread.join()
    return all(children) and all(right) and are_right(PARENT * 30, [*begun, *stream])


def a_child_leaves_a_stream(url: str) -> bool:
    """What the parent began may end in the child, and with it, without a hang."""
    classifier = Classifier(url)
    stream: Any = classifier.classify_many(PARENT * 30)
    begun = [next(stream)]

    def child() -> bool:
        stream.close()
        return all_ways(classifier, CHILD)

    return _in_fork(child)() and are_right(PARENT * 30, [*begun, *stream])


def a_child_reads_a_stream(url: str) -> bool:
    """What the parent began goes on in the child, or says that it cannot; it does not hang.

    The server's second answer never comes: at the fork that request is under way.
    """
    classifier = Classifier(url, timeout=60, retries=0, signature=Signature())
    stream = classifier.classify_many([*map(str, range(192))])
    next(stream)

    def child() -> bool:
        with suppress(LightClientError):
            list(stream)
        return True

    return _in_fork(child, seconds=20)()


def a_child_asks_for_more(url: str) -> bool:
    """The child cannot have what the parent's threads would send, and is told so."""
    stream = Classifier(url).classify_many([*map(str, range(1000))])
    for _ in range(64):  # the first chunk; the next text that is asked for begins another one
        next(stream)

    def child() -> bool:
        try:
            list(stream)
        except LightClientError as error:
            return "before a fork" in str(error)
        return False

    return _in_fork(child, seconds=20)()


_shared: list[Classifier] = []


def _set_up(classifier: Classifier) -> None:
    _shared[:] = [classifier]


def _ask(texts: list[str]) -> bool:
    return all_ways(_shared[0], texts)


def _ask_given(classifier: Classifier, texts: list[str]) -> bool:
    return all_ways(classifier, texts)


def process_pools(url: str) -> bool:
    """By every way of starting a process: handed over once, and with each task."""
    classifier = Classifier(url)
    right = [all_ways(classifier, PARENT)]
    for method in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        with ProcessPoolExecutor(
            1 if method == "spawn" else 2, context, _set_up, (classifier,)
        ) as pool:
            right += pool.map(_ask, [CHILD] * 4)
            right += pool.map(_ask_given, [classifier] * 2, [CHILD] * 2)
            answers = list(pool.map(classifier.classify, CHILD[:2]))
        right.append(are_right(CHILD[:2], answers))
        right.append(all_ways(classifier, PARENT))
    return all(right)


def copies(url: str) -> bool:
    classifier = Classifier(url)
    right = [all_ways(classifier, PARENT)]
    for made in (
        copy.copy(classifier), copy.deepcopy(classifier), pickle.loads(pickle.dumps(classifier)),
    ):  # fmt: skip
        right.append(all_ways(made, CHILD))
        made.close()
    right.append(all_ways(classifier, PARENT))
    return all(right)


def wait_for_one(url: str) -> bool:
    return bool(Classifier(url, timeout=60, signature=Signature()).classify("a"))


def wait_for_many(url: str) -> bool:
    classifier = Classifier(url, timeout=60, signature=Signature())
    try:
        return bool(list(classifier.classify_many([*map(str, range(500))])))
    finally:
        until = time.monotonic() + 1
        while own_threads() and time.monotonic() < until:
            time.sleep(0.01)
        print(json.dumps(own_threads()), flush=True)


NAMES = {
    run.__name__: run for run in (
        fork, fork_of_a_fork, fork_in_the_middle, a_child_leaves_a_stream, a_child_reads_a_stream,
        a_child_asks_for_more, process_pools, copies, wait_for_one, wait_for_many,
    )
}  # fmt: skip

if __name__ == "__main__":
    # The children of a process pool import this module under its own name.
    from tests.stress import children

    sys.exit(0 if children.NAMES[sys.argv[1]](sys.argv[2]) else 1)
