"""Columns of tables: their texts, what is missing in them, and whole tables, which are refused.

The libraries themselves are tried in tests/engines; numpy is a requirement, so it is tried here.
"""

from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lightclient import Classification, Classifier, InputError, LightClientError
from lightclient.standin import StandIn
from lightclient.texts import Missing, read_value
from tests.test_stream import Model, assert_right, logits_of

NOWHERE = "http://127.0.0.1:1/v1/models/m"


class Scalar:
    """What is asked of a scalar of pyarrow."""

    def __init__(self, value: object) -> None:
        self._value = value

    def as_py(self) -> object:
        if isinstance(self._value, Exception):
            raise self._value
        return self._value


class NAType:
    """As pandas.NA: it has no truth, nor has any comparison with it."""

    def __eq__(self, other: object) -> Any:
        return self

    __ne__ = __eq__
    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        raise TypeError("boolean value of NA is ambiguous")


class NaTType:
    """As pandas.NaT."""


NAN = float("nan")
MISSING = [
    *(None, NAN, np.float64("nan"), NAType(), NaTType(), np.ma.masked, Scalar(None), Scalar(NAN)),
    *(("a", None), (NAN, "a"), (Scalar("a"), Scalar(None))),
]
PRESENT = ["", "nan", "None", "NA", np.str_("a"), ("", ""), Scalar("a"), Scalar("")]


@pytest.fixture
def classifier() -> Iterator[Classifier]:
    with StandIn(Model()) as url, Classifier(url) as classifier:
        yield classifier


@pytest.mark.parametrize("value", MISSING, ids=lambda value: type(value).__name__)
def test_what_is_missing(value: object) -> None:
    assert isinstance(read_value(value, "text", may_be_missing=True), Missing)
    values: Any = [value]
    [error] = Classifier(NOWHERE).classify_many(values, on_error="return")
    assert isinstance(error, InputError)
    assert str(error).startswith("texts[0] is a ")
    assert "missing value" in str(error)
    assert 'missing="none"' in str(error)


def test_an_empty_text_is_not_missing_nor_is_a_word_for_it() -> None:
    texts = [read_value(value, "text") for value in PRESENT]
    assert texts == ["", "nan", "None", "NA", "a", "", "a", ""]
    assert read_value((Scalar("a"), Scalar("b")), "text") == ("a", "b")


@pytest.mark.parametrize("value", [0.0, np.array(["a"]), ("a", "b", None), Scalar(1), b"a", [NAN]])
def test_what_is_no_text_is_not_missing_either(value: object) -> None:
    with pytest.raises(InputError, match="text must be a str or a pair"):
        read_value(value, "text", may_be_missing=True)


def test_a_scalar_that_cannot_be_read_is_an_error_in_its_place() -> None:
    broken = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
    values: Any = [Scalar(None), Scalar(broken), None]
    first, second, third = Classifier(NOWHERE).classify_many(
        values, on_error="return", missing="none"
    )
    assert (first, third) == (None, None)
    assert isinstance(second, InputError)
    assert second.index == 1
    assert "texts[1] is a Scalar that cannot be read (UnicodeDecodeError)" in str(second)


def test_the_message_does_not_hold_the_other_text_of_a_pair() -> None:
    pairs: Any = [("private", None)]
    [error] = Classifier(NOWHERE).classify_many(pairs, on_error="return")
    assert "texts[0] is a pair with a missing value" in str(error)
    assert "private" not in str(error)


@pytest.mark.parametrize("iterable", [list, iter, np.array, np.ma.array])
def test_none_stands_in_the_place_of_each_missing_value(
    classifier: Classifier, iterable: Callable[[Any], Any]
) -> None:
    texts = [None if at % 3 == 1 or 300 < at < 900 else f"text {at}" for at in range(1500)]
    answers = list(classifier.classify_many(iterable(texts), missing="none"))
    assert [at for at, answer in enumerate(answers) if answer is None] == [
        at for at, text in enumerate(texts) if text is None
    ]
    assert_right([answer for answer in answers if answer], [text for text in texts if text])


@pytest.mark.parametrize(
    "column",
    [
        np.array(["a gem", "nan", ""]),
        np.array(["a gem", None, NAN], dtype=object),
        np.ma.array(["a gem", "a mess", "x"], mask=[False, True, False]),
        np.ma.array(["a gem", None, "x"], mask=[False, True, True], dtype=object),
    ],
    ids=["str", "object", "masked", "masked object"],
)
def test_columns_of_numpy(classifier: Classifier, column: Any) -> None:
    texts = [None if value is np.ma.masked or value != value else value for value in column]
    answers = list(classifier.classify_many(column, missing="none"))
    for text, answer in zip(texts, answers, strict=True):
        assert (answer and answer.logits) == (None if text is None else logits_of(text))


def test_both_choices_go_together(classifier: Classifier) -> None:
    texts = ["a", None, "\ud800", None, "b"]
    a, none, error, none_too, b = classifier.classify_many(texts, on_error="return", missing="none")
    assert_right([a, b], ["a", "b"])
    assert (none, none_too) == (None, None)
    assert isinstance(error, InputError)
    assert error.index == 2
    some: list[Classification | None] = []
    with pytest.raises(InputError, match=r"texts\[2\] has a lone surrogate") as caught:
        some.extend(classifier.classify_many(texts, missing="none"))
    assert caught.value.index == 2
    assert some[1] is None
    stream: Iterator[Classification | LightClientError] = classifier.classify_many(
        texts,  # type: ignore[call-overload]
        on_error="return",
    )
    assert [type(answer) for answer in stream] == [
        *(Classification, InputError, InputError, InputError, Classification)
    ]


