"""Which interval covers what: this table over more splits, or new tables of its size?"""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from metarouter import MetaRouter, ZeroShift
from metarouter.datasets import LabelledQueries
from metarouter.evaluation import MonteCarloStudy

ROUTERS = {
    "pooled": MetaRouter(ZeroShift(), Ridge()),
    "gold_only": MetaRouter(regressor=Ridge(), sources="gold"),
}


def draw_table(seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((300, 4))
    psi = X @ [0.5, 0.3, 0.0, 0.0]
    return LabelledQueries(
        X=X,
        gold=psi + rng.standard_normal(300),
        preference=psi - 0.5 + 0.4 * X[:, 2] + rng.standard_normal(300),
    )


@pytest.fixture(scope="module")
def coverage():
    """Share of tables whose interval holds the mean over all tables, by interval and quantity."""
    frames = {"corrected": [], "monte_carlo": []}
    for seed in range(300):
        study = MonteCarloStudy(
            ROUTERS, oracle=False, n_gold=50, rounds=15, n_test=75, random_state=seed
        )
        result = study.run(draw_table(seed))
        for interval, rows in frames.items():
            areas = result.areas(interval=interval)
            difference = result.paired_differences("pooled", interval=interval).iloc[0]
            rows.append(
                np.vstack(
                    [
                        areas[["area", "lo", "hi"]].to_numpy(),
                        difference[["difference", "ci_low", "ci_high"]].to_numpy(dtype=float),
                    ]
                )
            )
    answer = {}
    for interval, rows in frames.items():
        estimate, low, high = np.moveaxis(np.array(rows), 2, 0)
        truth = estimate.mean(axis=0)
        answer[interval] = ((low < truth) & (truth < high)).mean(axis=0)
    return answer


@pytest.mark.slow
def test_corrected_intervals_cover_what_new_tables_would_show(coverage):
    pooled, gold_only, difference = coverage["corrected"]
    margin = 3 * sqrt(0.95 * 0.05 / 300)
    assert abs(pooled - 0.95) < margin
    assert abs(gold_only - 0.95) < margin
    # The correction takes the rounds of a paired difference to be more dependent than they are.
    assert difference > 0.95 - margin


@pytest.mark.slow
def test_monte_carlo_intervals_do_not_cover_what_new_tables_would_show(coverage):
    assert (coverage["monte_carlo"] < 0.85).all()
