"""Intervals of AIQ, APGR, CPT and two-way clustered means cover at their level."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from metarouter.evaluation import clustered_means, cost_quality_curve, performance_gap_curve

DIAL = np.linspace(-2, 2, 9)
COST_RANGE = (0.3, 5.0)
# Means over 2.4 million simulated queries.
TRUE_AIQ, TRUE_APGR, TRUE_CPT = 0.7075, 0.6495, np.array([0.3089, 0.5875])


def draw(rng, n):
    """A strong and a weak model, and a noisy score of the difficulty that separates them."""
    hard = rng.standard_normal(n)
    strong = (rng.random(n) < 1 / (1 + np.exp(-1.5 + 0.5 * hard))).astype(float)
    weak = (rng.random(n) < 1 / (1 + np.exp(-0.3 + 1.2 * hard))).astype(float)
    score = hard + 0.7 * rng.standard_normal(n)
    sent = score[:, None] > DIAL
    prices = (5.0, 0.3)
    dear, cheap = (p * np.exp(0.3 * rng.standard_normal((n, 1))) for p in prices)
    cost = np.where(sent, dear, cheap)
    return cost, np.where(sent, strong[:, None], weak[:, None]), strong, weak, score


def within_three_errors(covered, level=0.95):
    return abs(np.mean(covered) - level) < 3 * sqrt(level * (1 - level) / len(covered))


def coverage(n, rounds, seed):
    rng = np.random.default_rng([seed, n])
    aiq, apgr, cpt = [], [], []
    for _ in range(rounds):
        cost, quality, strong, weak, score = draw(rng, n)
        low, high = cost_quality_curve(cost, quality, cost_range=COST_RANGE).aiq.interval()
        aiq.append(low[0] < TRUE_AIQ < high[0])
        curve = performance_gap_curve(strong, weak, score, n_resamples=100, grid=[0, 1])
        low_apgr, high_apgr = curve.interval()
        apgr.append(low_apgr < TRUE_APGR < high_apgr)
        cpt.append(np.abs(curve.cpt - TRUE_CPT) < 1.96 * curve.cpt_se)
    return np.array(aiq), np.array(apgr), np.array(cpt)


def test_intervals_of_areas_and_thresholds_cover_at_their_level():
    aiq, apgr, cpt = coverage(1000, rounds=200, seed=0)
    assert within_three_errors(aiq)
    assert within_three_errors(apgr)
    assert (cpt.mean(axis=0) > 0.88).all()


@pytest.mark.slow
@pytest.mark.parametrize("n", [500, 2000])
def test_intervals_of_areas_and_thresholds_cover_in_a_long_study(n):
    aiq, apgr, cpt = coverage(n, rounds=2000, seed=1)
    assert within_three_errors(aiq)
    assert within_three_errors(apgr)
    assert (cpt.mean(axis=0) > 0.92).all()


def two_way_coverage(of_seed, of_query, of_both, share, rounds, seed, n_seeds=5, n_queries=400):
    """Five seeds, each tested on a random share of the queries; the true mean is 0."""
    rng = np.random.default_rng(seed)
    covered = []
    for _ in range(rounds):
        query_effect = of_query * rng.standard_normal(n_queries)
        tested = [np.flatnonzero(rng.random(n_queries) < share) for _ in range(n_seeds)]
        values = [
            of_seed * rng.standard_normal()
            + query_effect[rows]
            + of_both * rng.standard_normal(rows.size)
            for rows in tested
        ]
        groups = [np.c_[np.full(rows.size, s), rows] for s, rows in enumerate(tested)]
        low, high = clustered_means(np.concatenate(values), np.concatenate(groups)).interval()
        covered.append(low[0] < 0 < high[0])
    return np.array(covered)


# Where neither way decides, the sum of two noisy variances is rather too large than too small.
@pytest.mark.parametrize(
    ("of_seed", "of_query", "of_both", "share"),
    [(0.0, 1.0, 0.3, 1.0), (0.0, 1.0, 1.0, 0.2), (0.05, 1.0, 0.5, 0.2), (0.3, 1.0, 0.5, 1.0)],
)
def test_means_over_five_seeds_cover_whichever_way_decides(of_seed, of_query, of_both, share):
    covered = two_way_coverage(of_seed, of_query, of_both, share, rounds=400, seed=0)
    assert 0.95 - 3 * sqrt(0.95 * 0.05 / 400) < covered.mean() < 0.99


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.2, 1.0])
@pytest.mark.parametrize("of_seed", [0.0, 0.02, 0.1, 0.5])
@pytest.mark.parametrize("of_query", [0.0, 0.3, 1.0])
def test_means_over_five_seeds_cover_in_a_long_study(of_seed, of_query, share):
    covered = two_way_coverage(of_seed, of_query, 0.5, share, rounds=2000, seed=1)
    assert 0.92 < covered.mean() < 0.995
