"""Documents in the order of how well they fit a query.

The model is a cross-encoder: it reads the query and a document as a pair, and gives one number.
What is made of it, and the order of documents that tie, are as in sentence-transformers 5.7,
cross_encoder/model.py, `CrossEncoder.rank`.
"""

import re
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from lightclient.checks import check_whole
from lightclient.classification import Classification
from lightclient.column import read_text, refuse_table
from lightclient.errors import InputError, LightClientError, SignatureError, TimedOut
from lightclient.http.deadline import Deadline, Stop
from lightclient.messages import printable
from lightclient.model.encoding import check_text
from lightclient.serving.function import choose_for_rank
from lightclient.serving.plan import Plan
from lightclient.serving.predictor import Predictor


@dataclass(frozen=True)
class Ranked:
    """A document that was ranked.

    `index`: its place among the documents that were given. `score`: how well it fits the query.
    """

    index: int
    score: float


def rank(
    predictor: Predictor,
    query: str,
    documents: Iterable[str],
    top_k: int | None,
    deadline: Deadline,
    stop: Stop | None = None,
) -> list[Ranked]:
    """Do what `Classifier.rank` says. `stop`: that of the deadline."""
    if not isinstance(query, str):
        raise InputError(f"query must be a str, not {type(query).__name__}")
    if top_k is not None:
        check_whole("top_k", top_k, 1)
    check_text(query, "query")
    texts = _read(documents, predictor, deadline)
    scores = _scores([(query, text) for text in texts], predictor, deadline, stop)
    found = [Ranked(at, score) for at, score in enumerate(scores)]
    # Python's sort is stable, in reverse too: documents that tie stay in the order given.
    return sorted(found, key=attrgetter("score"), reverse=True)[:top_k]


def _read(documents: object, predictor: Predictor, deadline: Deadline) -> Iterator[str]:
    refuse_table(documents, "documents", "rank(query, {})")
    is_one = isinstance(documents, (str, bytes)) or getattr(documents, "ndim", 1) == 0
    if is_one or not isinstance(documents, Iterable):
        raise InputError(
            f"documents must be an iterable of str, not {type(documents).__name__}; put a single "
            "document into a list"
        )
    for at, document in enumerate(documents):
        if deadline.over:
            raise TimedOut(
                f"reading the documents alone took longer than the {deadline.seconds:g} s of the "
                "call: pass a list, or a longer timeout",
                url=str(predictor.address),
                attempts=0,
                timeout=deadline.seconds,
            )
        yield read_text(document, f"documents[{at}]")


def _scores(
    pairs: list[tuple[str, str]], predictor: Predictor, deadline: Deadline, stop: Stop | None
) -> list[float]:
    from lightclient.bulk import classify_stream  # its threads are seldom needed

    answers: Generator[Any, None, None] = classify_stream(
        pairs, predictor, deadline.seconds, stops_at_error=True, within=deadline, stop=stop
    )
    with closing(answers), _errors_of_documents():
        return [_score(answer, predictor.plan(deadline)) for answer in answers]


def _score(answer: Classification, plan: Plan) -> float:
    """The score of a pair, made of what it was classified as."""
    if len(answer.logits) != 1:
        names = printable(", ".join(plan.bundle.labels), 200)
        raise SignatureError(
            f"rank is for models with one label, and {plan.bundle.name!r} has "
            f"{len(plan.bundle.labels)}: {names}. Serve a cross-encoder; or take the scores of the "
            "labels from classify((query, document)), or from zero_shot if it is a model for "
            "natural language inference"
        )
    from lightclient.scoring import score_logit  # imported here, because it needs numpy

    return score_logit(answer.logits[0], choose_for_rank(plan.function, plan.bundle))


@contextmanager
def _errors_of_documents() -> Iterator[None]:
    """Have errors call a text of the stream the document that it is."""
    try:
        yield
    except LightClientError as error:
        error.args = (re.sub(r"^texts\[", "documents[", str(error)),)
        raise
