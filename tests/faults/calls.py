"""The ways of asking, and what came of one."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from lightclient import Bundle, Classifier

MARKER = "zyzzyvaquux"
BUNDLE = Bundle.load()
_WORDS = "a film of rare wit and no little charm that ends far too soon for its own good".split()


def _text(at: int) -> str:
    return f"{MARKER} {at} " + " ".join(_WORDS[word % 17] for word in range(at, at + at * 7 % 20))


TEXTS = [_text(at) for at in range(200)]


@dataclass
class Outcome:
    """What came: the answers and errors given out, the error raised, and the longest wait."""

    texts: list[str]
    given: list[Any] = field(default_factory=list)
    raised: BaseException | None = None
    slowest: float = 0.0

    @property
    def errors(self) -> list[BaseException]:
        returned = [answer for answer in self.given if isinstance(answer, BaseException)]
        return returned if self.raised is None else [*returned, self.raised]


Ask = Callable[[Classifier, list[str]], Iterable[Any]]


@dataclass(frozen=True)
class Call:
    """A way of asking: how many texts, and how."""

    name: str
    count: int
    ask: Ask
    many: bool = False
    returns_errors: bool = False


CALLS = {
    call.name: call
    for call in (
        Call("one", 1, lambda classifier, texts: [classifier.classify(texts[0])]),
        Call("three", 3, lambda classifier, texts: classifier.classify(texts)),
        Call("many5", 5, lambda classifier, texts: classifier.classify_many(texts), many=True),
        Call("many200", 200, lambda classifier, texts: classifier.classify_many(texts), many=True),
        Call(
            "many200-returned",
            200,
            lambda classifier, texts: classifier.classify_many(texts, on_error="return"),
            many=True,
            returns_errors=True,
        ),
    )
}


def ask(classifier: Classifier, call: Call, offset: int = 0) -> Outcome:
    """Ask, and time each wait for an answer. What is raised is an outcome, too."""
    outcome = Outcome([TEXTS[(offset + at) % len(TEXTS)] for at in range(call.count)])
    began = time.monotonic()
    try:
        answers = iter(call.ask(classifier, outcome.texts))
        while True:
            answer = next(answers)
            outcome.given.append(answer)
            outcome.slowest = max(outcome.slowest, time.monotonic() - began)
            began = time.monotonic()
    except StopIteration:
        pass
    except Exception as error:  # noqa: BLE001 - which one is for the checks to say
        outcome.raised = error
    outcome.slowest = max(outcome.slowest, time.monotonic() - began)
    return outcome
