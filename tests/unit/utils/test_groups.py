"""Rows that belong together are told apart by value, in one way everywhere."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metarouter.datasets import LabelledQueries
from metarouter.evaluation import MonteCarloStudy, compare_routers
from metarouter.evaluation._splits import draw_split
from metarouter.exceptions import DataError
from metarouter.shift import ZeroShift
from metarouter.utils.groups import count_groups, group_codes
from metarouter.utils.validation import validate_training

MIXED = np.array([1, "1", 1, "1", 2, "b"] * 5, dtype=object)


@given(st.lists(st.one_of(st.integers(-30, 30), st.text(max_size=2)), min_size=1))
def test_two_rows_have_one_number_when_they_have_one_group(groups: list[object]) -> None:
    codes = group_codes(np.array(groups, dtype=object))
    assert sorted(set(codes)) == list(range(len(set(groups))))
    for group in groups:
        assert len({code for code, other in zip(codes, groups, strict=True) if other == group}) == 1


def test_numbers_do_not_hang_on_which_of_two_groups_with_one_name_comes_first() -> None:
    np.testing.assert_array_equal(group_codes(MIXED[::-1]), group_codes(MIXED)[::-1])


@given(st.lists(st.integers(-200, 200), min_size=1))
def test_numbers_go_by_name_whatever_the_order_of_the_rows(groups: list[int]) -> None:
    by_name = np.unique(np.array(groups).astype(str), return_inverse=True)[1]
    np.testing.assert_array_equal(group_codes(groups), by_name)
    np.testing.assert_array_equal(group_codes(groups[::-1]), by_name[::-1])


@pytest.mark.parametrize(
    "groups", [[1, None, 2], [1.0, np.nan, 2.0], pd.Series([1, None, 2], dtype="Int64")]
)
def test_a_row_without_a_group_is_refused(groups: object) -> None:
    with pytest.raises(DataError, match=r"groups is missing in 1 of 3 rows \(first: row 1\)"):
        group_codes(groups)
    with pytest.raises(DataError, match="groups is missing in 1 of 3 rows"):
        compare_routers([1.0, 2.0, 3.0], {"a": [1.0, 2.0, 3.0]}, groups=groups)


def test_groups_in_several_columns_are_refused() -> None:
    with pytest.raises(DataError, match=r"groups has shape \(3, 2\); give one column"):
        group_codes(np.zeros((3, 2)))


def test_a_number_and_its_name_are_two_groups_for_folds_splits_and_errors() -> None:
    assert count_groups(MIXED) == 4
    X = np.zeros((30, 1))
    data = validate_training(ZeroShift(), X, np.zeros(30), None, groups=MIXED)
    assert len(np.unique(data.groups)) == 4
    split = draw_split(np.random.default_rng(0), 30, 1, MIXED)
    tested = {(type(group), group) for group in MIXED[split.test]}
    assert len(tested) == 1
    assert not tested & {(type(group), group) for group in MIXED[split.train]}
    gain = np.random.default_rng(0).normal(size=30)
    named = compare_routers(gain, {"a": gain}, groups=[f"{type(g)} {g}" for g in MIXED])
    assert compare_routers(gain, {"a": gain}, groups=MIXED).area_se == pytest.approx(named.area_se)


def test_a_study_of_two_groups_with_one_name_can_be_split() -> None:
    y = np.random.default_rng(0).normal(size=30)
    data = LabelledQueries(
        X=y[:, None], gold=y, preference=y, groups=np.array([1, "1"] * 15, dtype=object)
    )
    MonteCarloStudy({"pooled": ZeroShift()}, n_gold=5, rounds=2, n_test=5).check(data)
