"""ZeroShift, ConstantShift and KnownShift."""

from __future__ import annotations

import numpy as np
import pytest
from two_sources import two_sources

from metarouter import ConstantShift, KnownShift, ZeroShift
from metarouter.exceptions import DataError, MetaRouterError

DATA = two_sources(50)


def test_zero_shift_is_zero_even_with_one_source() -> None:
    shift = ZeroShift().fit(DATA.X, DATA.y, np.zeros(50, dtype=bool))
    np.testing.assert_array_equal(shift.predict(DATA.X), np.zeros(50))


def test_constant_shift_is_the_difference_of_weighted_means() -> None:
    weight = DATA.rng.exponential(size=50)
    gold = DATA.is_gold
    shift = ConstantShift().fit(DATA.X, DATA.y, gold, sample_weight=weight)
    expected = (weight * DATA.y)[gold].sum() / weight[gold].sum() - (
        (weight * DATA.y)[~gold].sum() / weight[~gold].sum()
    )
    np.testing.assert_allclose(shift.predict(DATA.X[:3]), expected)


def test_constant_shift_refuses_a_source_without_weight() -> None:
    weight = np.where(DATA.is_gold, 0.0, 1.0)
    n_gold = int(DATA.is_gold.sum())
    with pytest.raises(DataError, match=f"sample_weight is zero in all {n_gold} gold rows"):
        ConstantShift().fit(DATA.X, DATA.y, DATA.is_gold, sample_weight=weight)


def test_constant_shift_needs_both_sources() -> None:
    with pytest.raises(DataError, match="all 50 labels are preference labels"):
        ConstantShift().fit(DATA.X, DATA.y, np.zeros(50, dtype=bool))


@pytest.mark.parametrize(
    ("shift", "expected"),
    [(None, 0.0), (1.5, 1.5), (lambda X: 2 * X[:, 0], 2 * DATA.X[:, 0])],
)
@pytest.mark.parametrize("is_gold", [None, DATA.is_gold])
def test_known_shift_is_what_it_was_given(shift, expected, is_gold) -> None:
    known = KnownShift(shift).fit(DATA.X, DATA.y, is_gold)
    np.testing.assert_array_equal(known.predict(DATA.X), np.broadcast_to(expected, 50))


def test_known_shift_of_a_wrong_length_is_refused() -> None:
    with pytest.raises(MetaRouterError, match=r"shape \(3,\) for 50 rows"):
        KnownShift(lambda X: np.zeros(3)).fit(DATA.X, DATA.y, DATA.is_gold)
