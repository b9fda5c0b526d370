"""Documents in the order of how well they fit a query.

The model is a cross-encoder: it reads the query and a document as a pair, and gives one number.
What is made of it, and the order of documents that tie, are as in sentence-transformers 5.7,
cross_encoder/model.py, `CrossEncoder.rank`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from lightclient.checks import check_whole
from lightclient.classification import Classification
from lightclient.errors import InputError, SignatureError
from lightclient.http.deadline import Deadline
from lightclient.messages import printable
from lightclient.model.encoding import Row, Text, check_text
from lightclient.serving.function import choose_for_rank
from lightclient.serving.plan import Plan
from lightclient.serving.predictor import Predictor
from lightclient.texts import check_many, read_text

_LIST = "pass a list, or a longer timeout"


@dataclass(frozen=True)
class Ranked:
    """A document that was ranked.

    `index`: its place among the documents that were given. `score`: how well it fits the query.
    """

    index: int
    score: float


class Fit:
    """How well a document fits a query."""

    rows_a_text = 1

    def __init__(self, query: str) -> None:
        self._query = query

    def rows(self, texts: Sequence[Text], plan: Plan) -> list[list[Row]]:
        """One row a document: the query and the document as a pair, the longer one cut first."""
        # An empty document stays a text of the pair, as CrossEncoder has it.
        return [[row] for row in plan.tokenize([(self._query, str(text)) for text in texts])]

    def answer(self, found: Sequence[Classification], plan: Plan) -> float:
        """The score, by the function that `choose_for_rank` chooses."""
        [logit, *others] = found[0].logits
        if others:
            names = printable(", ".join(plan.bundle.labels), 200)
            raise SignatureError(
                f"rank is for models with one label, and {plan.bundle.name!r} has "
                f"{len(plan.bundle.labels)}: {names}. Serve a cross-encoder; or take the scores of "
                "the labels from classify((query, document)), or zero_shot if the model is for "
                "natural language inference"
            )
        from lightclient.scoring import score_logit  # not at the top: it imports numpy

        return score_logit(logit, choose_for_rank(plan.function, plan.bundle))


def rank(
    ask: Callable[[Fit, list[Any], Deadline, str], list[float]],
    predictor: Predictor,
    query: str,
    documents: Iterable[str],
    top_k: int | None,
    deadline: Deadline,
) -> list[Ranked]:
    """Do what `Classifier.rank` says. `ask`: asks a question about texts."""
    if not isinstance(query, str):
        raise InputError(f"query must be a str, not {type(query).__name__}")
    if top_k is not None:
        check_whole("top_k", top_k, 1)
    question = Fit(str(check_text(query, "query")))
    texts: list[Any] = list(_read(documents, predictor, deadline))
    scores = ask(question, texts, deadline, "documents")
    found = [Ranked(at, score) for at, score in enumerate(scores)]
    # Python's sort is stable, in reverse too: documents that tie stay in the order given.
    return sorted(found, key=attrgetter("score"), reverse=True)[:top_k]


def _read(documents: object, predictor: Predictor, deadline: Deadline) -> Iterator[str]:
    mend = "put a single document into a list"
    documents = check_many(documents, "documents", "rank", mend)
    for at, document in enumerate(documents):  # which may be read from a slow source
        if deadline.over:
            raise predictor.too_late(deadline, "reading the documents alone", _LIST)
        yield read_text(document, f"documents[{at}]")
