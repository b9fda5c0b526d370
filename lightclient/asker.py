"""Questions about texts, asked of the one model that some settings name."""

from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any, Literal, get_args

from lightclient.checks import check_choice
from lightclient.classification import Classification
from lightclient.http.deadline import Deadline, Stop
from lightclient.imports import import_numpy_meanwhile
from lightclient.model.encoding import Text, count_tokens
from lightclient.questions.classify import make_question
from lightclient.questions.question import Question
from lightclient.serving.predictor import Predictor
from lightclient.settings import Settings, check_timeout
from lightclient.texts import FOR_COLUMNS, check_many

if TYPE_CHECKING:
    from lightclient.questions.rank import Ranked

OnError = Literal["raise", "return"]
OnMissing = Literal["error", "none"]


class Asker:
    """What `Classifier` and `AsyncClassifier` do their work with. Threads may share one.

    `settings`: theirs. `predictor`: asks the server. `question`: what `classify` asks.

    Raises:
        InputError, BundleError: a setting is not what it must be, or the bundle is broken.
    """

    def __init__(self, settings: Settings) -> None:
        import_numpy_meanwhile()
        self.settings, self.predictor = settings, Predictor(settings)
        self.question = make_question(settings.long_texts, settings.stride)

    def new_deadline(self, timeout: float | None, stop: Stop | None = None) -> Deadline:
        """The deadline of a call that begins now. `stop`: ends it before."""
        seconds = self.settings.timeout if timeout is None else check_timeout(timeout)
        return Deadline(seconds, stop)

    def classify(self, texts: list[Text], deadline: Deadline) -> list[Classification]:
        """What `Classifier.classify` gives for a list: in one request, if each text is one row."""
        if not texts:
            return []
        found = self.predictor.ask(self.question.one_row_each, texts, deadline)
        return self.ask(self.question, texts, deadline) if found is None else found

    def ask(
        self, question: Question, texts: list[Text], deadline: Deadline, noun: str = "texts"
    ) -> list[Any]:
        """The answers to the texts of one call. `noun`: what errors call several texts."""
        # Their threads are seldom needed.
        from lightclient.streams.sender import Sender
        from lightclient.streams.stream import ask_stream

        within, stop = deadline, deadline.stop
        sender = Sender(
            self.predictor, deadline.seconds, within, stop, stops_at_error=True, patient=False
        )
        return list(ask_stream(texts, question, sender, noun if len(texts) > 1 else None))

    def stream(
        self,
        question: Question,
        texts: Iterable[Text | None],
        on_error: OnError,
        missing: OnMissing,
        timeout: float | None,
        stop: Stop | None = None,
    ) -> Generator[Any, None, None]:
        """The answers to many texts, in order. `stop`: ends it from another thread."""
        mend = "for one text there are classify and zero_shot"
        texts = check_many(texts, "texts", FOR_COLUMNS, mend)
        check_choice("on_error", on_error, get_args(OnError))
        check_choice("missing", missing, get_args(OnMissing))
        within = None if timeout is None else Deadline(check_timeout(timeout))
        # Their threads are seldom needed.
        from lightclient.streams.sender import Sender
        from lightclient.streams.stream import ask_stream

        raises, seconds = on_error == "raise", self.settings.timeout
        sender = Sender(self.predictor, seconds, within, stop, stops_at_error=raises, patient=True)
        return ask_stream(texts, question, sender, may_be_missing=missing == "none")

    def rank(
        self, query: str, documents: Iterable[str], top_k: int | None, deadline: Deadline
    ) -> "list[Ranked]":
        """What `Classifier.rank` gives."""
        from lightclient.questions.rank import rank  # seldom needed

        return rank(self.ask, self.predictor, query, documents, top_k, deadline)

    def count_tokens(self, text: Text, deadline: Deadline) -> int:
        """What `Classifier.count_tokens` gives."""
        predictor = self.predictor
        known = predictor.bundle if predictor.knows_bundle else predictor.plan(deadline).bundle
        return count_tokens(text, known)

    def close(self) -> None:
        """Close the idle connections; a later call opens new ones."""
        self.predictor.transport.close()

    def __repr__(self) -> str:
        predictor = self.predictor
        bundle = f", bundle={predictor.bundle.name!r}" if predictor.knows_bundle else ""
        return f"({str(predictor.address)!r}{bundle})"
