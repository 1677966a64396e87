"""Doubly robust scores stand for gold labels where these are scarce."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from metarouter import Nuisances
from metarouter.datasets import LabelledQueries, make_judged_queries
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference import doubly_robust_gains, efficiency_gain_band, rank_weighted_effects

RECIPE = Nuisances(outcome=LinearRegression())


def judged(n=1000, seed=0):
    return make_judged_queries(n, gold_share=0.3, random_state=seed)


def test_scores_are_the_formula():
    data = judged()
    guess = np.linspace(-1, 1, 1000)
    gains = doubly_robust_gains(data, gold_outcome=guess, propensity=0.3)
    gold = np.where(data.has_gold, data.gold, 0.0)
    expected = guess + data.has_gold * (gold - guess) / 0.3
    assert gains.score == pytest.approx(expected)
    assert gains.mean == pytest.approx(expected.mean())
    assert gains.mean_se == pytest.approx(expected.std(ddof=1) / np.sqrt(1000), rel=0.01)


def test_scores_are_unbiased_however_bad_the_prediction():
    # 200 draws of the gold sample: the mean score misses the mean gain by Monte Carlo error only.
    rng = np.random.default_rng(0)
    gain = rng.standard_normal(400) + 0.5
    guess, p, means = 3 - gain**2, 0.4, []
    for _ in range(200):
        is_gold = rng.random(400) < p
        means.append(np.mean(guess + is_gold * (gain - guess) / p))
    assert abs(np.mean(means) - gain.mean()) < 3 * np.std(means) / np.sqrt(200)


def test_gold_for_all_leaves_the_labels():
    data = make_judged_queries(300, gold_share=1.0, random_state=0)
    gains = doubly_robust_gains(data)
    assert gains.score == pytest.approx(data.gold)
    one, two = (
        efficiency_gain_band(gains, data.X[:, 0]),
        efficiency_gain_band(data.gold, data.X[:, 0]),
    )
    assert one.band_lower == pytest.approx(two.band_lower)


def test_good_predictions_are_more_precise_than_gold_alone():
    gains = doubly_robust_gains(judged(3000), RECIPE, propensity=0.3, random_state=0)
    assert gains.mean_se < gains.gold_mean_se
    assert gains.mean == pytest.approx(gains.gold_mean, abs=4 * gains.gold_mean_se)


def test_curves_take_the_scores_for_gold_labels():
    data = judged(2000)
    gains = doubly_robust_gains(data, RECIPE, propensity=0.3, random_state=0)
    effects = rank_weighted_effects(gains, gains.prediction)
    assert np.isfinite(effects.se).all()
    assert effects.n == 2000


def test_same_seed_gives_the_same_scores():
    one, two = (doubly_robust_gains(judged(300), RECIPE, random_state=3) for _ in range(2))
    assert (one.score == two.score).all()


def test_few_gold_labels_give_no_interval():
    data = judged(60)
    keep = np.flatnonzero(data.has_gold)[12:]
    gold = data.gold.copy()
    gold[keep] = np.nan
    few = doubly_robust_gains(
        type(data)(X=data.X, gold=gold, preference=data.preference),
        gold_outcome=np.zeros(60),
        propensity=0.3,
    )
    assert np.isnan(few.mean_se)
    band = efficiency_gain_band(few, data.X[:, 0])
    assert (str(band.verdict), band.needed) == ("INCONCLUSIVE", 30)


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        ({"propensity": 1.5}, DataError, r"outside \[0, 1\] for 300 of 300"),
        ({"propensity": 0.0}, DataError, "propensity is 0 for 300 of 300"),
        ({"propensity": [0.5, 0.5]}, DataError, "propensity has 2 entries"),
        ({"gold_outcome": [1.0]}, DataError, "gold_outcome has 1 entries"),
        ({"level": 2.0}, MetaRouterError, "between 0 and 1"),
    ],
)
def test_bad_input_is_one_sentence(wrong, error, words):
    with pytest.raises(error, match=words):
        doubly_robust_gains(judged(300), RECIPE, **wrong)


def test_no_gold_label_is_refused():
    data = judged(50)
    with pytest.raises(DataError, match="none of 50 queries has a gold label"):
        doubly_robust_gains(type(data)(X=data.X, gold=np.full(50, np.nan), preference=np.ones(50)))


def test_result_prints_and_draws():
    gains = doubly_robust_gains(judged(300), RECIPE, propensity=0.3, random_state=0)
    assert "doubly robust" in gains.summary()
    assert r"\toprule" in gains.to_latex()
    assert gains.plot() is not None


def scarce(n, rare, seed=0):
    rng = np.random.default_rng(seed)
    gain = 0.5 * rng.standard_normal(n)
    gain[:rare] += 10.0
    gold = np.where(np.arange(n) % 2 == 0, gain, np.nan)
    return LabelledQueries(rng.standard_normal((n, 1)), gold, np.full(n, np.nan))


def test_a_few_rare_and_large_scores_leave_the_verdict_open():
    scores = doubly_robust_gains(scarce(200, 6), gold_outcome=np.zeros(200), propensity=0.5)
    assert str(scores.verdict) == "INCONCLUSIVE"
    assert "rare and large" in scores.summary()
    assert np.isfinite(scores.to_frame()[["ci_low", "ci_high"]]).all(axis=None)


def test_known_bounds_give_a_wider_interval_that_is_exact():
    data, wide = scarce(200, 6), np.zeros(200)
    usual = doubly_robust_gains(data, gold_outcome=wide, propensity=0.5).to_frame()
    bounded = doubly_robust_gains(data, gold_outcome=wide, propensity=0.5, gain_bounds=(-5.0, 20.0))
    exact = bounded.to_frame()
    assert str(bounded.verdict) == "PASS"
    assert exact["ci_low"][0] < usual["ci_low"][0]
    assert exact["ci_high"][0] > usual["ci_high"][0]
    assert "exact" in bounded.summary()


def test_bounds_hold_scores_of_labels_and_of_predictions_beyond_them():
    from metarouter.inference.intervals import reach_of_scores

    rng = np.random.default_rng(0)
    low, high, p = -1.0, 3.0, 0.2
    m = np.clip(5 * rng.standard_normal(2000), low, high)
    r = rng.choice([low, high], 2000)
    scores = np.concatenate([m, m + (r - m) / p])
    below, above = reach_of_scores((low, high), p)
    assert -below <= scores.min() < -0.9 * below
    assert 0.9 * above < scores.max() <= above


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"gain_bounds": (20.0, -5.0)}, "lowest, highest"),
        ({"gain_bounds": (-5.0, 20.0), "propensity": None}, "known propensity"),
        ({"gain_bounds": (-1.0, 1.0)}, "lie outside gain_bounds"),
    ],
)
def test_bounds_that_do_not_hold_are_refused(given, words):
    settings = {"gold_outcome": np.zeros(200), "propensity": 0.5} | given
    with pytest.raises((DataError, MetaRouterError), match=words):
        doubly_robust_gains(scarce(200, 6), **settings)


def test_labels_that_are_all_alike_leave_an_interval_with_bounds_alone():
    gold = np.where(np.arange(200) % 2 == 0, 1.0, np.nan)
    data = LabelledQueries(np.zeros((200, 1)), gold, np.full(200, np.nan))
    settings = {"gold_outcome": np.ones(200), "propensity": 0.5}
    alike = doubly_robust_gains(data, **settings)
    assert (str(alike.verdict), alike.needed) == ("INCONCLUSIVE", None)
    assert "all alike" in alike.reason
    bounded = doubly_robust_gains(data, gain_bounds=(0.0, 2.0), **settings)
    assert str(bounded.verdict) == "PASS"
    assert "nan" not in bounded.reason


def test_an_open_verdict_says_how_many_labels_would_do():
    gains = doubly_robust_gains(scarce(200, 6), gold_outcome=np.zeros(200), propensity=0.5)
    assert gains.needed == pytest.approx(100 * (gains.skewness / 0.4) ** 2, abs=1)
