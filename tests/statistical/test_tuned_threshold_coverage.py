"""What a tuned threshold did on its sample, against what it does on new queries."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.base import BaseEstimator

from metarouter.routing import GivenCost, ThresholdRouter, tune_threshold

ROUNDS = 1000
N_QUERIES = 300
# Costs are skewed: with 300 queries a normal interval covers 94%, not 95%.
N_PRICED_QUERIES = 1000


class FirstFeature(BaseEstimator):
    """A gain model that predicts its first feature exactly."""

    def fit(self, X, y=None):
        return self

    def predict(self, X):
        return np.asarray(X, dtype=float)[:, 0]

    def __sklearn_is_fitted__(self):
        return True


def within_three_standard_errors(coverage, nominal=0.95):
    return abs(coverage - nominal) <= 3 * np.sqrt(nominal * (1 - nominal) / ROUNDS)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.45, 0.9])
def test_the_interval_of_the_usage_ratio_covers_that_of_new_queries(share):
    rng = np.random.default_rng(int(100 * share))
    router = ThresholdRouter(FirstFeature())
    covered = 0
    for _ in range(ROUNDS):
        tuned = tune_threshold(router, rng.normal(size=(N_QUERIES, 1)), max_share=share)
        low, high = tuned.usage_ratio_interval
        covered += low <= norm.sf(tuned.w) <= high
    assert within_three_standard_errors(covered / ROUNDS)


@pytest.mark.parametrize("quantity", ["mean_cost", "gain"])
@pytest.mark.parametrize("max_cost", [0.4, 0.6])
def test_the_standard_errors_cover_cost_and_gain_of_new_queries(quantity, max_cost):
    rng = np.random.default_rng(0)
    router = ThresholdRouter(FirstFeature(), GivenCost())

    def draw(n):
        psi = rng.normal(size=n)
        costs = {
            "cost_primary": rng.uniform(0.5, 2.0, n) + 0.2 * (psi > 0),
            "cost_alternative": rng.uniform(0.0, 0.5, n),
        }
        return psi.reshape(-1, 1), costs, psi + rng.normal(size=n)

    new, new_costs, new_gold = draw(200_000)
    extra = new_costs["cost_primary"] - new_costs["cost_alternative"]
    covered = 0
    for _ in range(ROUNDS):
        X, costs, gold = draw(N_PRICED_QUERIES)
        tuned = tune_threshold(router, X, max_cost=max_cost, gold=gold, **costs)
        to_primary = new[:, 0] > tuned.w * extra
        truth = {
            "mean_cost": np.mean(new_costs["cost_alternative"] + to_primary * extra),
            "gain": np.mean(new_gold * to_primary),
        }[quantity]
        error = getattr(tuned, quantity) - truth
        covered += abs(error) <= norm.ppf(0.975) * getattr(tuned, f"{quantity}_se")
    assert within_three_standard_errors(covered / ROUNDS)
