"""lightclient, its signature stated by hand: one label, then the clock between its phases."""

# ruff: noqa: E402

from time import monotonic

begun = monotonic()

import sys

from lightclient import Classifier, Signature

imported = monotonic()
port, _, text = sys.argv[1:]
url = f"http://127.0.0.1:{port}/v1/models/fixed"
classifier = Classifier(url, signature=Signature(length=100))
loaded = monotonic()
print(classifier.classify(text).label, flush=True)
print(begun, imported, loaded)
