"""The demo model: its logits, its invariants, its errors."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightclient.standin import demo
from lightclient.standin.demo import gelu, load_demo_model

SENTENCE = [101, 1045, 2066, 2017, 1012, 1045, 2293, 2017, 102]  # I like you. I love you
MODEL = load_demo_model().versions[1]["serving_default"].run
ROWS = st.lists(st.integers(0, 30521), min_size=1, max_size=40)


def batch(rows, length=None, pad=0):
    length = length or max(map(len, rows))
    ids = np.full((len(rows), length), pad, np.int32)
    mask = np.zeros((len(rows), length), np.int32)
    for index, row in enumerate(rows):
        ids[index, : len(row)], mask[index, : len(row)] = row, 1
    return {"input_ids": ids, "attention_mask": mask}


def logits(rows, **options):
    return MODEL(batch(rows, **options))["logits"]


def test_the_sentence_of_the_readme():
    found = logits([SENTENCE])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[-2.5820014, 2.5820014]], atol=1e-4)


@pytest.mark.parametrize("length", [9, 10, 100, 512])
def test_padding_changes_nothing(length):
    np.testing.assert_allclose(
        logits([SENTENCE], length=length, pad=7), logits([SENTENCE]), atol=1e-5
    )


@given(st.lists(ROWS, min_size=1, max_size=5))
@settings(max_examples=30)
def test_a_row_does_not_depend_on_its_neighbours(rows):
    alone = np.concatenate([logits([row]) for row in rows])
    np.testing.assert_allclose(logits(rows), alone, atol=2e-5)


def test_a_large_batch_is_computed_in_slices(monkeypatch):
    rows = [SENTENCE[:size] for size in range(1, 10)]
    whole = logits(rows)
    monkeypatch.setattr(demo, "_SLICE", 1)
    np.testing.assert_allclose(logits(rows), whole, atol=1e-5)


def test_a_row_that_masks_everything_still_has_an_answer():
    inputs = batch([SENTENCE, SENTENCE])
    inputs["attention_mask"][0] = 0
    found = MODEL(inputs)["logits"]
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[1:], logits([SENTENCE]), atol=1e-5)


@pytest.mark.parametrize("wrong", [99999, -1, 30522])
def test_an_unknown_id_is_refused_as_by_the_graph(wrong):
    with pytest.raises(ValueError) as caught:
        logits([[101, 102], [101, wrong]])
    assert str(caught.value) == f"indices[1,1] = {wrong} is not in [0, 30522)"


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="513"):
        logits([SENTENCE], length=513)
    with pytest.raises(ValueError, match=r"\[2, 0\]"):
        logits([[], []])
    with pytest.raises(ValueError, match=r"\[3\]"):
        MODEL({"input_ids": np.zeros(3, np.int32), "attention_mask": np.zeros(3, np.int32)})
    with pytest.raises(ValueError, match=r"\[1, 9\] vs. \[1, 8\]"):
        MODEL(batch([SENTENCE]) | {"attention_mask": np.ones((1, 8), np.int32)})


def test_gelu_is_as_exact_as_a_float32_needs():
    values = np.linspace(-9, 9, 200_001, dtype=np.float32)
    exact = [value * 0.5 * math.erfc(-value / math.sqrt(2)) for value in values.tolist()]
    np.testing.assert_allclose(gelu(values), exact, rtol=1e-6, atol=4e-7)


def test_it_is_loaded_once():
    assert load_demo_model() is load_demo_model()
