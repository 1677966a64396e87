"""Labels that are means of unequal numbers of draws: weighing them by precision pays."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from metarouter import AdaptiveMetaRouter, DRLearner, MetaRouter, RLearner
from metarouter.datasets import LabelledQueries
from metarouter.evaluation import efficiency_gain_curve
from metarouter.judging import Verdicts, draw_weights

SEEDS = 16
N, N_GOLD, N_TEST = 1200, 120, 2000


def judged_queries(seed: int) -> tuple[LabelledQueries, np.ndarray, np.ndarray]:
    """Half of the labels are of one draw in each order, half of eight; the judge is biased."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N + N_TEST, 6))
    psi = np.sin(X[:, 0]) + 0.5 * X[:, 1]
    level = psi - 0.4 - 0.5 * X[:, 2] + 0.3 * rng.normal(size=len(X))
    orders = [level[:N, None] + 2.0 * rng.normal(size=(N, 8)) for _ in range(2)]
    few = rng.uniform(size=N) < 0.5
    for order in orders:
        order[few, 1:] = np.nan
    verdicts = Verdicts(*orders)
    gold = np.where(np.arange(N) < N_GOLD, psi[:N] + 0.5 * rng.normal(size=N), np.nan)
    precision = draw_weights(verdicts)
    queries = LabelledQueries(X[:N], gold, verdicts.mean, preference_weight=precision)
    return queries, X[N:], psi[N:]


def errors(queries: LabelledQueries, X: np.ndarray, psi: np.ndarray, model) -> tuple[float, float]:
    """Mean squared error of the gain up to its level, and area of its efficiency gain."""
    rows = queries.training_rows()
    groups = rows.groups if isinstance(model, AdaptiveMetaRouter) else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model.fit(
            rows.X, rows.y, is_gold=rows.is_gold, sample_weight=rows.sample_weight, groups=groups
        )
    error = model.predict(X) - psi
    return float(error.var()), efficiency_gain_curve(psi, error + psi).area


@pytest.mark.slow
def test_precision_lowers_the_error_of_every_learner() -> None:
    found: dict[str, list[np.ndarray]] = {}
    for seed in range(SEEDS):
        queries, X, psi = judged_queries(seed)
        plain = LabelledQueries(queries.X, queries.gold, queries.preference)
        models = {
            "adaptive": AdaptiveMetaRouter(random_state=0),
            "dr": MetaRouter(shift=DRLearner(propensity="constant", method="oob"), random_state=0),
            "r": MetaRouter(shift=RLearner(propensity="constant", method="oob"), random_state=0),
        }
        for name, model in models.items():
            both = [errors(given, X, psi, model) for given in (plain, queries)]
            found.setdefault(name, []).append(np.array(both))
    for name, pairs in found.items():
        pairs_ = np.array(pairs)
        change = pairs_[:, 1] - pairs_[:, 0]
        mean, se = change.mean(axis=0), change.std(axis=0, ddof=1) / np.sqrt(SEEDS)
        plain = pairs_[:, 0].mean(axis=0)
        print(
            f"{name}: mean squared error {plain[0]:.4f}, with precision {mean[0]:+.4f} "
            f"(s.e. {se[0]:.4f}); area {plain[1]:.4f}, {mean[1]:+.5f} (s.e. {se[1]:.5f})"
        )
        assert mean[0] < -2 * se[0], name
        assert mean[1] > -2 * se[1], name
