"""How large a request of `classify_many` should be, and how many should be under way at once.

`python -m tests.benchmarks.sweep URL`, from the checkout: texts a second of a served model, for
some fixed numbers of tokens a request and of requests at once, beside what `classify_many` finds
by itself. Made to try the rule in lightclient/load.py; worth a look for whoever has another server.
"""

import argparse
import random
import statistics
import time

from lightclient import Classifier, bulk
from tests.benchmarks.texts import sentences

_TOKENS = (512, 1024, 2048, 4096)
_AT_ONCE = (1, 2, 4, 8)


def main() -> None:
    """Print a table of medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", metavar="URL", help="http://HOST:8501/v1/models/NAME")
    parser.add_argument("--texts", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    texts = (sentences() * (options.texts // len(sentences()) + 1))[: options.texts]
    with Classifier(options.url, timeout=120) as classifier:
        classifier.warm()
        found = measure(classifier, texts, options.rounds)
    print("| tokens a request |" + "".join(f" {at_once} at once |" for at_once in _AT_ONCE))
    print("|---|" + "---|" * len(_AT_ONCE))
    for tokens in _TOKENS:
        rates = (f" {statistics.median(found[tokens, at_once]):,.0f} |" for at_once in _AT_ONCE)
        print(f"| {tokens} |" + "".join(rates))


def measure(
    classifier: Classifier, texts: list[str], rounds: int
) -> dict[tuple[int, int], list[float]]:
    """Texts a second, each pair of numbers once a round, in another order each time."""
    found: dict[tuple[int, int], list[float]] = {
        (tokens, at_once): [] for tokens in _TOKENS for at_once in _AT_ONCE
    }
    for _ in range(rounds):
        for pair in random.sample(list(found), len(found)):
            bulk.TOKENS_PER_REQUEST, bulk.REQUESTS_AT_ONCE = pair
            begun = time.perf_counter()
            for _ in classifier.classify_many(texts):
                pass
            found[pair].append(len(texts) / (time.perf_counter() - begun))
    return found


if __name__ == "__main__":
    main()
