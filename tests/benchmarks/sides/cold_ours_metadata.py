"""lightclient, which asks the server for the signature: one label."""

import sys

from lightclient import Classifier

port, _, text = sys.argv[1:]
url = f"http://127.0.0.1:{port}/v1/models/fixed"
print(Classifier(url).classify(text).label, flush=True)
