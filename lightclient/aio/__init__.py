"""The classifier for code that runs in an event loop of asyncio."""
