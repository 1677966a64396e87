from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metarouter.datasets import LabelledQueries, make_judged_queries
from metarouter.exceptions import DataError


@st.composite
def labelled_queries(draw: st.DrawFn) -> LabelledQueries:
    n = draw(st.integers(1, 30))
    mask = st.lists(st.booleans(), min_size=n, max_size=n)
    has_gold, has_preference = np.array(draw(mask)), np.array(draw(mask))
    own_groups = draw(st.none() | st.lists(st.integers(0, 4), min_size=n, max_size=n))
    return LabelledQueries(
        X=np.arange(2.0 * n).reshape(n, 2),
        gold=np.where(has_gold, np.arange(n) + 0.25, np.nan),
        preference=np.where(has_preference, -np.arange(n) - 0.75, np.nan),
        groups=None if own_groups is None else np.array(own_groups),
        weight=np.arange(n) + 1.0,
    )


@given(labelled_queries())
def test_there_is_one_training_row_per_label(queries: LabelledQueries) -> None:
    rows = queries.training_rows()
    assert rows.is_gold.sum() == queries.n_gold
    assert (~rows.is_gold).sum() == queries.n_preference
    assert rows.y.shape == rows.query.shape == rows.is_gold.shape
    np.testing.assert_array_equal(rows.y[rows.is_gold], queries.gold[rows.query[rows.is_gold]])
    np.testing.assert_array_equal(
        rows.y[~rows.is_gold], queries.preference[rows.query[~rows.is_gold]]
    )
    np.testing.assert_array_equal(rows.X, queries.X[rows.query])
    np.testing.assert_array_equal(rows.sample_weight, queries.weight[rows.query])


@given(labelled_queries())
def test_both_rows_of_a_query_share_their_group(queries: LabelledQueries) -> None:
    rows = queries.training_rows()
    if rows.groups is None:
        assert queries.n_paired == 0
        assert queries.groups is None
        return
    group_of_query = dict(zip(rows.query, rows.groups, strict=True))
    assert all(group_of_query[q] == g for q, g in zip(rows.query, rows.groups, strict=True))
    if queries.groups is None:
        assert len(set(rows.groups)) == len(set(rows.query))
    else:
        np.testing.assert_array_equal(rows.groups, queries.groups[rows.query])


@given(labelled_queries(), st.data())
def test_training_rows_of_a_subset_are_those_of_its_queries(
    queries: LabelledQueries, data: st.DataObject
) -> None:
    chosen = data.draw(st.lists(st.integers(0, queries.n_queries - 1), unique=True))
    rows = queries.subset(np.array(chosen, dtype=int)).training_rows()
    everything = queries.training_rows()
    expected = everything.y[np.isin(everything.query, chosen)]
    assert sorted(rows.y) == sorted(expected)


def test_a_subset_keeps_all_that_is_known() -> None:
    data = make_judged_queries(50, pairing=0.5, random_state=0)
    mask = np.arange(50) % 2 == 0
    half = data.subset(mask)
    np.testing.assert_array_equal(half.truth.psi, data.truth.psi[::2])
    np.testing.assert_array_equal(half.X, data.X[::2])
    assert half.notes == data.notes
    assert half.feature_names == data.feature_names


def test_frames_of_text_are_subset_by_position() -> None:
    frame = pd.DataFrame({"text": ["a", "b", "c"]}, index=[7, 8, 9])
    data = LabelledQueries(X=frame, gold=np.array([1.0, np.nan, 0]), preference=np.full(3, np.nan))
    assert data.subset([2, 0]).X["text"].tolist() == ["c", "a"]
    assert data.training_rows().X["text"].tolist() == ["a", "c"]


@pytest.mark.parametrize("field", ["gold", "preference", "groups", "weight", "cost_primary"])
def test_an_array_of_another_length_is_refused(field: str) -> None:
    arrays = {"gold": np.zeros(3), "preference": np.zeros(3), field: np.zeros(2)}
    with pytest.raises(DataError, match=rf"^{field} has shape \(2,\), but X has 3 rows"):
        LabelledQueries(X=np.zeros((3, 1)), **arrays)


def test_a_row_outside_the_queries_is_refused() -> None:
    data = make_judged_queries(10, random_state=0)
    with pytest.raises(DataError, match="Row 10 was asked for, but there are 10 queries"):
        data.subset([0, 10])
    with pytest.raises(DataError, match=r"The mask has shape \(3,\)"):
        data.subset([True, False, True])
