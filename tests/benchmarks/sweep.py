"""How large a request of `classify_many` should be, and how many should be under way at once.

`python -m tests.benchmarks.sweep URL`, from the checkout: texts a second of a served model, for
some fixed numbers of tokens a request and of requests at once, beside what `classify_many` finds
by itself. Made to try the rule in lightclient/streams/load.py; worth a look for whoever has another
server.
"""

import argparse
import random
import statistics
import time
from collections.abc import Sequence
from contextlib import nullcontext

from lightclient import Classifier
from tests.benchmarks.sides.loads import fixed
from tests.benchmarks.texts import different

_TOKENS = (512, 1024, 2048, 4096)
_AT_ONCE = (1, 2, 4, 8)
_ITSELF = None  # the place of a load that classify_many finds
_Load = tuple[int, int] | None


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table of medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", metavar="URL", help="http://HOST:8501/v1/models/NAME")
    parser.add_argument("--texts", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    with Classifier(options.url, timeout=120) as classifier:
        classifier.warm()
        found = measure(classifier, different(options.texts), options.rounds)
    rates = {load: f"{statistics.median(values):,.0f}" for load, values in found.items()}
    print("| tokens a request |" + "".join(f" {at_once} at once |" for at_once in _AT_ONCE))
    print("|---|" + "---|" * len(_AT_ONCE))
    for tokens in _TOKENS:
        print(f"| {tokens} |" + "".join(f" {rates[tokens, at_once]} |" for at_once in _AT_ONCE))
    print(f"\nfound by itself: {rates[_ITSELF]}")


def measure(classifier: Classifier, texts: list[str], rounds: int) -> dict[_Load, list[float]]:
    """Texts a second, each load once a round, in another order each time."""
    loads: list[_Load] = [_ITSELF, *((tokens, many) for tokens in _TOKENS for many in _AT_ONCE)]
    found: dict[_Load, list[float]] = {load: [] for load in loads}
    for _ in range(rounds):
        for load in random.sample(loads, len(loads)):
            with fixed(*load) if load else nullcontext():
                begun = time.perf_counter()
                for _ in classifier.classify_many(texts):
                    pass
                found[load].append(len(texts) / (time.perf_counter() - begun))
    return found


if __name__ == "__main__":
    main()
