from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from metarouter import GainScaler
from metarouter.exceptions import DataError, MetaRouterError

label = st.integers(-1000, 1000).map(lambda value: value / 100)
labels = st.lists(label, min_size=2, max_size=25).map(np.array)
methods = st.sampled_from(["variance", "max", "wasserstein"])


def scaler_of(method, gold, preference):
    y = np.concatenate([gold, preference])
    is_gold = np.arange(len(y)) < len(gold)
    return GainScaler(method).fit(y, is_gold), y, is_gold


def squared_wasserstein(c, gold, preference):
    """W_2^2(c r, y) on a grid that holds every step of both quantile functions, by repetition."""
    gold = np.repeat(np.sort(c * gold), len(preference))
    preference = np.repeat(np.sort(preference), len(gold) // len(preference))
    return np.mean((gold - preference) ** 2)


@given(labels, labels)
def test_variance_scaling_makes_the_variances_equal(gold, preference) -> None:
    assume(np.ptp(gold) > 0 and np.ptp(preference) > 0)
    scaler, y, is_gold = scaler_of("variance", gold, preference)
    scaled = scaler.transform(y, is_gold)
    assert np.var(scaled[is_gold]) == pytest.approx(np.var(scaled[~is_gold]))


@given(labels, labels)
def test_max_scaling_makes_the_largest_labels_equal(gold, preference) -> None:
    assume(gold.any() and preference.any())
    scaler, y, is_gold = scaler_of("max", gold, preference)
    scaled = np.abs(scaler.transform(y, is_gold))
    assert scaled[is_gold].max() == pytest.approx(scaled[~is_gold].max())


@given(labels, labels)
def test_wasserstein_scaling_minimises_the_distance(gold, preference) -> None:
    try:
        factor = scaler_of("wasserstein", gold, preference)[0].factor_
    except DataError:  # the distance grows with c from the start
        start = squared_wasserstein(0, gold, preference)
        assert squared_wasserstein(1e-4, gold, preference) >= start - 1e-9
        return
    best = minimize_scalar(
        squared_wasserstein, (0, factor), args=(gold, preference), method="brent"
    )
    attained = squared_wasserstein(factor, gold, preference)
    assert attained <= best.fun + 1e-9 * (1 + best.fun)


@given(labels, labels, methods, st.floats(0.01, 100))
def test_the_units_of_the_gold_labels_do_not_matter(gold, preference, method, unit) -> None:
    try:
        factor = scaler_of(method, gold, preference)[0].factor_
    except DataError:
        assume(False)
    assert scaler_of(method, unit * gold, preference)[0].factor_ * unit == pytest.approx(factor)


@given(labels, labels, methods, st.integers(0, 1000))
def test_a_label_of_weight_two_is_two_labels(gold, preference, method, seed) -> None:
    y = np.concatenate([gold, preference])
    is_gold = np.arange(len(y)) < len(gold)
    times = np.random.default_rng(seed).integers(0, 3, len(y))
    try:
        repeated = GainScaler(method).fit(np.repeat(y, times), np.repeat(is_gold, times))
    except DataError:
        assume(False)
    weighted = GainScaler(method).fit(y, is_gold, times)
    assert weighted.factor_ == pytest.approx(repeated.factor_)


@given(labels, labels, methods)
def test_gold_labels_come_back_in_their_units_and_preference_labels_stay(
    gold, preference, method
) -> None:
    try:
        scaler, y, is_gold = scaler_of(method, gold, preference)
    except DataError:
        assume(False)
    scaled = scaler.transform(y, is_gold)
    assert scaler.factor_ > 0
    np.testing.assert_allclose(scaler.inverse_transform(scaled[is_gold]), gold, atol=1e-12)
    np.testing.assert_array_equal(scaled[~is_gold], preference)


@pytest.mark.parametrize("method", ["variance", "max", "wasserstein", None])
def test_gold_labels_alone_are_left_alone(method) -> None:
    scaler = GainScaler(method).fit([1.0, 1.0])
    assert scaler.factor_ == 1
    np.testing.assert_array_equal(scaler.transform([1.0, 2.0]), [1.0, 2.0])


@pytest.mark.parametrize(
    ("method", "gold", "preference", "words"),
    [
        ("variance", [1.0, 1.0, 1.0], [0.0, 1.0], "all 3 gold labels equal 1"),
        ("variance", [0.0, 1.0], [0.5, 0.5], "all 2 preference labels equal 0.5"),
        ("max", [0.0, 0.0], [0.0, 1.0], "all 2 gold labels are 0"),
        ("wasserstein", [1.0, 2.0], [-1.0, -2.0], "brings the 2 gold labels .mean 1.5. near"),
    ],
)
def test_an_undefined_constant_is_explained(method, gold, preference, words) -> None:
    with pytest.raises(DataError, match=words) as raised:
        scaler_of(method, np.array(gold), np.array(preference))
    assert "\n" not in str(raised.value)


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(
        MetaRouterError, match="method is 'sd'; give 'max', 'variance' or 'wasserstein', or None"
    ):
        GainScaler("sd").fit([0.0, 1.0], [True, False])
