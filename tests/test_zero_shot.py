"""Zero-shot: labels that the model has never seen, over real sockets and real tokenizers.

The reference below is written as transformers' pipeline computes it. `heavy/test_zero_shot.py` asks
that pipeline itself.
"""

import asyncio
import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightclient import (
    AsyncClassifier,
    BadRequest,
    Bundle,
    Classification,
    Classifier,
    InputError,
    Signature,
    SignatureError,
    TimedOut,
)
from lightclient.model.encoding import encode, tokenize
from lightclient.questions.zero_shot import TEMPLATE, ZeroShot
from lightclient.serving.plan import make_plan
from lightclient.standin import ServedModel, SignatureDef, StandIn, TensorSpec
from tests.scripted import read_request, serving
from tests.test_aio import Silent, run, threads, until
from tests.test_carried import Changing, model_folder, served

Arrays = dict[str, Any]
NLI = ["contradiction", "neutral", "entailment"]
TEXTS = [f"The {word} train is number {at}." for at in range(20) for word in ("late", "new")]
LABELS = ["travel", "sports", "food and drink", "politics"]
NOWHERE = "http://127.0.0.1:1/v1/models/m"


def some_logits(ids: list[int], labels: int = 3) -> list[float]:
    """Logits that depend on all ids of a row and their order."""
    drawn: list[float] = np.random.default_rng(ids).normal(scale=2, size=labels).tolist()
    return drawn


class Model:
    """Answers by the ids of each row alone. `requests`: the rows of each request."""

    def __init__(self, logits: Callable[[list[int]], list[float]] = some_logits) -> None:
        self.requests: list[list[list[int]]] = []
        self._logits = logits

    def __call__(self, inputs: Arrays) -> Arrays:
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        rows = [row[shown == 1].tolist() for row, shown in zip(ids, mask, strict=True)]
        self.requests.append(rows)
        return {"logits": np.array([self._logits(row) for row in rows], np.float32)}

    @property
    def rows(self) -> list[list[int]]:
        return [row for request in self.requests for row in request]


