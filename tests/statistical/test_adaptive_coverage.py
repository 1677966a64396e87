"""Intervals of the adaptive router for psi: how many true gains lie in them."""

from __future__ import annotations

import numpy as np
import pytest

from metarouter import AdaptiveMetaRouter
from metarouter.datasets import make_judged_queries

HONEST = {"bias": 0.0, "heterogeneity": 0.0}
BIASED = {"bias": 1.0, "heterogeneity": 1.0}
N_NEW = 400
NOMINAL = 0.90
FIRST_SEED = 100  # the factor of the standard deviation was chosen on seeds below


def coverage(judge: dict[str, float], n_gold: int, repetitions: int) -> tuple[float, float]:
    """Share of new queries whose psi lies in the 90% interval, and its s.e. over repetitions.

    A thousand preference labels, ten features; the queries of one repetition share a fit, so that
    the repetition is the unit.
    """
    shares = []
    for seed in range(FIRST_SEED, FIRST_SEED + repetitions):
        n = 1000 + n_gold
        rows = make_judged_queries(
            n, 10, gold_share=n_gold / n, pairing=0, random_state=seed, **judge
        ).training_rows()
        model = AdaptiveMetaRouter(random_state=0).fit(rows.X, rows.y, is_gold=rows.is_gold)
        new = make_judged_queries(N_NEW, 10, pairing=0, random_state=10_000 + seed, **judge)
        gain, deviation = model.predict(new.X, return_std=True)
        shares.append(np.mean(np.abs(gain - new.truth.gold_psi) < 1.645 * deviation))
    return float(np.mean(shares)), float(np.std(shares, ddof=1) / np.sqrt(repetitions))


def test_most_intervals_of_a_few_fits_hold_the_truth() -> None:
    assert coverage(HONEST, 100, 3)[0] > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("n_gold", [50, 100, 300])
@pytest.mark.parametrize("judge", [HONEST, BIASED], ids=["honest", "biased"])
def test_nominal_coverage_is_reached_or_exceeded(judge, n_gold) -> None:
    share, error = coverage(judge, n_gold, 60)
    assert share > NOMINAL - 3 * error
    assert error < 0.02
