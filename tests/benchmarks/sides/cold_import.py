"""The interpreter and the package, of which nothing is used."""

import lightclient  # noqa: F401

print("ready", flush=True)
