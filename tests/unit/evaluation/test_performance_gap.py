from __future__ import annotations

import numpy as np
import pytest
from oracles.cost_quality import jackknife_error, pgr_by_sending

from metarouter.evaluation import efficiency_gain_curve, performance_gap_curve
from metarouter.exceptions import DataError, MetaRouterError


def pair(seed, n=80):
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=n)
    strong = (rng.random(n) < 0.8).astype(float)
    weak = (rng.random(n) < 1 / (1 + np.exp(2 * signal))).astype(float)
    return strong, weak, signal


def test_pgr_is_what_sending_the_highest_scores_recovers():
    strong, weak, score = pair(0)
    curve = performance_gap_curve(strong, weak, score, grid=np.arange(81) / 80)
    expected = [pgr_by_sending(strong, weak, score, k) for k in range(81)]
    assert curve.pgr == pytest.approx(expected)
    assert curve.apgr_deciles == pytest.approx(np.mean(expected[8::8]))


def test_apgr_is_the_integral_and_one_half_more_than_the_efficiency_gain():
    strong, weak, score = pair(1)
    curve = performance_gap_curve(strong, weak, score, grid=np.arange(81) / 80)
    trapezoid = np.mean((curve.pgr[1:] + curve.pgr[:-1]) / 2)
    assert curve.apgr == pytest.approx(trapezoid)
    gain = efficiency_gain_curve(strong - weak, score).area
    assert curve.apgr == pytest.approx(0.5 + gain / curve.gap)


def test_random_routing_recovers_what_it_spends():
    strong, weak, _ = pair(2)
    curve = performance_gap_curve(strong, weak, np.zeros(80))
    assert curve.pgr == pytest.approx(curve.share)
    assert curve.apgr == pytest.approx(0.5)
    assert curve.cpt == pytest.approx([0.5, 0.8])


def test_cpt_is_the_first_share_that_reaches_the_target():
    strong, weak = np.array([1.0, 0.0, 1.0, 1.0]), np.array([0.0, 1.0, 0.0, 0.0])
    # The curve rises to one half, falls, and rises again: interpolation would be misled.
    curve = performance_gap_curve(strong, weak, [4, 3, 2, 1], target=(0.25, 0.5, 1.0))
    assert curve.cpt == pytest.approx([0.125, 0.25, 1.0])


def test_error_of_apgr_agrees_with_the_jackknife():
    strong, weak, score = pair(3, n=200)

    def apgr(rows):
        return performance_gap_curve(strong[rows], weak[rows], score[rows], n_resamples=2).apgr

    curve = performance_gap_curve(strong, weak, score)
    assert curve.apgr_se == pytest.approx(jackknife_error(apgr, 200), rel=0.03)


def test_bootstrap_of_the_deciles_agrees_with_the_influence_of_the_integral():
    curve = performance_gap_curve(*pair(4, n=400))
    assert curve.apgr_deciles_se == pytest.approx(curve.apgr_se, rel=0.2)
    assert curve.pgr_se[[0, -1]] == pytest.approx([0, 0], abs=1e-12)


def test_errors_count_groups_where_there_are_any():
    strong, weak, score = (np.tile(column, 2) for column in pair(5, n=200))
    alone = performance_gap_curve(*pair(5, n=200))
    groups = np.tile([f"{k:03d}" for k in range(200)], 2)
    grouped = performance_gap_curve(strong, weak, score, groups=groups)
    assert grouped.apgr_se == pytest.approx(alone.apgr_se)
    assert grouped.cpt_se == pytest.approx(alone.cpt_se)  # the same resamples of the same units


def test_a_gap_that_may_be_nought_has_no_error_of_ratios():
    strong = np.array([1.0, 0.0, 0.0, 0.0, 1.0, 0.0])
    curve = performance_gap_curve(strong, np.zeros(6), np.arange(6))
    assert np.isnan(curve.cpt_se).all()
    assert np.isnan(curve.apgr_deciles_se)


def test_same_seed_gives_the_same_errors():
    one, two = (performance_gap_curve(*pair(6), random_state=3) for _ in range(2))
    assert (one.cpt_se == two.cpt_se).all()


def test_frame_and_summary_tell_the_curve():
    curve = performance_gap_curve(*pair(7))
    assert curve.to_frame().columns.tolist() == ["share", "pgr", "pgr_se"]
    assert "CPT(50%)" in curve.summary()


def test_a_strong_model_that_is_not_better_leaves_no_gap():
    strong, weak, score = pair(8)
    with pytest.raises(DataError, match="there is no gap to recover"):
        performance_gap_curve(weak * 0, strong, score)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"target": (0.0,)}, "target holds 0"),
        ({"n_resamples": 1}, "n_resamples is 1"),
        ({"score": [1.0]}, "score has 1 entries but quality_strong has 80"),
    ],
)
def test_mistakes_are_said_in_one_sentence(options, complaint):
    strong, weak, score = pair(9)
    score = options.pop("score", score)
    with pytest.raises(MetaRouterError, match=complaint):
        performance_gap_curve(strong, weak, score, **options)
