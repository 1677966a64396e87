"""Intervals of the adaptive router hold most true gains where the judge is honest."""

from __future__ import annotations

import numpy as np

from metarouter import AdaptiveMetaRouter
from metarouter.datasets import make_judged_queries


def coverage(bias: float, heterogeneity: float, repetitions: int) -> tuple[float, float]:
    """Share of new queries whose psi lies in the 90% interval, and its s.e. over repetitions."""
    world = {"bias": bias, "heterogeneity": heterogeneity, "pairing": 0}
    shares = []
    for seed in range(repetitions):
        rows = make_judged_queries(
            1000, 10, gold_share=0.1, random_state=seed, **world
        ).training_rows()
        model = AdaptiveMetaRouter(random_state=0).fit(rows.X, rows.y, is_gold=rows.is_gold)
        new = make_judged_queries(400, 10, random_state=1000 + seed, **world)
        gain, deviation = model.predict(new.X, return_std=True)
        shares.append(np.mean(np.abs(gain - new.truth.gold_psi) < 1.645 * deviation))
    return float(np.mean(shares)), float(np.std(shares, ddof=1) / np.sqrt(repetitions))


def test_most_intervals_of_a_few_fits_hold_the_truth() -> None:
    assert coverage(0.0, 0.0, 3)[0] > 0.7
