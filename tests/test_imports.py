"""numpy is imported in the background: whatever happens meanwhile, the first answer comes."""

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lightclient.standin import StandIn

PREPARE = """
import os, resource, signal, sys, threading, time
from lightclient import Classifier, Signature
assert "numpy" not in sys.modules

def right():
    return classifier.classify("I like you. I love you").label == "POSITIVE"
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with StandIn() as url:
        yield url


def run(code: str, url: str) -> "subprocess.CompletedProcess[str]":
    program = PREPARE + textwrap.dedent(code)
    run = [sys.executable, "-c", program, url]
    return subprocess.run(run, capture_output=True, text=True, check=False, timeout=60)


def test_it_begins_with_the_classifier_and_ends_by_itself(url: str) -> None:
    done = run(
        """
        with Classifier(sys.argv[1]) as classifier:
            print(*(thread.name for thread in threading.enumerate() if "numpy" in thread.name))
            assert right()
        print(threading.active_count())
        """,
        url,
    )
    assert done.stdout.split() == ["lightclient-numpy", "1"], done.stderr


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")
def test_a_fork_meanwhile(url: str) -> None:
    """The child would wait for ever for an import that goes on in its parent."""
    done = run(
        """
        classifier = Classifier(sys.argv[1])
        children = []
        for _ in range(5):
            pid = os.fork()
            if pid == 0:
                signal.alarm(20)  # it ends a child that hangs
                os._exit(0 if right() else 1)
            children.append(pid)
        assert right()
        print(*(os.waitpid(pid, 0)[1] for pid in children))
        """,
        url,
    )
    assert done.stdout.split() == ["0"] * 5, done.stderr


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")
def test_a_fork_by_another_thread_meanwhile(url: str) -> None:
    done = run(
        """
        statuses = []

        def fork():
            pid = os.fork()
            if pid == 0:
                signal.alarm(20)
                import numpy
                os._exit(0)
            statuses.append(os.waitpid(pid, 0)[1])

        maker = threading.Thread(target=lambda: Classifier(sys.argv[1]))
        forkers = [threading.Timer(at / 200, fork) for at in range(8)]
        for thread in (maker, *forkers):
            thread.start()
        for thread in (maker, *forkers):
            thread.join()
        print(*statuses)
        """,
        url,
    )
    assert done.stdout.split() == ["0"] * 8, done.stderr


def test_without_a_thread_to_be_had(url: str) -> None:
    done = run(
        """
        def refuse(self):
            raise RuntimeError("can't start new thread")

        threading.Thread.start = refuse
        classifier = Classifier(sys.argv[1], signature=Signature())
        print(right())
        """,
        url,
    )
    assert done.stdout == "True\n", done.stderr


def test_classifiers_that_begin_together(url: str) -> None:
    done = run(
        """
        answers = []

        def work():
            with Classifier(sys.argv[1]) as mine:
                answers.append(mine.classify("I like you. I love you").label)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(*set(answers), len(answers))
        """,
        url,
    )
    assert done.stdout == "POSITIVE 8\n", done.stderr


def test_it_does_not_hold_up_the_first_request(tmp_path: Path) -> None:
    """The import waits here for the request, so that a request which waits for it never comes."""
    asked = tmp_path / "asked"

    def model(inputs: Any) -> Any:
        asked.touch()
        return {"logits": [[-4.0, 4.0] for _ in inputs["input_ids"]]}

    with StandIn({"m": model}) as url:
        done = run(
            f"""
            from importlib.machinery import PathFinder

            class Late:
                def find_spec(self, name, path=None, target=None):
                    if name == "numpy":
                        spec = PathFinder.find_spec(name)
                        self.load, spec.loader.exec_module = spec.loader.exec_module, self.wait
                        return spec

                def wait(self, module):
                    while not os.path.exists({str(asked)!r}):
                        time.sleep(0.001)
                    self.load(module)

            signal.alarm(20)
            sys.meta_path.insert(0, Late())
            classifier = Classifier(sys.argv[1])
            print(right())
            """,
            url,
        )
    assert done.stdout == "True\n", done.stderr
