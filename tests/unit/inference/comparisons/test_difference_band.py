from __future__ import annotations

import numpy as np
import pytest
from ranked_queries import queries

from metarouter.inference import difference_band, efficiency_gain_band


def test_difference_of_a_router_from_itself_is_known_to_be_nothing():
    gain, score = queries()
    band = difference_band(gain, score, np.exp(score))
    assert band.value == pytest.approx(0, abs=1e-12)
    assert band.band_upper == pytest.approx(0, abs=1e-12)
    assert str(band.verdict) == "INCONCLUSIVE"


@pytest.mark.parametrize("method", ["half_sample", "influence"])
def test_difference_is_that_of_the_curves_and_less_uncertain(method):
    gain, score = queries()
    noisy = score + 0.3 * np.random.default_rng(5).standard_normal(len(gain))
    one, two = (efficiency_gain_band(gain, s, method=method) for s in (score, noisy))
    difference = difference_band(gain, score, noisy, method=method)
    assert difference.value == pytest.approx(one.value - two.value, abs=1e-12)
    assert difference.se[50] < 0.8 * one.se[50]


def test_toc_curves_can_be_compared_too():
    gain, score = queries()
    band = difference_band(gain, score, -score, curve="toc")
    assert band.usage[0] > 0
    assert band.value[0] > 0
