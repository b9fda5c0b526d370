"""The simulated servers, and what each can do at most."""

from dataclasses import dataclass

from lightclient.streams.load import LEAST, MOST, Load


@dataclass(frozen=True)
class Manner:
    """How a server takes its time; see tests/benchmarks/servers.py."""

    delay: float = 0.0
    token_delay: float = 0.0
    strain: float = float("inf")
    at_once: int = 1 << 30

    @property
    def options(self) -> list[str]:
        """The options of the server's program."""
        named = {
            "--delay": f"{self.delay:g}",
            "--token-delay": f"{self.token_delay:.12f}".rstrip("0"),
            "--strain": f"{self.strain:g}",
            "--at-once": str(self.at_once),
        }
        return [part for option in named.items() for part in option]

    def rate(self, load: Load) -> float:
        """The tokens a second at a load, of which no more can be under way than it says."""
        tokens = load.tokens
        seconds = self.delay + tokens * self.token_delay * (1 + tokens / self.strain)
        return min(load.requests, self.at_once) * tokens / seconds

    @property
    def most(self) -> float:
        """The tokens a second at the best of all sizes that a stream may choose."""
        sizes = range(LEAST.tokens, MOST.tokens + 1, LEAST.tokens)
        return max(self.rate(Load(tokens, self.at_once)) for tokens in sizes)

    def __str__(self) -> str:
        costs = f"{self.delay * 1e3:g} ms a request, {self.token_delay * 1e6:g} µs a token"
        if self.strain < float("inf"):
            costs += f", twice as much at {self.strain:,.0f} tokens"
        return costs + (f", {self.at_once:,} at once" if self.at_once < 1 << 30 else "")
