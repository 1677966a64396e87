"""Limits that reach out where errors are skewed."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metarouter.inference import efficiency_gain_band
from metarouter.inference.intervals._variances import skewed_limits, third_over_second


@given(st.floats(-3, 3), st.floats(0.5, 5))
def test_limits_never_draw_in(skewness, critical):
    limits = skewed_limits(np.zeros(1), np.ones(1), critical, np.array([skewness]))
    assert limits.lower[0] <= -critical
    assert limits.upper[0] >= critical


@given(st.floats(0.01, 1))
def test_mirrored_errors_have_mirrored_limits(skewness):
    right, left = (
        skewed_limits(np.zeros(1), np.ones(1), 2.5, np.array([sign * skewness])) for sign in (1, -1)
    )
    np.testing.assert_allclose([right.upper, right.lower], [-left.lower, -left.upper])
    assert right.upper[0] > -right.lower[0]


def test_inverse_of_the_cubic_is_hall_s():
    g, c = 0.3, 2.0
    reach = skewed_limits(np.zeros(1), np.ones(1), c, np.array([g])).upper[0]
    t = -reach  # the t statistic at the upper limit, which the cubic takes to -c
    assert np.isclose(t + g * t**2 / 3 + g**2 * t**3 / 27 + g / 6, -c)


def test_skewness_is_that_of_the_sum():
    # A sum of n independent terms has n times the cumulants of one: exponential ones 1 and 2.
    terms = np.random.default_rng(0).exponential(size=200_000) - 1
    assert np.isclose(third_over_second(terms[:, None])[0], 2.0, atol=0.05)
    assert third_over_second(np.zeros((5, 1)))[0] == 0.0


def test_band_of_skewed_gains_reaches_further_to_the_side_of_the_tail():
    rng = np.random.default_rng(0)
    score = rng.standard_normal(300)
    gain = score + rng.exponential(3.0, 300)
    band = efficiency_gain_band(gain, score, grid=[0.3, 0.5, 0.7])
    assert (band.band_upper - band.value > band.value - band.band_lower + 1e-3).all()
    np.testing.assert_allclose(band.value - band.band_lower, band.critical * band.se)
