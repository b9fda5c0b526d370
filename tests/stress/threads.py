"""Threads that share one classifier: python -m tests.stress.threads [--seconds N] [--threads N]"""

import argparse
import sys
import time

from lightclient import Classifier
from tests.stress.callers import Callers, Tally, answers, own_threads
from tests.stress.server import serving_elsewhere


def run(url: str, threads: int, seconds: float) -> Tally:
    answers()
    with Classifier(url, timeout=60) as classifier:
        callers = Callers(classifier, threads, timeout=60)
        callers.start()
        time.sleep(seconds)
        callers.stop()
    return callers.tally


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.stress.threads", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--threads", type=int, default=64)
    arguments = parser.parse_args()
    with serving_elsewhere() as url:
        tally = run(url, arguments.threads, arguments.seconds)
    print(f"{arguments.threads} threads, {arguments.seconds:g} s: {tally}")
    print(*tally.wrong[:10], sep="\n")
    print("threads left:", own_threads() or "none")
    return 1 if tally.wrong or tally.errors or own_threads() or not tally.right else 0


if __name__ == "__main__":
    sys.exit(main())
