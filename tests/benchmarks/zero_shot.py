"""Zero-shot classification behind a model of DistilBERT's full size with three NLI labels."""

from tests.benchmarks.figures import OURS, Comparison, Row, interleave
from tests.benchmarks.model import ModelServer, export, make_model
from tests.benchmarks.session import Session

_TEXTS = 128
_ROUNDS = 5
_LABELS = ("politics", "sports", "business", "science", "entertainment")
_NLI = ("contradiction", "neutral", "entailment")


def zero_shot(session: Session) -> list[Row]:
    """Texts a second.

    The other sides send as many pairs in a request as transformers' pipeline computes at once: one
    by default, or with `batch_size` as large as the labels are many, those of a text.
    """
    served = export(session, make_model(session, "nli-source", *_NLI), "nli")
    count = session.scaled(_TEXTS)
    asked = {"count": count, "labels": _LABELS}
    by_hand = asked | {"entailment": _NLI.index("entailment")}
    with (
        ModelServer(session, served) as server,
        session.side("client", "ours", port=server.port) as ours,
        session.side("client", "plain", port=server.port) as plain,
    ):
        sides = {
            OURS: lambda: count / ours.ask("zero_shot", **asked)["wall"],
            "a request a text": lambda: (
                count / plain.ask("zero_shot", **by_hand, at_once=len(_LABELS))["wall"]
            ),
            "a request a pair": lambda: (
                count / plain.ask("zero_shot", **by_hand, at_once=1)["wall"]
            ),
        }
        samples = interleave(sides, session.rounds(_ROUNDS))
    title = f"zero-shot, {len(_LABELS)} labels, DistilBERT behind `lightclient serve`"
    return [
        Row(
            title,
            "texts/s",
            samples,
            [Comparison("a request a text", "×"), Comparison("a request a pair", "×")],
        )
    ]
