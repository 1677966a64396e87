"""PGR, APGR and CPT with limits."""

from __future__ import annotations

import numpy as np
import pytest

from metarouter.evaluation import performance_gap_curve
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference import performance_gap_band


def queries(n=500, *, mean=1.0, slope=1.0, seed=0):
    rng = np.random.default_rng(seed)
    score = rng.standard_normal(n)
    return mean + slope * score + rng.standard_normal(n), score


METHODS = pytest.mark.parametrize("method", ["half_sample", "influence"])


def test_curve_and_apgr_are_those_of_the_evaluation():
    gain, score = queries()
    weak = np.random.default_rng(9).random(gain.size)
    band, curve = performance_gap_band(gain, score), performance_gap_curve(weak + gain, weak, score)
    assert band.pgr == pytest.approx(curve.pgr, abs=1e-9)
    assert band.apgr == pytest.approx(curve.apgr, abs=1e-9)


def test_pgr_runs_from_nothing_to_all():
    band = performance_gap_band(*queries())
    assert band.pgr[[0, -1]] == pytest.approx([0, 1])
    assert band.band_lower[-1] == pytest.approx(1)
    assert band.band_upper[0] == pytest.approx(0, abs=1e-9)


@METHODS
def test_random_scores_recover_half(method):
    gain, _ = queries(4000, slope=0.0)
    band = performance_gap_band(gain, np.random.default_rng(1).random(4000), method=method)
    assert band.apgr_lower < 0.5 < band.apgr_upper
    assert band.cpt_lower[0] < 0.5 < band.cpt_upper[0]
    assert str(band.verdict) == "INCONCLUSIVE"


def bootstrapped_error(gain, score, x, draws=2000):
    """Standard error of Y(1/2) - x T by resampling queries, the median score found anew."""
    rng = np.random.default_rng(0)
    rows = rng.integers(gain.size, size=(draws, gain.size))
    ranked = np.take_along_axis(gain[rows], np.argsort(-score[rows], axis=1), axis=1)
    gained, gap = ranked[:, : gain.size // 2].sum(axis=1), ranked.sum(axis=1)
    return np.std((gained - x * gap) / gain.size)


@METHODS
def test_limits_are_fieller_s(method):
    gain, score = queries()
    band = performance_gap_band(gain, score, grid=[0.5], method=method, n_draws=2000)
    gained = gain[np.argsort(-score)][:250].sum() / 500
    # Limits of the ratio Y / T are the x at which Y - x T lies 1.96 of its errors from zero.
    for x, side in ((band.lower[0], 1.0), (band.upper[0], -1.0)):
        distance = side * (gained - x * gain.mean()) / bootstrapped_error(gain, score, x)
        assert distance == pytest.approx(1.96, rel=0.06)


def test_gap_that_is_not_told_from_zero_has_infinite_limits():
    gain, score = queries(60, mean=0.05)
    gain += 0.02 - gain.mean()
    band = performance_gap_band(gain, score)
    assert np.isinf(band.band_upper).any() or np.isinf(band.band_lower).any()


def test_cpt_is_the_first_usage_that_reaches_the_target():
    gain, score = queries()
    band = performance_gap_band(gain, score, target=(0.5,))
    reached = np.flatnonzero(band.pgr >= 0.5)[0]
    assert band.usage[reached - 1] <= band.cpt[0] <= band.usage[reached]
    assert band.cpt_lower[0] <= band.cpt[0] <= band.cpt_upper[0]


def test_too_few_queries_give_no_limits_and_say_how_many_would_do():
    few = performance_gap_band(*queries(12, mean=3.0))
    assert np.isnan(few.band_lower).all()
    assert np.isnan(few.apgr_lower)
    assert (str(few.verdict), few.needed) == ("INCONCLUSIVE", 30)


def test_bad_input_is_one_sentence():
    gain, score = queries()
    with pytest.raises(DataError, match="gap"):
        performance_gap_band(gain - 5, score)
    with pytest.raises(MetaRouterError, match="target"):
        performance_gap_band(gain, score, target=(1.5,))


def test_band_prints_and_draws():
    band = performance_gap_band(*queries())
    assert "APGR" in band.summary()
    assert r"\toprule" in band.to_latex()
    assert list(band.numbers_frame()["quantity"]) == ["APGR", "CPT(50%)", "CPT(80%)"]
    assert band.plot().get_xlabel().startswith("share of")


def test_call_thresholds_of_few_labels_are_said_to_have_no_interval():
    gain, score = queries(12, seed=3)
    text = performance_gap_band(np.abs(gain), score).summary()
    assert "(no interval)" in text
    assert "nan" not in text
