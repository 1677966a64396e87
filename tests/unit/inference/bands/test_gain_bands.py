from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.bands import (
    efficiency_gain_at,
    gained_at,
    toc_at,
    toc_influence_of_econml,
)
from ranked_queries import queries

from metarouter import inference
from metarouter.evaluation import efficiency_gain_curve
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference import difference_band, efficiency_gain_band, qini_band, toc_band
from metarouter.inference.bands import Curve

GRID = np.linspace(0.05, 1.0, 20)
BANDS = {"efficiency_gain": efficiency_gain_band, "toc": toc_band, "qini": qini_band}
ORACLES = {"efficiency_gain": efficiency_gain_at, "toc": toc_at, "qini": gained_at}
gains = st.floats(-5, 5, allow_nan=False).map(lambda value: round(value, 3))
rows_of_queries = st.lists(
    st.tuples(gains, st.integers(-3, 3).map(float), st.sampled_from([0.5, 1.0, 2.0])),
    min_size=1,
    max_size=25,
)


@pytest.mark.parametrize("curve", BANDS)
@given(rows=rows_of_queries)
@settings(deadline=None, max_examples=25)
def test_curves_are_what_one_query_after_the_other_gives(curve, rows):
    gain, score, weight = (np.array(column) for column in zip(*rows, strict=True))
    band = BANDS[curve](gain, score, sample_weight=weight, grid=GRID)
    expected = [ORACLES[curve](gain, score, weight, usage) for usage in GRID]
    assert band.value == pytest.approx(expected, abs=1e-9)


def test_efficiency_gain_is_that_of_the_evaluation():
    gain, score = queries(ties=True)
    band, curve = efficiency_gain_band(gain, score), efficiency_gain_curve(gain, score)
    assert band.value == pytest.approx(curve.efficiency_gain, abs=1e-12)
    assert band.usage == pytest.approx(curve.usage)


def test_toc_is_zero_where_all_are_sent():
    gain, score = queries()
    band = toc_band(gain, score)
    assert band.value[-1] == pytest.approx(0, abs=1e-12)
    assert band.band_upper[-1] - band.band_lower[-1] == pytest.approx(0, abs=1e-9)


def test_toc_and_efficiency_gain_share_their_t_statistics():
    gain, score = queries()
    toc, gained = (
        toc_band(gain, score),
        efficiency_gain_band(gain, score, grid=toc_band(gain, score).usage),
    )
    assert toc.critical == pytest.approx(gained.critical)
    assert toc.se * toc.usage == pytest.approx(gained.se)


@pytest.mark.parametrize("method", ["half_sample", "influence"])
def test_only_the_order_of_the_scores_matters(method):
    gain, score = queries()
    first = efficiency_gain_band(gain, score, method=method)
    second = efficiency_gain_band(gain, np.exp(score / 3) - 7, method=method)
    assert second.band_upper == pytest.approx(first.band_upper)


def test_order_of_the_rows_does_not_matter_to_the_influence_function():
    gain, score = queries(ties=True)
    rows = np.random.default_rng(1).permutation(len(gain))
    first = efficiency_gain_band(gain, score, method="influence")
    second = efficiency_gain_band(gain[rows], score[rows], method="influence")
    assert second.se == pytest.approx(first.se)
    assert second.band_upper == pytest.approx(first.band_upper)


@pytest.mark.parametrize("curve", BANDS)
@pytest.mark.parametrize("where", [{}, {"thresholds": [-1.0, 0.0, 0.5, 1.0]}])
def test_halves_and_influence_function_agree(curve, where):
    gain, score = queries(4000, slope=2.0)
    halves = BANDS[curve](gain, score, n_draws=2000, **where)
    influence = BANDS[curve](gain, score, method="influence", n_draws=4000, **where)
    inner = (halves.usage > 0.05) & (halves.usage < 0.95)
    assert halves.se[inner] == pytest.approx(influence.se[inner], rel=0.12)
    assert halves.critical == pytest.approx(influence.critical, rel=0.06)


