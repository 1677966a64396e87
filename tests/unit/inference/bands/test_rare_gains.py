"""Limits of gain curves where gains are rare and large."""

from __future__ import annotations

import numpy as np
import pytest

from metarouter.inference import efficiency_gain_band, rank_weighted_effects


def jackpots(seed, n=300):
    rng = np.random.default_rng(seed)
    return 0.1 * rng.standard_normal(n) + 5.0 * (rng.random(n) < 0.03), rng.standard_normal(n)


@pytest.mark.parametrize("grid", [[0.05, 0.1, 0.5], [0.05, 0.1]])
def test_limits_at_small_usages_cover_where_three_in_a_hundred_win(grid):
    # Scores know nothing of the gains: the efficiency gain is 0 at every usage.
    bands = [
        efficiency_gain_band(*jackpots(r), grid=grid, method="influence", n_draws=100)
        for r in range(200)
    ]
    covered = np.mean([(band.lower <= 0) & (band.upper >= 0) for band in bands], axis=0)
    assert (covered > 0.95 - 3 * np.sqrt(0.95 * 0.05 / 200)).all()


def test_asking_for_fewer_usages_changes_no_limit():
    gain, score = jackpots(1)
    settings = {"method": "influence", "n_draws": 100}
    many = efficiency_gain_band(gain, score, grid=[0.05, 0.1, 0.3, 0.5, 0.9], **settings)
    few = efficiency_gain_band(gain, score, grid=[0.05, 0.1], **settings)
    assert few.usage.tolist() == [0.05, 0.1]
    # The anchor lies at the nearest usage with enough gains, which a finer grid may beat a little.
    assert few.se == pytest.approx(many.se[:2], rel=0.1)


def test_small_samples_take_half_samples_for_the_autoc():
    rng = np.random.default_rng(0)
    score = rng.standard_normal(400)
    gain = score + rng.standard_normal(400)
    assert rank_weighted_effects(gain[:100], score[:100]).method == "half_sample"
    assert rank_weighted_effects(gain, score).method == "influence"
