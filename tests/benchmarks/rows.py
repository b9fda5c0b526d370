"""The rows by name, in the order of the table."""

from collections.abc import Callable

from tests.benchmarks import bulk, cold, real, sizes, warm
from tests.benchmarks.figures import Row
from tests.benchmarks.session import Session

ROWS: dict[str, Callable[[Session], Row]] = {
    "cold": cold.cold,
    "metadata": cold.metadata,
    "import": cold.importing,
    "short": warm.short,
    "long": warm.long,
    "bulk": bulk.bulk,
    "real": real.real,
    "threads": warm.threads,
    "stall": warm.stall,
    "endless": bulk.endless,
    "memory": cold.memory,
    "sizes": sizes.sizes,
}
