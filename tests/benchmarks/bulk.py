"""Many texts through `classify_many`, against a server that answers at once."""

from itertools import pairwise

from tests.benchmarks.environments import LINES
from tests.benchmarks.figures import ARTICLE, OURS, Comparison, Row, interleave, single
from tests.benchmarks.processes import Server
from tests.benchmarks.session import Session

_TEXTS = 5_000
_ARTICLE_TEXTS = 250  # one by one: the time for a text does not depend on their number
_MILLION = 1_000_000
_STEPS = 20


def bulk(
    session: Session,
    client: str = "client",
    encode_batch: str | None = None,
    article: str | None = None,
) -> list[Row]:
    """`encode_batch`, `article`: what must be reached beside them."""
    count, few = session.scaled(_TEXTS), session.scaled(_ARTICLE_TEXTS)
    with (
        Server() as server,
        session.side(client, "ours", port=server.port) as ours,
        session.side(client, "plain", port=server.port) as plain,
        session.side("article", "article", port=server.port) as theirs,
    ):
        sides = {
            OURS: lambda: ours.ask("bulk", count=count)["cpu"] / count * 1e6,
            ARTICLE: lambda: theirs.ask("loop", count=few)["cpu"] / few * 1e6,
            "`encode_batch`": lambda: plain.ask("encode_batch", count=count)["cpu"] / count * 1e6,
        }
        samples = interleave(sides, session.rounds(40))
    comparisons = [
        Comparison(ARTICLE, "÷", article),
        Comparison("`encode_batch`", "×", encode_batch),
    ]
    title = f"bulk, processor time a text, tokenizers {LINES[client]}"
    return [Row(title, "µs", samples, comparisons)]


def million(session: Session) -> list[Row]:
    """The rate and the memory must stay what they are after the first twentieth."""
    count = session.scaled(_MILLION)
    step = count // _STEPS
    with Server() as server, session.side("client", "ours", port=server.port) as ours:
        ours.ask("bulk", count=session.scaled(4 * _TEXTS))
        seen = ours.ask("million", count=count, step=step)
    times, resident = zip(*seen, strict=True)
    rates = [step / (after - before) for before, after in pairwise(times)]
    samples = {OURS: rates[14:], "second quarter": rates[4:9]}
    comparisons = [Comparison("second quarter", "×", "≥ 0.9")]
    gained = (max(resident[1:]) - resident[0]) / 1e6
    return [
        Row("a million texts: rate of the last quarter", "texts/s", samples, comparisons),
        single("a million texts: memory gained after the first 50,000", "MB", gained, "≤ 10"),
    ]
