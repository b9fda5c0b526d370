"""`Classifier`, and `classify` for those who need no object of their own."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from lightclient.asker import Asker, OnError, OnMissing
from lightclient.classification import Classification
from lightclient.errors import LightClientError
from lightclient.http.headers import Headers, Token
from lightclient.model.bundle import Bundle, FunctionName
from lightclient.model.encoding import Text
from lightclient.questions.zero_shot import TEMPLATE, ZeroShot
from lightclient.serving.request import Form
from lightclient.serving.signature import Signature
from lightclient.settings import LongTexts, Settings, read_settings, read_variables
from lightclient.texts import check_one, check_texts

if TYPE_CHECKING:
    from lightclient.questions.rank import Ranked

Texts = list[str] | list[tuple[str, str]] | list[Text]


class Classifier:
    """Classifies text with a model on TensorFlow Serving.

    Threads may share one; it may be pickled, and used on both sides of a fork. It opens no
    connection before the first call and keeps those it has until `close`, or the end of a `with`.
    A pickle holds no secrets: it says where the token and the headers come from, which are fetched
    anew where it is unpickled. If they were passed as values, pickling raises `InputError`.
    If `url`, `bundle`, `timeout`, `function`, `token`, `ca_certs` or `client_cert` is left out, the
    environment decides: `LIGHTCLIENT_URL` and so on.

    Args:
        url: the served model, like `http://host:8501/v1/models/NAME`, with `/versions/N` or
            `/labels/L`, with or without `:predict`. Any other URL that ends in `:predict`,
            `:rawPredict` or `/invocations` is taken as it is, and needs a `Signature`.
        bundle: a shipped name, a model's Hugging Face folder, or a `Bundle`. If it is left out, the
            served model's own is used, which `lightclient export` writes into the model. A model
            without one gets distilbert-base-uncased-finetuned-sst-2-english, and the log a warning.
            `"served"` makes an error of that.
        timeout: the deadline of one call in seconds, with connecting, repeats and metadata
            included. The default is 10.
        max_length: the most tokens of a text; a longer one is cut, and `truncated` says so. The
            default is what the bundle and the signature allow.
        pad_to: pad every request to this many tokens, for a server that batches requests.
        signature: the name of a signature, or a `Signature` stated by hand, which saves the
            metadata look-up. The default is `serving_default`, as the server describes it.
        function: `"softmax"`, `"sigmoid"` or `"none"`: what makes scores of the model's output. The
            default is none for an output whose name says that it holds probabilities, and
            otherwise the choice of transformers' pipeline.
        form: `"columnar"` or `"row"`, for servers that know the row form only.
        headers: sent with every request; or a function of the request's method, URL and body
            that gives them, for servers that want it signed.
        token: sent as a bearer token; or a function that gives one. It is called for each request,
            and no deadline interrupts it.
        ca_certs: a PEM file of the authorities to trust instead of the system's.
        client_cert: a PEM file with certificate and key, or a pair of files.
        retries: how often a request is repeated, inside the deadline of its call, after 429, 503 or
            a broken connection. All calls together have 35 repeats, and one more for every five
            calls; after that, an error comes at once. `classify_many` and `zero_shot_many` repeat a
            request until its deadline, unless this is 0, but seldom when those are used up.
        long_texts: what becomes of a text that is longer than the model takes. "cut": the rest is
            left out, and `truncated` says so. "refuse": an InputError says how many tokens it has.
            "mean" or "max": it is read in windows of the model's length that overlap, at most
            65,536 tokens of it, and each label's score is the mean or the maximum over the windows;
            if the labels exclude each other, the scores are then divided by their sum. `windows` of
            the answer says how many there were. A pair has no windows: it is cut. The windows of
            one call are sent in requests as those of `classify_many`, inside its deadline.
        stride: how many tokens two neighbouring windows share.

    Raises:
        InputError: an argument is not what it must be; the message names it.
        SettingError: there is no URL, or `LIGHTCLIENT_TIMEOUT`, `LIGHTCLIENT_FUNCTION` or the
            proxy of the environment is not what it must be.
        BundleError: the bundle is missing or broken.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        bundle: str | Path | Bundle | None = None,
        timeout: float | None = None,
        max_length: int | None = None,
        pad_to: int | None = None,
        signature: str | Signature | None = None,
        function: FunctionName | None = None,
        form: Form = "columnar",
        headers: Headers | None = None,
        token: Token | None = None,
        ca_certs: str | Path | None = None,
        client_cert: str | Path | tuple[str, str] | None = None,
        retries: int = 3,
        long_texts: LongTexts = "cut",
        stride: int = 64,
    ) -> None:
        settings = read_settings(
            url=url, bundle=bundle, timeout=timeout, max_length=max_length, pad_to=pad_to,
            signature=signature, function=function, form=form, headers=headers, token=token,
            ca_certs=ca_certs, client_cert=client_cert, retries=retries, long_texts=long_texts,
            stride=stride,
        )  # fmt: skip
        self._asker = Asker(settings)

    @property
    def timeout(self) -> float:
        """The deadline of one call in seconds, if the call states none of its own."""
        return self._asker.settings.timeout

    def warm(self, *, timeout: float | None = None) -> None:
        """Do all that the first call would have to wait for, by one call.

        It opens a connection, reads the metadata, and has the server compute once. In a Lambda,
        call it where you make the classifier, outside the handler. An instance that is started
        ahead of time then answers its first request as fast as any other.

        `timeout` is that of `classify`, and what `classify` raises is raised here.
        """
        self.classify("warm up", timeout=timeout)

    @overload
    def classify(self, texts: Text, *, timeout: float | None = None) -> Classification: ...
    @overload
    def classify(
        self, texts: list[Text], *, timeout: float | None = None
    ) -> list[Classification]: ...
    @overload
    def classify(
        self, texts: list[str] | list[tuple[str, str]], *, timeout: float | None = None
    ) -> list[Classification]: ...
    def classify(
        self, texts: Text | Texts, *, timeout: float | None = None
    ) -> Classification | list[Classification]:
        """Classify one text, or a list of texts in one request.

        A pair of texts is a tuple. An empty list gives an empty list without a request. A server
        that batches may say that it takes fewer texts in a request; then there are several, all
        inside the deadline of the call.

        Args:
            texts: a text, a pair, or a list of them.
            timeout: the deadline of this call in seconds, shorter or longer than the classifier's
                own, which holds if it is left out.

        Raises:
            InputError: a text, or the timeout, is not what it must be.
            SignatureError: the served model does not fit the bundle or the function.
            BundleError: the bundle that the served model carries is broken.
            TransportError: no answer came; `TimedOut`, `CannotConnect` and others say why.
            ServerError: the server answered with an error; the class says which.
            ReplyError: the answer is not the logits of these texts.
        """
        deadline = self._asker.new_deadline(timeout)
        found = self._asker.classify(check_texts(texts), deadline)
        return found if isinstance(texts, list) else found[0]

    @overload
    def classify_many(
        self, texts: Iterable[Text], *, on_error: Literal["raise"] = "raise",
        missing: Literal["error"] = "error", timeout: float | None = None,
    ) -> Iterator[Classification]: ...  # fmt: skip
    @overload
    def classify_many(
        self, texts: Iterable[Text], *, on_error: Literal["return"],
        missing: Literal["error"] = "error", timeout: float | None = None,
    ) -> Iterator[Classification | LightClientError]: ...  # fmt: skip
    @overload
    def classify_many(
        self, texts: Iterable[Text | None], *, on_error: Literal["raise"] = "raise",
        missing: Literal["none"], timeout: float | None = None,
    ) -> Iterator[Classification | None]: ...  # fmt: skip
    @overload
    def classify_many(
        self, texts: Iterable[Text | None], *, on_error: Literal["return"],
        missing: Literal["none"], timeout: float | None = None,
    ) -> Iterator[Classification | LightClientError | None]: ...  # fmt: skip
    def classify_many(
        self,
        texts: Iterable[Text | None],
        *,
        on_error: OnError = "raise",
        missing: OnMissing = "error",
        timeout: float | None = None,
    ) -> Iterator[Any]:
        """Classify any number of texts, lazily and in order, in as few tokens as can be.

        Texts are read ahead and sorted by length, so the first answers come when 192 texts have
        been read, or all. Equal texts that come close together are asked
        once. A request has 512 tokens at first, padding included, and 4 requests are under way at
        once. Both numbers grow, up to 8,192 and 16, while the server then answers more tokens a
        second, and never so far that a request takes more than half its time. At most 2,048 texts,
        or 2 million characters, are between the reading of a text and its answer. The
        classifier's timeout holds for each request.

        A request is repeated until then if the server is overloaded or away, as when it restarts.
        Fewer requests are under way while it is overloaded, and more again when it is not. If one
        fails all the same, the next ones are repeated only as often as `retries` says, until the
        server answers again. So a server that is gone for good costs the timeout about once.

        Args:
            texts: any iterable, such as a column of a data frame; a pair is a tuple.
            on_error: what happens to a text that fails. "raise": its error is raised after the
                answers of all texts before it. "return": its error takes the place of its answer.
                If a request fails, it is sent again, whole and then in parts, to find the text
                that made it fail. `index` of the error is the text's place.
            missing: what happens to a missing value: None, NaN, pandas.NA, pandas.NaT, a masked
                value of numpy, a null of pyarrow or polars, or a pair with one of these, but not an
                empty text. "error": it fails as what is no text. "none": None takes the place of
                its answer.
            timeout: the seconds for all texts together, from now on. After it, each text that has
                no answer yet fails with `TimedOut`. If it is left out, there is no such bound.

        Raises:
            InputError: an argument, or a text, is not what it must be.
            Whatever `classify` raises.
        """
        return self._asker.stream(self._asker.question, texts, on_error, missing, timeout)

    @overload
    def zero_shot(
        self, texts: str, labels: Sequence[str], *, template: str = TEMPLATE,
        multi_label: bool = False, timeout: float | None = None,
    ) -> Classification: ...  # fmt: skip
    @overload
    def zero_shot(
        self, texts: list[str], labels: Sequence[str], *, template: str = TEMPLATE,
        multi_label: bool = False, timeout: float | None = None,
    ) -> list[Classification]: ...  # fmt: skip
    def zero_shot(
        self,
        texts: str | list[str],
        labels: Sequence[str],
        *,
        template: str = TEMPLATE,
        multi_label: bool = False,
        timeout: float | None = None,
    ) -> Classification | list[Classification]:
        """Classify by labels that the model has never seen, as transformers' pipeline does.

        It needs a model for natural language inference (NLI), which has a label that begins with
        "entail". Each text is sent once for each label, beside the label's hypothesis; requests
        are made as by `classify_many`. A text that is too long is cut, whatever `long_texts` says;
        a hypothesis is not.

        Args:
            texts: a text, or a list of texts. None is empty or a pair.
            labels: one or more that differ, like `["sports", "politics"]`.
            template: the hypothesis, with `{}` in the place of the label.
            multi_label: whether a text may have several labels. If not, the scores sum to 1.
            timeout: the deadline of this call in seconds; the default is the classifier's.

        Returns:
            The labels with their scores, highest first. `logits` has the model's logits for
            entailment, in the order of `labels`.

        Raises:
            InputError: an argument is not what it must be, or a label makes a hypothesis that the
                model has no room for.
            SignatureError: the served model is none for NLI, or its output holds probabilities.
            Whatever `classify` raises.
        """
        deadline = self._asker.new_deadline(timeout)
        question = ZeroShot(labels, template, multi_label)
        found = self._asker.ask(question, check_texts(texts), deadline)
        return found if isinstance(texts, list) else found[0]

    @overload
    def zero_shot_many(
        self, texts: Iterable[str], labels: Sequence[str], *, template: str = TEMPLATE,
        multi_label: bool = False, on_error: Literal["raise"] = "raise",
        missing: Literal["error"] = "error", timeout: float | None = None,
    ) -> Iterator[Classification]: ...  # fmt: skip
    @overload
    def zero_shot_many(
        self, texts: Iterable[str], labels: Sequence[str], *, template: str = TEMPLATE,
        multi_label: bool = False, on_error: Literal["return"],
        missing: Literal["error"] = "error", timeout: float | None = None,
    ) -> Iterator[Classification | LightClientError]: ...  # fmt: skip
    @overload
    def zero_shot_many(
        self, texts: Iterable[str | None], labels: Sequence[str], *, template: str = TEMPLATE,
        multi_label: bool = False, on_error: Literal["raise"] = "raise", missing: Literal["none"],
        timeout: float | None = None,
    ) -> Iterator[Classification | None]: ...  # fmt: skip
    @overload
    def zero_shot_many(
        self, texts: Iterable[str | None], labels: Sequence[str], *, template: str = TEMPLATE,
        multi_label: bool = False, on_error: Literal["return"], missing: Literal["none"],
        timeout: float | None = None,
    ) -> Iterator[Classification | LightClientError | None]: ...  # fmt: skip
    def zero_shot_many(
        self,
        texts: Iterable[str | None],
        labels: Sequence[str],
        *,
        template: str = TEMPLATE,
        multi_label: bool = False,
        on_error: OnError = "raise",
        missing: OnMissing = "error",
        timeout: float | None = None,
    ) -> Iterator[Any]:
        """Ask what `zero_shot` asks about any number of texts, lazily and in order.

        A text is as many rows as there are labels. The rows of all texts share requests as those
        of `classify_many` do, and fewer texts are read ahead.

        Args:
            texts: any iterable, such as a column of a data frame.
            labels, template, multi_label: as for `zero_shot`.
            on_error, missing, timeout: as for `classify_many`.

        Raises:
            InputError: an argument, or a text, is not what it must be.
            Whatever `zero_shot` raises.
        """
        question = ZeroShot(labels, template, multi_label)
        return self._asker.stream(question, texts, on_error, missing, timeout)

    def rank(
        self,
        query: str,
        documents: Iterable[str],
        *,
        top_k: int | None = None,
        timeout: float | None = None,
    ) -> "list[Ranked]":
        """Put documents in the order of how well they fit a query, the best first.

        The model must be a cross-encoder: one with a single label, which reads the query and a
        document as a pair. The scores are those of sentence-transformers' CrossEncoder, up to the
        rounding of float32, and so is the order; documents that tie stay in the order given.
        `function` of the classifier makes the scores. If it is left out, an output whose name says
        that it holds probabilities stays as it is, and any other gets the function that the model's
        configuration states for a CrossEncoder, or else a sigmoid.

        All documents are read before the first request. The pairs go in requests as those of
        `classify_many` do: sorted by length, and several at once. A pair that is too long is cut,
        the longer text first.

        Args:
            query: what is looked for.
            documents: any iterable of texts, such as a column of a data frame.
            top_k: how many to give at most, 1 or more; the default is all.
            timeout: the deadline of the whole call in seconds. If it is left out, it is the
                classifier's own.

        Raises:
            InputError: an argument, or a document, is not what it must be; or `function` is
                softmax, which makes 1 of every score.
            SignatureError: the model has more than one label, or its configuration states a
                function that this client does not have; or as `classify`.
            Whatever else `classify` raises. If there are several documents, `index` of the error is
                the place of the one that failed.
        """
        return self._asker.rank(query, documents, top_k, self._asker.new_deadline(timeout))

    def count_tokens(self, text: Text, *, timeout: float | None = None) -> int:
        """Count the tokens of a text or a pair, special ones included, before any is cut.

        The server is asked only if its model carries the bundle and no call has fetched it yet. A
        text is read to its end: ten megabytes take six seconds and 1.4 GB in tokenizers 0.23.

        Args:
            text: a text or a pair.
            timeout: as for `classify`.

        Raises:
            InputError: the text, or the timeout, is not what it must be.
            Whatever `classify` raises when it asks for the bundle.
        """
        return self._asker.count_tokens(check_one(text), self._asker.new_deadline(timeout))

    def close(self) -> None:
        """Close the idle connections; a later call opens new ones."""
        self._asker.close()

    def __enter__(self) -> "Classifier":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Classifier{self._asker!r}"

    def __getstate__(self) -> Settings:
        return self._asker.settings

    def __setstate__(self, settings: Settings) -> None:
        """Set up from settings.

        Those of a pickled one are the same, whatever the environment says here. Only its secrets
        are fetched anew.
        """
        self._asker = Asker(settings)


@overload
def classify(texts: Text) -> Classification: ...
@overload
def classify(texts: list[Text]) -> list[Classification]: ...
@overload
def classify(texts: list[str] | list[tuple[str, str]]) -> list[Classification]: ...
def classify(texts: Text | Texts) -> Classification | list[Classification]:
    """Classify with the server and bundle that the environment names now, as `Classifier` does.

    The classifier is kept, with its connections, for as long as the environment stays the same.
    """
    return _shared(read_variables()).classify(texts)


@lru_cache(maxsize=1)
def _shared(variables: tuple[str | None, ...]) -> Classifier:
    return Classifier()
