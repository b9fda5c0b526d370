"""The rows by name, in the order of the table."""

from collections.abc import Callable
from functools import partial

from tests.benchmarks import aio, aws_lambda, bulk, cold, model, sizes, warm, zero_shot
from tests.benchmarks.figures import Row
from tests.benchmarks.session import Session

ROWS: dict[str, Callable[[Session], list[Row]]] = {
    "cold": cold.cold,
    "cold-metadata": cold.cold_metadata,
    "import": cold.importing,
    "short": warm.short,
    "short-1.0": partial(warm.short, client="client-1.0"),
    "long": warm.long,
    "long-1.0": partial(warm.long, client="client-1.0", urlopen="≤ 1.6", article="≥ 4.5"),
    "bulk": partial(bulk.bulk, encode_batch="≤ 1.5", article="≥ 20"),
    "bulk-1.0": partial(bulk.bulk, client="client-1.0", article="≥ 50"),
    "model": model.model,
    "zero-shot": zero_shot.zero_shot,
    "threads": warm.threads,
    "async": aio.tasks,
    "async-call": aio.awaited,
    "stall": warm.stall,
    "million": bulk.million,
    "memory": cold.memory,
    "lambda": aws_lambda.function,
    "sizes": sizes.sizes,
}
