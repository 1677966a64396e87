from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone

from metarouter import PropensityPolicy
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.overlap import OverlapWarning

propensities = st.lists(st.floats(0, 1), min_size=4, max_size=40).map(np.array)
pytestmark = pytest.mark.filterwarnings("ignore::metarouter.overlap.OverlapWarning")


def sources(n):
    return np.arange(n) % 2 == 0


@given(propensities, st.floats(0.001, 0.49))
def test_clipping_keeps_propensities_in_bounds_and_counts_what_it_moved(p, clip) -> None:
    overlap = PropensityPolicy(clip).apply(p, sources(len(p)))
    assert overlap.propensity.min() >= clip
    assert overlap.propensity.max() <= 1 - clip
    inside = (p >= clip) & (p <= 1 - clip)
    np.testing.assert_array_equal(overlap.propensity[inside], p[inside])
    assert overlap.n_clipped == (~inside).sum()
    assert overlap.in_overlap.all()


@given(propensities, st.floats(0.001, 0.49))
def test_trimming_leaves_out_exactly_the_rows_beyond_its_bound(p, trim) -> None:
    policy = PropensityPolicy(clip=None, trim=trim)
    inside, is_gold = (p >= trim) & (p <= 1 - trim), sources(len(p))
    if not (inside[is_gold].any() and inside[~is_gold].any()):
        with pytest.raises(DataError, match="lies within the overlap"):
            policy.apply(p, is_gold)
        return
    overlap = policy.apply(p, is_gold)
    np.testing.assert_array_equal(overlap.in_overlap, inside)
    assert overlap.n_trimmed == (~inside).sum()


@given(propensities, st.floats(1.01, 1000))
def test_the_density_ratio_is_bounded_on_both_sides(p, bound) -> None:
    is_gold = np.arange(len(p)) % 4 == 0
    kappa = is_gold.mean()
    try:
        inside = PropensityPolicy(density_ratio=bound).apply(p, is_gold).in_overlap
    except DataError:
        return
    with np.errstate(divide="ignore"):
        ratio = p * (1 - kappa) / ((1 - p) * kappa)
    on_the_edge = np.isclose(ratio, bound) | np.isclose(ratio * bound, 1)
    expected = (ratio <= bound) & (ratio >= 1 / bound)
    np.testing.assert_array_equal(inside[~on_the_edge], expected[~on_the_edge])


@given(propensities, st.integers(0, 30))
def test_with_weights_a_row_counts_as_often_as_it_weighs(p, seed) -> None:
    is_gold = sources(len(p))
    times = np.random.default_rng(seed).integers(1, 4, len(p))
    policy = PropensityPolicy(density_ratio=3.0, calibrate="isotonic")
    try:
        weighted = policy.apply(p, is_gold, times.astype(float))
    except DataError:
        return
    repeated = policy.apply(np.repeat(p, times), np.repeat(is_gold, times))
    np.testing.assert_allclose(np.repeat(weighted.propensity, times), repeated.propensity)


@pytest.mark.parametrize("calibrate", ["isotonic", "sigmoid"])
def test_calibration_mends_distorted_propensities(calibrate) -> None:
    rng = np.random.default_rng(0)
    true = rng.uniform(0.1, 0.9, 5000)
    is_gold = rng.random(5000) < true
    distorted = true**3 / (true**3 + (1 - true) ** 3)
    mended = PropensityPolicy(calibrate=calibrate).apply(distorted, is_gold).propensity
    assert np.abs(mended - true).mean() < 0.3 * np.abs(distorted - true).mean()


def test_the_automatic_bound_never_clips_a_whole_sample_of_scarce_gold() -> None:
    is_gold = np.arange(1000) < 5
    overlap = PropensityPolicy().apply(np.full(1000, 0.005), is_gold)
    assert overlap.lower == pytest.approx(0.0005)
    assert overlap.upper == pytest.approx(0.99)
    assert overlap.n_clipped == 0


def test_a_policy_that_changes_many_rows_is_loud_and_a_quiet_one_is_not() -> None:
    is_gold = sources(100)
    few, many = np.full(100, 0.5), np.full(100, 0.5)
    few[:5], many[:6] = 0.001, 0.001
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        PropensityPolicy(0.01).apply(few, is_gold)
    with pytest.warns(OverlapWarning, match="6 of 100 rows were clipped to \\[0.01, 0.99\\]"):
        PropensityPolicy(0.01).apply(many, is_gold)


def test_an_empty_overlap_is_explained() -> None:
    with pytest.raises(DataError, match="none of the 50 gold rows lies within the overlap"):
        PropensityPolicy(trim=0.2).apply(np.where(sources(100), 0.9, 0.5), sources(100))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"clip": 0.5}, "clip is 0.5; give a number above 0 and below 0.5, 'auto', or None"),
        ({"clip": -0.1}, "clip is -0.1"),
        ({"clip": "often"}, "clip is 'often'"),
        ({"trim": "auto"}, "trim is 'auto'; give a number above 0 and below 0.5, or None"),
        ({"density_ratio": 1}, "density_ratio is 1; give a number above 1, or None"),
        ({"density_ratio": "high"}, "density_ratio is 'high'"),
        ({"calibrate": "platt"}, "calibrate is 'platt'; give 'isotonic' or 'sigmoid', or None"),
    ],
)
def test_parameters_out_of_range_are_refused(given, words) -> None:
    with pytest.raises(MetaRouterError, match=words) as raised:
        PropensityPolicy(**given).apply(np.full(4, 0.5), sources(4))
    assert "\n" not in str(raised.value)


def test_a_policy_is_cloned_and_compared_by_its_parameters() -> None:
    policy = PropensityPolicy(0.02, trim=0.1, density_ratio=20, calibrate="sigmoid")
    assert clone(policy).get_params() == policy.get_params()
    assert repr(policy) == (
        "PropensityPolicy(calibrate='sigmoid', clip=0.02, density_ratio=20, trim=0.1)"
    )