@pytest.mark.parametrize(("threshold", "off"), [(1.5, 1.25), (-0.5, 0.85)])
def test_errors_at_thresholds_are_right_where_those_of_econml_are_not(threshold, off):
    # econml's influence function has the mean gain in the place of the gain above the threshold:
    # where the gain follows the score it is too wide far up, and too narrow further down.
    n, found, ours, theirs = 1000, [], [], []
    for seed in range(300):
        gain, score = queries(n, slope=2.0, seed=seed)
        band = toc_band(gain, score, thresholds=[threshold], method="influence", n_draws=100)
        found.append(band.value[0])
        ours.append(band.se[0])
        theirs.append(toc_influence_of_econml(gain, score, threshold).std() / np.sqrt(n))
    truth = np.std(found)
    assert np.mean(ours) == pytest.approx(truth, rel=0.12)
    assert abs(np.mean(theirs) / truth - 1) > abs(off - 1)


def test_queries_that_stand_twice_in_one_group_count_once():
    gain, score = queries(200)
    twice = {"groups": np.tile(np.arange(200), 2)}
    once = efficiency_gain_band(gain, score, method="influence")
    doubled = efficiency_gain_band(np.tile(gain, 2), np.tile(score, 2), method="influence", **twice)
    assert doubled.se == pytest.approx(once.se, rel=1e-9)
    assert doubled.n_units == once.n_units == 200
    halves = efficiency_gain_band(np.tile(gain, 2), np.tile(score, 2), n_draws=2000, **twice)
    assert halves.se[50] == pytest.approx(once.se[50], rel=0.1)


def test_weights_are_numbers_of_copies():
    gain, score = queries(100)
    weight = np.random.default_rng(2).integers(0, 3, 100)
    weighted = efficiency_gain_band(gain, score, sample_weight=weight)
    copied = efficiency_gain_band(np.repeat(gain, weight), np.repeat(score, weight))
    assert weighted.value == pytest.approx(copied.value, abs=1e-12)


def test_equal_costs_change_nothing():
    gain, score = queries()
    plain = efficiency_gain_band(gain, score)
    costly = efficiency_gain_band(gain, score, cost=np.full(len(gain), 3.0))
    assert costly.value == pytest.approx(plain.value, abs=1e-12)
    assert costly.band_lower == pytest.approx(plain.band_lower, abs=1e-9)
    assert costly.per_cost