def test_by_default_it_is_an_error_after_the_answers_before_it(classifier: Classifier) -> None:
    answers: list[Classification] = []
    texts: Any = iter(["a"] * 70 + [None, "b"])
    with pytest.raises(InputError, match=r"texts\[70\] is a missing value \(None\)") as caught:
        answers.extend(classifier.classify_many(texts))
    assert caught.value.index == 70
    assert_right(answers, ["a"] * 70)


def test_an_endless_column_is_read_lazily_and_one_without_texts_asks_no_server() -> None:
    def endless() -> Iterator[None]:
        while True:
            yield None

    answers = Classifier(NOWHERE).classify_many(endless(), missing="none")
    assert [next(answers) for _ in range(5000)] == [None] * 5000


def test_another_word_for_missing_is_refused() -> None:
    with pytest.raises(InputError, match="missing must be one of error, none, not 'skip'"):
        Classifier(NOWHERE).classify_many(["a"], missing="skip")  # type: ignore[call-overload]


class Frame:
    """What pandas and polars have in common: to iterate a frame gives its columns' names."""

    def __init__(self, names: list[str]) -> None:
        self._names = names

    @property
    def columns(self) -> Any:
        return np.array(self._names, dtype=object)  # as the index of pandas, it has no truth

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)


class Table:
    """As pyarrow's, which cannot be iterated, and whose `columns` are not names."""

    column_names: list[str] | None = ["id", "text"]  # noqa: RUF012
    columns = (object(),)


class Stream(Table):
    """As a streamed dataset, which does not know its columns."""

    column_names = None


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (Frame(["id", "text"]), "not a whole Frame with the columns 'id', 'text': "),
        (Frame([]), "not a whole Frame: "),
        (Table(), "not a whole Table with the columns 'id', 'text': "),
        (Stream(), "not a whole Stream: "),
        ({"id": [1], "text": ["a"]}, "not a whole dict: "),
    ],
)
def test_a_whole_table_is_refused(table: Any, told: str) -> None:
    classifier = Classifier(NOWHERE)
    labels = ["a", "b"]
    takes: list[tuple[Callable[[Any], object], str]] = [
        (classifier.classify, "texts must be .*, to classify_many or zero_shot_many$"),
        (classifier.classify_many, "texts must be .*, to classify_many or zero_shot_many$"),
        (partial(classifier.zero_shot, labels=labels), "texts .*, to .* or zero_shot_many$"),
        (partial(classifier.zero_shot_many, labels=labels), "texts .*, to .* or zero_shot_many$"),
        (partial(classifier.rank, "query"), "documents must be .*, to rank$"),
    ]
    for take, words in takes:
        with pytest.raises(InputError, match=words) as caught:
            take(table)
        assert told + 'pass one column, like table["text"]' in str(caught.value)


def test_keys_that_may_be_texts_are_not_told() -> None:
    for mapping in ({"private": 1, "more": "words"}, {"private": ["a"]}, {}):
        with pytest.raises(InputError, match="not a whole dict: ") as caught:
            Classifier(NOWHERE).classify_many(mapping)
        assert "or what it holds, table.values(), to classify_many" in str(caught.value)
        assert "private" not in str(caught.value)


def test_the_message_about_a_wide_table_is_short() -> None:
    frame = Frame([f"column {at} " * 50 for at in range(10_000)])
    with pytest.raises(InputError, match="and 9,995 more: ") as caught:
        Classifier(NOWHERE).classify_many(frame)
    assert len(str(caught.value)) < 500


def test_an_array_of_no_dimension_is_no_column() -> None:
    with pytest.raises(InputError, match="must be an iterable of texts, not ndarray"):
        Classifier(NOWHERE).classify_many(np.array("a"))


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.longdouble])
def test_a_nan_of_any_kind_is_missing(kind: Any) -> None:
    assert isinstance(read_value(kind("nan"), "texts[0]", may_be_missing=True), Missing)
    assert isinstance(
        read_value(np.datetime64("NaT", "s"), "texts[0]", may_be_missing=True), Missing
    )


class Unreadable:
    def as_py(self) -> str:
        raise OverflowError("private")


def test_a_value_that_cannot_be_read_is_an_error_of_ours() -> None:
    with pytest.raises(
        InputError, match=r"a Unreadable that cannot be read \(OverflowError\)"
    ) as it:
        read_value(Unreadable(), "texts[0]")
    assert "private" not in str(it.value)
    assert it.value.__cause__ is None


@pytest.mark.parametrize("column", [np.array(["a"]), iter(["a"]), {"a"}])
def test_classify_names_the_method_for_columns(column: Any) -> None:
    with pytest.raises(InputError, match="classify_many takes any iterable of texts"):
        Classifier(NOWHERE).classify(column)


def test_a_column_may_have_a_value_that_is_called_columns(classifier: Classifier) -> None:
    """A pandas Series has the labels of its index as attributes, the class has not."""

    class Series(SimpleNamespace):
        def __iter__(self) -> Iterator[str]:
            return iter(["a"])

    assert_right(list(classifier.classify_many(Series(columns="a"))), ["a"])
