"""The interpreter alone."""

print("ready", flush=True)