def test_queries_that_cost_nothing_are_sent_at_no_usage_at_all():
    gain, score, cost = [1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [0.0, 1.0, 1.0]
    band = qini_band(gain, score, cost=cost, grid=[0.25, 0.5, 1.0])
    assert band.value == pytest.approx([(1 + 1) / 3, (1 + 2) / 3, 2.0])


def test_threshold_curve_is_the_usage_curve_at_the_usage_that_it_leads_to():
    gain, score = queries()
    at = efficiency_gain_band(gain, score, thresholds=[0.0])
    assert at.usage[0] == pytest.approx((score >= 0).mean())
    other = efficiency_gain_band(gain, score, grid=at.usage)
    assert at.value == pytest.approx(other.value)


def test_band_holds_the_pointwise_limits():
    gain, score = queries()
    band = efficiency_gain_band(gain, score)
    assert (band.band_lower <= band.lower + 1e-12).all()
    assert (band.band_upper >= band.upper - 1e-12).all()


def test_errors_at_the_ends_do_not_rest_on_a_handful_of_queries():
    gain, score = queries(300, slope=0.0)
    gain[np.argsort(-score)[:3]] = 0.1  # three equal gains would promise certainty
    band = efficiency_gain_band(gain, score)
    assert band.se[1] >= 0.99 * band.se[10] * np.sqrt(1 / 10)


@pytest.mark.parametrize("band", [efficiency_gain_band, toc_band, qini_band])
def test_too_few_queries_give_no_limits_and_say_how_many_would_do(band):
    gain, score = queries(12)
    few = band(gain, score)
    assert np.isnan(few.band_lower).all()
    assert np.isfinite(few.value).all()
    assert (str(few.verdict), few.needed) == ("INCONCLUSIVE", 30)
    assert "12 gold labels are too few" in few.reason
    assert "–" in few.summary()


def test_too_few_groups_give_no_limits():
    gain, score = queries(90)
    few = efficiency_gain_band(gain, score, groups=np.arange(90) % 6)
    assert np.isnan(few.se).all()
    assert few.needed == 10


def test_verdict_says_where_the_band_lies_above_zero():
    gain, score = queries(1000)
    assert "above zero at usages from" in efficiency_gain_band(gain, score).reason
    worse = efficiency_gain_band(gain, -score)
    assert (str(worse.verdict), worse.needed) == ("FAIL", None)
    gain, score = queries(200, slope=0.1)
    unclear = efficiency_gain_band(gain, score)
    assert str(unclear.verdict) == "INCONCLUSIVE"
    sent = (unclear.usage > 0) & (unclear.usage < 1)
    margin = (unclear.value - unclear.band_lower)[sent]
    share = unclear.usage[sent][np.argmax(unclear.value[sent] / margin)]
    assert f"If the estimate at a share of {100 * share:.3g}% is right, about " in unclear.reason
    assert unclear.needed is None or unclear.needed > 200


def test_verdict_is_caution_where_the_curve_crosses_zero():
    score = np.linspace(-3, 3, 2000)
    gain = np.cos(score * 2) * np.sign(score) + 0.3 * np.random.default_rng(0).standard_normal(2000)
    assert str(efficiency_gain_band(gain, score).verdict) == "CAUTION"


def test_curves_print_and_draw():
    gain, score = queries()
    for band in (
        efficiency_gain_band(gain, score),
        qini_band(gain, score, cost=np.exp(score)),
        toc_band(gain, score, thresholds=[0.0, 0.5]),
        difference_band(gain, score, -score),
    ):
        assert len(band.summary().splitlines()) < 30
        assert band.to_markdown().startswith("| usage")
        assert r"\toprule" in band.to_latex()
        ax = band.plot()
        assert ax.get_xlabel().startswith("share of")
        assert band.to_frame().shape[0] == band.usage.size


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        ({"cost": [1.0, -1.0]}, DataError, "cost is negative for 1 of 2"),
        ({"cost": [0.0, 0.0]}, DataError, "cost is zero for all 2"),
        ({"cost": [1.0]}, DataError, "cost has 1 entries"),
        ({"grid": [0.5], "thresholds": [1.0]}, MetaRouterError, "both given"),
        ({"grid": [0.5, 0.2]}, DataError, "increasing usage"),
        ({"method": "bootstrap"}, MetaRouterError, "method is 'bootstrap'; give"),
        ({"n_draws": 10}, MetaRouterError, "at least 100"),
        ({"random_state": "seed"}, MetaRouterError, "random_state is 'seed'; give"),
        ({"random_state": -1}, MetaRouterError, "at least 0"),
        ({"level": 1.5}, MetaRouterError, "between 0 and 1"),
        ({"sample_weight": [-1.0, 1.0]}, DataError, "negative"),
        ({"groups": ["a", "a"]}, DataError, "one group"),
    ],
)
def test_bad_settings_are_one_sentence(wrong, error, words):
    with pytest.raises(error, match=words):
        efficiency_gain_band([1.0, 2.0], [0.0, 1.0], **wrong)


def test_means_over_too_few_queries_are_refused():
    gain, score = queries(100)
    with pytest.raises(DataError, match="fewer than 20 of 100"):
        toc_band(gain, score, thresholds=[9.0])
    with pytest.raises(DataError, match="usage 0"):
        toc_band(gain, score, grid=[0.0, 0.5])
    top = gain[np.argsort(-score)][:50]
    half = Curve("toc", np.array([0.5])).values(inference.ScoredQueries(gain, score).sums())
    assert half == pytest.approx(top.mean() - gain.mean())


def test_one_object_of_options_serves_all_bands_and_an_unknown_one_is_refused():
    gain, score = queries(200, seed=0)
    options = inference.BandOptions(level=0.8, n_draws=100, groups=np.arange(200) // 2)
    for function in (
        inference.efficiency_gain_band,
        inference.toc_band,
        inference.qini_band,
        inference.rank_weighted_effects,
    ):
        found = function(gain, score, **options)
        assert (found.level, found.n_units) == (0.8, 100)
        with pytest.raises(TypeError, match="'draws'"):
            function(gain, score, draws=100)


def test_a_score_that_tells_no_queries_apart_is_not_below_zero_by_rounding():
    gain, _ = queries(200, seed=3)
    band = efficiency_gain_band(gain, np.ones(200), grid=[0.1, 0.5, 0.9])
    assert band.verdict.value == "INCONCLUSIVE"
    assert "more labels would not help" in band.reason


@pytest.mark.parametrize("unit", [1e-150, 1e100])
def test_gains_in_very_small_and_very_large_units_have_the_same_band(unit):
    gain, score = queries(60, seed=3)
    plain, scaled = (efficiency_gain_band(gain * u, score, n_draws=100) for u in (1.0, unit))
    np.testing.assert_allclose(scaled.band_lower / unit, plain.band_lower, atol=1e-12)
