"""Many texts through `classify_many`, against a server that answers at once."""

from tests.benchmarks.figures import Row, Target, interleave, ratio, value
from tests.benchmarks.processes import Server
from tests.benchmarks.session import Session

_TEXTS = 20_000
_ARTICLE_TEXTS = 1_000  # its time for a text does not depend on their number
_ENDLESS_TEXTS = 1_000_000
_STEPS = 20


def bulk(session: Session) -> Row:
    """The processor's time for a text in the client."""
    count, few = session.scaled(_TEXTS), session.scaled(_ARTICLE_TEXTS)
    with (
        Server() as server,
        session.side("client", "us", port=server.port) as us,
        session.side("client", "floor", port=server.port) as floor,
        session.side("article", "article", port=server.port) as article,
    ):
        sides = {
            "us": lambda: us.ask("bulk", count=count)["cpu"] / count * 1e6,
            "encode_batch": lambda: floor.ask("encode_batch", count=count)["cpu"] / count * 1e6,
            "article": lambda: article.ask("loop", count=few)["cpu"] / few * 1e6,
        }
        interleave(sides, 1)
        samples = interleave(sides, session.rounds(7))
    figures = [
        ratio(samples, "us", "encode_batch", Target("≤", 3, 2)),
        ratio(samples, "article", "us", Target("≥", 20, 50)),
    ]
    title = "bulk: 20,000 SST-2 sentences, processor time of the client for a text"
    return Row("bulk", title, "µs", samples, figures)


def endless(session: Session) -> Row:
    """A million texts: memory after the first twentieth, and the rate."""
    count = session.scaled(_ENDLESS_TEXTS)
    with Server() as server, session.side("client", "us", port=server.port) as us:
        us.ask("bulk", count=session.scaled(_TEXTS))
        seen = us.ask("endless", count=count, step=count // _STEPS)
    first, *later = (resident / 1e6 for _, resident in seen)
    samples = {
        "last quarter": [_rate(seen[14], seen[19], count // 4)],
        "second quarter": [_rate(seen[4], seen[9], count // 4)],
    }
    figures = [
        ratio(samples, "last quarter", "second quarter", Target("≥", 0.9)),
        value("memory gained after 50,000", "MB", [max(later) - first], Target("≤", 10)),
    ]
    title = "`classify_many` over 1,000,000 texts"
    return Row("endless", title, "texts/s", samples, figures)


def _rate(before: tuple[float, int], after: tuple[float, int], texts: int) -> float:
    return texts / (after[0] - before[0])