@pytest.fixture(scope="module")
def nli(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model for NLI, whose tokenizer knows no type ids."""
    return model_folder(tmp_path_factory.mktemp("models") / "nli", NLI, "distilbert")


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def classifier(nli: Path, model: Model) -> Iterator[Classifier]:
    with StandIn(served(nli, model)) as url, Classifier(url) as classifier:
        yield classifier


def pairs_of(text: str, labels: list[str], template: str = "This example is {}.") -> list[Any]:
    return [(text, template.replace("{}", label)) for label in labels]


def reference(
    logits: Any, labels: list[str], model_labels: list[str], multi_label: bool = False
) -> list[tuple[str, float]]:
    """What the pipeline makes of the logits for the pairs of one text."""
    table = np.array(logits, np.float32)
    entailment = next(
        at for at, name in enumerate(model_labels) if name.lower().startswith("entail")
    )
    contradiction = -1 if entailment == 0 else 0
    if multi_label or len(labels) == 1:
        powers = np.exp(table[:, [contradiction, entailment]])
        scores = (powers / powers.sum(-1, keepdims=True))[:, 1]
    else:
        powers = np.exp(table[:, entailment])
        scores = powers / powers.sum(-1, keepdims=True)
    return [(labels[at], float(scores[at])) for at in reversed(scores.argsort())]


def assert_scores(answer: Any, expected: list[tuple[str, float]]) -> None:
    assert [label for label, _ in answer.scores] == [label for label, _ in expected]
    assert [score for _, score in answer.scores] == pytest.approx(
        [score for _, score in expected], rel=1e-6
    )
    assert (answer.label, answer.score) == answer.scores[0]


def assert_right(answer: Any, text: str, bundle: Bundle, labels: list[str] = LABELS) -> None:
    """Check an answer against the reference on the logits of the whole pairs."""
    rows = encode(pairs_of(text, labels), bundle).input_ids
    logits = [some_logits(row, len(bundle.labels)) for row in rows]
    assert_scores(answer, reference(logits, labels, list(bundle.labels)))


@pytest.mark.parametrize(
    "names",
    [
        NLI,
        ["entailment", "neutral", "contradiction"],
        ["Contradiction", "ENTAILS", "Neutral"],
        ["not_entailment", "entailment"],
        ["entailment", "not_entailment"],
        ["refuted", "entailed", "entailment", "unknown"],
    ],
)
def test_scores_and_order_are_those_of_the_pipeline(names: list[str], tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "m", names, "distilbert")
    bundle, model = Bundle.load(folder), Model(lambda ids: some_logits(ids, len(names)))
    entailment = next(at for at, name in enumerate(names) if name.lower().startswith("entail"))
    with StandIn(served(folder, model)) as url, Classifier(url) as classifier:
        for count in (1, 2, 5, 40):
            labels = [f"number {at}" for at in range(count)]
            rows = encode(pairs_of(TEXTS[0], labels, "It is about {}!"), bundle).input_ids
            logits = np.array([some_logits(row, len(names)) for row in rows], np.float32)
            for multi_label in (False, True):
                model.requests.clear()
                answer = classifier.zero_shot(
                    TEXTS[0], labels, template="It is about {}!", multi_label=multi_label
                )
                assert_scores(answer, reference(logits, labels, names, multi_label))
                assert answer.logits == tuple(logits[:, entailment].tolist())
                assert (answer.truncated, answer.windows) == (False, 1)
                assert sorted(model.rows) == sorted(rows)


def test_one_text_and_a_list_and_a_stream_get_the_same(classifier: Classifier, nli: Path) -> None:
    bundle = Bundle.load(nli)
    alone = [classifier.zero_shot(text, LABELS) for text in TEXTS]
    for answer, text in zip(alone, TEXTS, strict=True):
        assert isinstance(answer, Classification)
        assert_right(answer, text, bundle)
    assert classifier.zero_shot(TEXTS, tuple(LABELS)) == alone
    assert list(classifier.zero_shot_many(iter(TEXTS), LABELS)) == alone
    assert classifier.zero_shot([], LABELS) == []
    assert list(classifier.zero_shot_many([], LABELS)) == []


@pytest.mark.parametrize("multi_label", [False, True])
def test_equal_scores_are_in_the_pipeline_s_order(nli: Path, multi_label: bool) -> None:
    labels = list("abcdefghijkl")
    constant = Model(lambda ids: [0.5, 0.0, 1.5])
    with StandIn(served(nli, constant)) as url, Classifier(url) as classifier:
        answer = classifier.zero_shot("a text", labels, multi_label=multi_label)
    assert_scores(answer, reference([[0.5, 0, 1.5]] * 12, labels, NLI, multi_label))
    assert [label for label, _ in answer.scores] == labels[::-1]


def test_large_logits_do_not_overflow(nli: Path) -> None:
    large = Model(lambda ids: [-3e38, 0.0, 3e38 if sum(ids) % 2 else -3e38])
    with StandIn(served(nli, large)) as url, Classifier(url) as classifier:
        for multi_label in (False, True):
            answer = classifier.zero_shot("a text", LABELS, multi_label=multi_label)
            assert all(0 <= score <= 1 for _, score in answer.scores)


@pytest.mark.parametrize(
    ("template", "hypothesis"),
    [
        ("{}", "{a} ünd 中"),
        ("{0}, {0}", "{a} ünd 中, {a} ünd 中"),
        ("{{}} is {}", "{} is {a} ünd 中"),
    ],
)
def test_a_template_is_formatted_once(
    template: str, hypothesis: str, classifier: Classifier, model: Model, nli: Path
) -> None:
    classifier.zero_shot("a text", ["{a} ünd 中"], template=template)
    assert model.rows == encode([("a text", hypothesis)], Bundle.load(nli)).input_ids


class OwnStr(str):
    """A str that is equal to nothing."""

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return False


SECRET = "My name is Jane Doe."


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"labels": SECRET}, "labels must be a list of str, .* not str"),
        ({"labels": b"a"}, "labels must be a list of str, .* not bytes"),
        ({"labels": None}, "not NoneType"),
        ({"labels": {"a", "b"}}, "not set"),
        ({"labels": np.array(["a", "b"])}, "not ndarray"),
        ({"labels": []}, "one or more labels, and this list is empty"),
        ({"labels": ["a", SECRET, SECRET]}, r"labels\[2\] is equal to labels\[1\]"),
        ({"labels": [OwnStr("a"), OwnStr("a")]}, r"labels\[1\] is equal to labels\[0\]"),
        ({"labels": ["a", None]}, r"labels\[1\] must be a str, not NoneType"),
        ({"labels": ["a", (SECRET, SECRET)]}, r"labels\[1\] must be a str, not tuple"),
        ({"labels": ["a", ""]}, r"labels\[1\] must not be empty"),
        ({"labels": ["\ud800"]}, r"labels\[0\] has a lone surrogate"),
        ({"template": "no place"}, "template must be a str with {} in the place of the label"),
        ({"template": "{label}"}, "template must be"),
        ({"template": "{} {}"}, "template must be"),
        ({"template": "{"}, "template must be"),
        ({"template": "{:d}"}, "template must be"),
        ({"template": "{[x]}"}, "template must be"),
        ({"template": "{.x}"}, "template must be"),
        ({"template": "{{}}"}, "template must be"),
        ({"template": f"{{:>{2**62}}}"}, "template must be"),  # no memory has room for it
        ({"template": None}, "not None"),
        ({"template": "\ud800 {}"}, "template has a lone surrogate"),
        ({"multi_label": "no"}, "multi_label must be True or False, not 'no'"),
        ({"timeout": 0}, "timeout must be"),
    ],
)
def test_what_is_no_argument_is_refused_before_a_request(
    arguments: dict[str, Any], words: str
) -> None:
    given = {"labels": LABELS, **arguments}
    for ask in (Classifier(NOWHERE).zero_shot, Classifier(NOWHERE).zero_shot_many):
        with pytest.raises(InputError, match=words) as caught:
            ask(["a text"], **given)
        assert SECRET not in str(caught.value)


def test_what_are_no_texts_is_refused_before_a_request() -> None:
    nowhere = Classifier(NOWHERE)
    for texts in ("a text", b"a", 3, None):
        with pytest.raises(InputError, match=r"texts must be an iterable .* and zero_shot"):
            nowhere.zero_shot_many(texts, LABELS)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="and so does zero_shot_many"):
        nowhere.zero_shot(iter("a"), LABELS)  # type: ignore[call-overload]
    with pytest.raises(InputError, match=r"texts\[1\] must be a str .* not int"):
        nowhere.zero_shot(["a", 3], LABELS)  # type: ignore[list-item]


NOT_NLI = "needs a model for natural language inference"


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["NEGATIVE", "POSITIVE"], f"{NOT_NLI}.* 'm' has 'NEGATIVE', 'POSITIVE'\\. Serve such"),
        ([f"L{at}" for at in range(9)], "has 'L0', 'L1', 'L2', 'L3', 'L4' and 4 more"),
        (["not_entailment", "other"], NOT_NLI),
        (["entailment"], "two or more labels"),
    ],
)
def test_a_model_that_is_none_for_nli(names: list[str], words: str, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "m", names, "distilbert")
    model = Model(lambda ids: some_logits(ids, len(names)))
    with StandIn({"m": served(folder, model)}) as url, Classifier(url) as classifier:
        for ask in (classifier.zero_shot, lambda *given: next(classifier.zero_shot_many(*given))):
            with pytest.raises(SignatureError, match=words):
                ask(["a text"], LABELS)
        found = list(classifier.zero_shot_many(TEXTS[:3], LABELS, on_error="return"))
    assert [(type(error), error.index) for error in found] == [  # type: ignore[union-attr]
        (SignatureError, at) for at in range(3)
    ]


def giving(output: str, folder: Path) -> ServedModel:
    """A model whose output has this name, and holds probabilities."""
    free = (None, None)
    ids = TensorSpec("int32", free)

    def run(inputs: Arrays) -> Arrays:
        return {output: np.array([[0.25, 0.25, 0.5]] * len(inputs["input_ids"]), np.float32)}

    signature = SignatureDef(
        run, {"input_ids": ids, "attention_mask": ids}, {output: TensorSpec("float32", free)}
    )
    return ServedModel({1: {"serving_default": signature}}).with_bundle(folder)


def test_probabilities_are_not_taken_for_logits(nli: Path) -> None:
    words = "needs the model's logits, not the probabilities"
    with StandIn(giving("probabilities", nli)) as url:
        with pytest.raises(SignatureError, match=words):
            Classifier(url).zero_shot("a text", LABELS)
        # Somebody who says so knows better than the name.
        assert Classifier(url, function="softmax").zero_shot("a text", LABELS).score == 0.25
    with StandIn(giving("logits", nli)) as url:
        with pytest.raises(SignatureError, match="as probabilities do"):
            Classifier(url).zero_shot("a text", LABELS)
        with pytest.raises(SignatureError, match=words):
            Classifier(url, function="none").zero_shot("a text", LABELS)


def test_the_problem_type_does_not_matter(tmp_path: Path) -> None:
    """As in the pipeline, which looks at the logits alone."""
    found = []
    for kind in ("regression", "multi_label_classification", None):
        folder = model_folder(tmp_path / f"{kind}", NLI, "distilbert")
        config = (folder / "config.json").read_text()
        if kind:
            config = config.replace("{", f'{{"problem_type": "{kind}", ', 1)
        (folder / "config.json").write_text(config)
        with StandIn(served(folder, Model())) as url, Classifier(url) as classifier:
            found.append(classifier.zero_shot("a text", LABELS))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (("a", "pair"), "a text for zero-shot must be a str, not a pair"),
        ("", "a text for zero-shot must not be empty"),
        ("\ud800", "a lone surrogate"),
        (None, "a missing value"),
    ],
)
def test_a_text_that_is_none_is_named_by_its_place(
    text: Any, words: str, classifier: Classifier, nli: Path
) -> None:
    texts = [*TEXTS[:30], text, *TEXTS[30:]]
    answers = list(classifier.zero_shot_many(texts, LABELS, on_error="return"))
    error = answers.pop(30)
    assert isinstance(error, InputError)
    assert error.index == 30
    assert str(error).startswith("texts[30]")
    assert words in str(error)
    for answer, own in zip(answers, TEXTS, strict=True):
        assert_right(answer, own, Bundle.load(nli))
    stream = classifier.zero_shot_many(texts, LABELS)
    assert [next(stream) for _ in range(30)] == answers[:30]
    with pytest.raises(InputError, match=r"^texts\[30\]"):
        next(stream)
    with pytest.raises(InputError, match=r"^texts\[1\]"):
        classifier.zero_shot(["a text", text], LABELS)


def test_a_missing_value_may_have_none_in_its_place(classifier: Classifier) -> None:
    found = list(classifier.zero_shot_many(["a", None, "b"], LABELS, missing="none"))
    assert found[1] is None
    assert [found[0], found[2]] == classifier.zero_shot(["a", "b"], LABELS)


def test_a_text_that_the_server_refuses_leaves_the_others(nli: Path) -> None:
    """Its rows stand in one request with those of others."""
    bundle = Bundle.load(nli)
    [poison] = bundle.loaded.tokenizer.bare_ids("7")

    def logits(ids: list[int]) -> list[float]:
        if poison in ids:
            raise ValueError("this text breaks the model")
        return some_logits(ids)

    texts = [text for text in TEXTS if "7" not in text]
    texts.insert(5, "the 7 text")
    with StandIn(served(nli, Model(logits))) as url, Classifier(url) as classifier:
        found = list(classifier.zero_shot_many(texts, LABELS, on_error="return"))
        with pytest.raises(BadRequest, match=r"^texts\[5\]: "):
            classifier.zero_shot(texts, LABELS)
    error = found.pop(5)
    assert isinstance(error, BadRequest)
    assert (error.index, str(error)[:8]) == (5, "texts[5]")
    for answer, text in zip(found, texts[:5] + texts[6:], strict=True):
        assert_right(answer, text, bundle)


def test_a_hypothesis_that_is_too_long_is_named(nli: Path, model: Model) -> None:
    labels = ["short", "long " * 40]
    with StandIn(served(nli, model)) as url, Classifier(url, max_length=30) as classifier:
        words = r"^texts\[1\]: labels\[1\] makes too long a hypothesis: .* a limit of 30 has room"
        found = list(classifier.zero_shot_many(["a"] * 2, labels, on_error="return"))
        assert isinstance(found[1], InputError)
        with pytest.raises(InputError, match=words):
            raise found[1]
    assert model.rows == []


def test_only_the_text_is_cut(nli: Path, model: Model) -> None:
    bundle = Bundle.load(nli)
    text, labels = "one two three " * 50, ["short", "a much longer label than that"]
    with StandIn(served(nli, model)) as url, Classifier(url, max_length=40) as classifier:
        long, short = classifier.zero_shot([text, "one two"], labels)
        assert list(classifier.zero_shot_many([text], labels)) == [long]
    assert (long.truncated, short.truncated) == (True, False)
    own, (first, *_, last) = bundle.loaded.tokenizer.bare_ids(text), encode(["a"], bundle)[0][0]
    for label in labels:
        hypothesis = bundle.loaded.tokenizer.bare_ids(f"This example is {label}.")
        room = 40 - len(hypothesis) - 3
        assert [first, *own[:room], last, *hypothesis, last] in model.rows


@pytest.mark.parametrize("words", [60, 3_000, 30_000])
def test_a_long_text_has_the_tokens_that_it_has_in_each_pair(words: int, nli: Path) -> None:
    """It is cut to a piece once, before it comes in many pairs."""
    text = "".join(f"the {at} train " for at in range(words // 3))
    plan = make_plan(Signature(), Bundle.load(nli), max_length=40)
    [rows] = ZeroShot(LABELS, TEMPLATE, False).rows([text], plan)
    whole = tokenize(pairs_of(text, LABELS), plan.bundle, 40, first_only=True)
    assert rows == whole
    assert len(plan.shorten(text)) < 1000


def test_a_text_and_its_labels_share_a_request(classifier: Classifier, model: Model) -> None:
    classifier.zero_shot("a text", [f"label {at}" for at in range(8)])
    assert [len(rows) for rows in model.requests] == [8]


def test_the_rows_of_all_texts_share_requests(
    classifier: Classifier, model: Model, nli: Path
) -> None:
    """As many as those of the pairs themselves, when classify_many asks for them."""
    pairs = [pair for text in TEXTS for pair in pairs_of(text, LABELS)]
    list(classifier.zero_shot_many(TEXTS, LABELS))
    assert sorted(model.rows) == sorted(encode(pairs, Bundle.load(nli)).input_ids)
    requests, model.requests = model.requests, []
    list(classifier.classify_many(pairs))
    assert len(requests) <= len(model.requests) + 3  # its first chunks are smaller
    assert len(requests) < len(TEXTS) / 2


def test_equal_texts_are_asked_once(classifier: Classifier, model: Model) -> None:
    answers = classifier.zero_shot([TEXTS[0], TEXTS[1], TEXTS[0]], LABELS)
    assert answers[0] == answers[2] != answers[1]
    assert len(model.rows) == 2 * len(LABELS)


def test_with_thousands_of_labels_few_texts_are_read_ahead(
    classifier: Classifier, model: Model, nli: Path
) -> None:
    labels, read = [f"label {at}" for at in range(2000)], []

    def texts() -> Iterator[str]:
        for text in TEXTS[:4]:
            read.append(text)
            yield text

    answers = classifier.zero_shot_many(texts(), labels)
    assert_right(next(answers), TEXTS[0], Bundle.load(nli), labels)
    assert len(read) == 2
    assert_right(next(answers), TEXTS[1], Bundle.load(nli), labels)


def silent(connection: Any) -> None:
    read_request(connection)
    read_request(connection)  # until the client closes


def test_the_timeout_holds_for_all_requests_together(nli: Path) -> None:
    stated = {"signature": Signature(), "bundle": Bundle.load(nli)}
    with serving(silent) as server:
        classifier = Classifier(server.url, **stated)  # type: ignore[arg-type]
        with pytest.raises(TimedOut) as caught:
            classifier.zero_shot(TEXTS, LABELS, timeout=0.2)
        assert caught.value.timeout == 0.2
        found = list(classifier.zero_shot_many(TEXTS, LABELS, timeout=0.2, on_error="return"))
        assert [type(error) for error in found] == [TimedOut] * len(TEXTS)

        labels = [f"label {at}" for at in range(1200)]  # of a million tokens
        with pytest.raises(TimedOut, match=r"^tokenizing alone took longer"):
            classifier.zero_shot("the late train " * 300, labels, timeout=0.02)

    def slow(ids: list[int]) -> list[float]:
        time.sleep(0.001)  # so that a request takes far less than the timeout, and all take more
        return some_logits(ids)

    with StandIn(served(nli, Model(slow))) as url, pytest.raises(TimedOut):
        Classifier(url).zero_shot(TEXTS, [f"label {at}" for at in range(200)], timeout=0.5)


@pytest.mark.parametrize("answered", [1, 3])
def test_a_new_version_between_the_rows_of_a_text(answered: int, tmp_path: Path) -> None:
    """All rows of a text are asked again, so that none of its scores is of another version."""
    folders = [
        model_folder(tmp_path / "one", NLI, "distilbert"),
        model_folder(tmp_path / "two", ["entailment", "new", "neutral", "other"], "roberta"),
    ]
    bundles = [Bundle.load(folder) for folder in folders]
    old, new = Model(), Model(lambda ids: some_logits(ids, 4))
    # More requests than are under way at once, so that the new version answers some of them.
    labels = [f"{'long ' * (at % 7)}label {at}" for at in range(300)]
    both = map(served, folders, (old, new))
    repository = Changing(*both, turn=lambda _: int(len(old.requests) >= answered))
    with StandIn(repository) as url, Classifier(url) as classifier:
        found = list(classifier.zero_shot_many(TEXTS[:3], labels))
    for answer, text in zip(found, TEXTS, strict=False):
        assert_right(answer, text, bundles[1], labels)
    by_old = encode(pairs_of(TEXTS[0], labels), bundles[0]).input_ids
    assert any(row in old.rows for row in by_old)


def test_the_async_twins_take_the_same() -> None:
    for name in ("zero_shot", "zero_shot_many"):
        own, other = (inspect.signature(getattr(c, name)) for c in (AsyncClassifier, Classifier))
        assert [(p.name, p.default, p.kind) for p in own.parameters.values()] == [
            (p.name, p.default, p.kind) for p in other.parameters.values()
        ]


def test_the_async_twins_answer_the_same(classifier: Classifier, nli: Path) -> None:
    url = str(classifier._asker.predictor.address)
    expected = classifier.zero_shot(TEXTS, LABELS)

    async def texts() -> Any:
        for text in TEXTS:
            yield text

    async def work() -> None:
        async with AsyncClassifier(url) as twin:
            assert await twin.zero_shot(TEXTS, LABELS) == expected
            assert await twin.zero_shot(TEXTS[0], LABELS) == expected[0]
            assert await twin.zero_shot([], LABELS) == []
            for given in (TEXTS, texts()):
                found = [answer async for answer in twin.zero_shot_many(given, LABELS)]
                assert found == expected
            both = await asyncio.gather(*(twin.zero_shot(text, LABELS) for text in TEXTS))
            assert list(both) == expected
            with pytest.raises(InputError, match="labels must be a list"):
                await twin.zero_shot("a text", "a label")
            with pytest.raises(InputError, match="template must be"):
                twin.zero_shot_many(TEXTS, LABELS, template="")
            mixed: Any = ["a", ("a", "b"), None]
            some = twin.zero_shot_many(mixed, LABELS, on_error="return", missing="none")
            kinds = [type(answer) async for answer in some]
            assert kinds == [Classification, InputError, type(None)]

    run(work())


@pytest.mark.parametrize("many", [False, True])
def test_a_cancelled_task_ends_its_exchange(many: bool, nli: Path) -> None:
    """The server never answers and the timeout is an hour, so that nothing else could end it."""
    server = Silent()

    async def ask(twin: AsyncClassifier) -> None:
        if not many:
            await twin.zero_shot(TEXTS, LABELS)
        async with aclosing(twin.zero_shot_many(TEXTS, LABELS)) as answers:
            async for _ in answers:
                pass

    async def work() -> None:
        with server.classifier(bundle=nli) as twin:
            task = asyncio.create_task(ask(twin))
            await until(lambda: bool(server.open))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(lambda: not server.open)
            await twin.aclose()
            await until(lambda: not threads())

    run(work())
