"""Columns of the real pandas, polars, pyarrow and datasets, and the README's recipes for them."""

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from lightclient import Classifier, InputError
from lightclient.standin import StandIn
from lightclient.standin.demo import load_demo_model
from tests.engines.jobs import PAGE
from tests.pages import README

pytestmark = [pytest.mark.engines, pytest.mark.filterwarnings("ignore")]
TEXTS = ["a gem", None, "a mess", "", "nan"]
LABELS = ["POSITIVE", None, "NEGATIVE"]


def library(name: str) -> Any:
    return pytest.importorskip(name, reason=f"{name} is not installed: pip install '.[engines]'")


@pytest.fixture(scope="module")
def classifier() -> Iterator[Classifier]:
    with StandIn(load_demo_model()) as url, Classifier(url) as classifier:
        yield classifier


def pandas_column(dtype: Any) -> Any:
    if dtype == "arrow":
        dtype = library("pandas").ArrowDtype(library("pyarrow").string())
    return library("pandas").Series(TEXTS, dtype=dtype, index=list("edcba"))


def pandas_missing() -> Any:
    pandas = library("pandas")
    values = ["a gem", pandas.NA, "a mess", pandas.NaT, np.nan, None]
    return pandas.Series(values, dtype=object)


def chunked() -> Any:
    return library("pyarrow").chunked_array([TEXTS[:2], TEXTS[2:]])


def dataset() -> Any:
    return library("datasets").Dataset.from_dict({"text": TEXTS})


COLUMNS: dict[str, Callable[[], Any]] = {
    "pandas": lambda: pandas_column(None),
    "pandas object": lambda: pandas_column(object),
    "pandas string": lambda: pandas_column("string"),
    "pandas arrow": lambda: pandas_column("arrow"),
    "pandas category": lambda: pandas_column("category"),
    "pandas, all that is missing": pandas_missing,
    "polars": lambda: library("polars").Series(TEXTS),
    "polars categorical": lambda: library("polars").Series(TEXTS).cast(
        library("polars").Categorical
    ),
    "pyarrow": lambda: library("pyarrow").array(TEXTS),
    "pyarrow large": lambda: library("pyarrow").array(TEXTS, library("pyarrow").large_string()),
    "pyarrow dictionary": lambda: library("pyarrow").array(TEXTS).dictionary_encode(),
    "pyarrow chunked": chunked,
    "numpy masked": lambda: np.ma.array(["a gem", "x", "a mess"], mask=[0, 1, 0]),
    "datasets": lambda: dataset()["text"],
    "datasets streamed": lambda: dataset().to_iterable_dataset()["text"],
}  # fmt: skip


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column(name: str, classifier: Classifier) -> None:
    column = COLUMNS[name]()
    answers = list(classifier.classify_many(column, missing="none"))
    assert [answer and answer.label for answer in answers][:3] == LABELS
    if "all that is missing" in name:
        assert answers[3:] == [None] * 3
    else:
        assert all(answers[3:])
    with pytest.raises(InputError, match=r"texts\[1\] is a missing value"):
        list(classifier.classify_many(column))
    with pytest.raises(InputError, match="classify_many takes any iterable"):
        classifier.classify(column)


WIDE = [f"column{at}" for at in range(10_000)]
TABLES: dict[str, Callable[[], Any]] = {
    "pandas": lambda: library("pandas").DataFrame({name: ["a"] for name in WIDE}),
    "polars": lambda: library("polars").DataFrame({name: ["a"] for name in WIDE}),
    "pyarrow": lambda: library("pyarrow").table({name: ["a"] for name in WIDE}),
    "pyarrow batch": lambda: library("pyarrow").record_batch({name: ["a"] for name in WIDE}),
    "datasets": lambda: library("datasets").Dataset.from_dict({name: ["a"] for name in WIDE}),
    "dict": lambda: {name: ["a"] for name in WIDE},
}


@pytest.mark.parametrize("name", TABLES)
def test_a_whole_table_is_refused(name: str, classifier: Classifier) -> None:
    table = TABLES[name]()
    # The keys of a dict may be texts, which no message holds.
    told = "not a whole dict: " if name == "dict" else "'column0', 'column1',.* and 9,995 more: "
    for take in (classifier.classify, classifier.classify_many):
        with pytest.raises(InputError, match=told) as caught:
            take(table)
        assert re.search(r'table\["text"\],.* to classify_many', str(caught.value))
        assert len(str(caught.value)) < 300


def test_a_lazy_frame_is_refused_without_a_look_into_its_file(classifier: Classifier) -> None:
    lazy = library("polars").scan_parquet("nowhere.parquet")
    with pytest.raises(InputError, match="not LazyFrame"):
        classifier.classify_many(lazy)


def test_a_pair_of_columns(classifier: Classifier) -> None:
    pyarrow = library("pyarrow")
    pairs = zip(pyarrow.array(["a", None, "b"]), pyarrow.array(["c", "d", "e"]), strict=True)
    first, none, last = classifier.classify_many(pairs, missing="none")
    assert none is None
    assert [first, last] == classifier.classify([("a", "c"), ("b", "e")])


@pytest.mark.parametrize("name", ["pandas", "polars"])
def test_the_recipe(name: str, classifier: Classifier) -> None:
    library(name)
    [recipe] = [text for _, text in PAGE.blocks if text.startswith(f"import {name} as")]
    names: dict[str, Any] = {"classifier": classifier}
    exec(compile(recipe, "TABLES.md", "exec"), names)
    frame = names["frame"]
    gem, mess = classifier.classify(["a gem", "a mess"])
    assert list(frame.columns) == ["text", "label", "score"]
    for column, wanted in (
        ("text", ["a gem", None, "a mess"]),
        ("label", [gem.label, None, mess.label]),
        ("score", [gem.score, None, mess.score]),
    ):
        assert [None if is_nan(value) else value for value in frame[column]] == wanted


def test_the_recipe_of_the_readme(classifier: Classifier) -> None:
    library("pandas")
    names: dict[str, Any] = {"classifier": classifier}
    exec(compile(README.block("python", "import pandas"), "README.md", "exec"), names)
    gem, mess = classifier.classify(["a gem", "a mess"])
    labels = [None if is_nan(value) else value for value in names["frame"]["label"]]
    assert labels == [gem.label, None, mess.label]


def test_the_recipe_for_numpy(classifier: Classifier) -> None:
    names: dict[str, Any] = {"classifier": classifier}
    exec(compile(PAGE.block("python", "import numpy"), "TABLES.md", "exec"), names)
    gem, mess = classifier.classify(["a gem", "a mess"])
    assert names["scores"].tolist() == [gem.score, None, mess.score]


def is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
