"""Does the 95% interval of the area, and of a paired difference, cover 95 times in 100?"""

from __future__ import annotations

from math import pi, sqrt

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import norm

from metarouter.evaluation import compare_routers, efficiency_gain_curve

SIZES = (300, 1000, 4000)
SLOPE = 0.5


def continuous(rng, n):
    """Gaussian scores, gain linear in them: Cov(r, Phi(psi)) = slope / (2 sqrt(pi))."""
    score = rng.standard_normal(n)
    return SLOPE * score + rng.standard_normal(n), score


def tied(rng, n):
    """Gains in {-1, 0, 1}, heteroscedastic, with scores rounded to whole numbers."""
    score = rng.standard_normal(n).round()
    worse, better = _verdict_probabilities(score)
    draw = rng.random(n)
    return (draw > 1 - better).astype(float) - (draw < worse), score


def _verdict_probabilities(score):
    return ndtr(-0.6 - 0.4 * score), ndtr(-1.0 + 0.5 * score)


def _area_of_tied():
    value = np.arange(-9.0, 10.0)
    mass = norm.cdf(value + 0.5) - norm.cdf(value - 0.5)
    worse, better = _verdict_probabilities(value)
    mid_distribution = np.cumsum(mass) - mass / 2
    return float(mass @ ((better - worse) * (mid_distribution - 0.5)))


DESIGNS = {
    "continuous": (continuous, SLOPE / (2 * sqrt(pi))),
    "tied": (tied, _area_of_tied()),
}


def within_three_errors(covered, level=0.95):
    return abs(np.mean(covered) - level) < 3 * sqrt(level * (1 - level) / len(covered))


def area_coverage(design, n, rounds, seed):
    draw, area = DESIGNS[design]
    rng = np.random.default_rng([seed, n])
    intervals = (efficiency_gain_curve(*draw(rng, n)).interval() for _ in range(rounds))
    return np.array([low < area < high for low, high in intervals])


def difference_coverage(n, rounds, seed):
    """Two noisy views of one signal: their areas differ by slope (c1 - c2) / (2 sqrt(pi))."""
    rng = np.random.default_rng([seed, n])
    truth = SLOPE * (0.8 - 0.5) / (2 * sqrt(pi))
    covered = []
    for _ in range(rounds):
        signal = rng.standard_normal(n)
        gain = SLOPE * signal + rng.standard_normal(n)
        views = {c: c * signal + sqrt(1 - c**2) * rng.standard_normal(n) for c in (0.5, 0.8)}
        frame = compare_routers(
            gain, {"far": views[0.5], "near": views[0.8]}, reference="far"
        ).to_frame()
        covered.append(frame.difference_low[1] < truth < frame.difference_high[1])
    return np.array(covered)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("design", DESIGNS)
def test_interval_of_the_area_covers_at_its_level(design, n):
    assert within_three_errors(area_coverage(design, n, rounds=600, seed=0))


@pytest.mark.parametrize("n", SIZES)
def test_interval_of_a_paired_difference_covers_at_its_level(n):
    assert within_three_errors(difference_coverage(n, rounds=400, seed=0))


@pytest.mark.slow
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("design", DESIGNS)
def test_interval_of_the_area_covers_at_its_level_in_a_long_study(design, n):
    assert within_three_errors(area_coverage(design, n, rounds=10_000, seed=1))


@pytest.mark.slow
@pytest.mark.parametrize("n", SIZES)
def test_interval_of_a_paired_difference_covers_at_its_level_in_a_long_study(n):
    assert within_three_errors(difference_coverage(n, rounds=10_000, seed=1))
