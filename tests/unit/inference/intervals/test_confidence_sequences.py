from __future__ import annotations

import numpy as np
import pytest
from oracles import monitoring as oracle

from metarouter.inference.intervals import mean_half_width, share_evidence, share_limits


def test_half_width_of_a_mean_is_that_of_the_paper():
    values = np.random.default_rng(0).gamma(2.0, size=170)
    ours = mean_half_width(170, np.std(values, ddof=1), alpha=0.1, horizon=500)
    assert ours == pytest.approx(oracle.mean_half_width(values, 0.1, 500), rel=1e-12)


@pytest.mark.parametrize(("total", "n", "share"), [(30, 100, 0.4), (300, 1000, 0.34), (5, 60, 0.2)])
def test_evidence_is_close_to_the_mixture_over_all_bets(total, n, share):
    log = -2 * np.log(0.05)
    spread = np.sqrt((log + np.log(log + 1)) / 1000 / 0.2)
    exact = oracle.share_evidence(total, n, share, spread)
    assert share_evidence(total, n, share, horizon=1000) == pytest.approx(exact, abs=0.05)


def test_mixed_bets_have_a_mean_of_one_at_the_true_share():
    # All 2^12 sequences, weighted by their chances: what makes the sequence exact.
    coins = np.array(np.meshgrid(*[[0, 1]] * 12)).reshape(12, -1)
    total = coins.sum(axis=0)
    chance = 0.3**total * 0.7 ** (12 - total)
    assert chance @ np.exp(share_evidence(total, 12, 0.3, horizon=50)) == pytest.approx(1.0)


def test_chances_that_change_leave_the_evidence_below_one_on_average():
    chances = np.linspace(0.05, 0.9, 12)
    coins = np.array(np.meshgrid(*[[0, 1]] * 12)).reshape(12, -1).T
    weight = np.prod(np.where(coins == 1, chances, 1 - chances), axis=1)
    mean = weight @ np.exp(share_evidence(coins.sum(axis=1), 12, chances.mean(), horizon=50))
    assert 0.1 < mean <= 1.0


def test_ends_of_a_share_are_where_the_evidence_reaches_its_limit():
    lower, upper = share_limits([30.0, 0.0, 50.0], [100.0, 50.0, 50.0], alpha=0.05, horizon=1000)
    assert share_evidence([30.0, 30.0], 100.0, [lower[0], upper[0]], 1000) == pytest.approx(
        np.log(20), abs=1e-8
    )
    assert lower[1] == 0.0
    assert upper[2] == 1.0
    assert 0 < upper[1] < 0.5


def test_nothing_is_known_of_a_share_before_the_first_query():
    lower, upper = share_limits([0.0], [0.0], alpha=0.05, horizon=1000)
    assert (lower[0], upper[0]) == (0.0, 1.0)
