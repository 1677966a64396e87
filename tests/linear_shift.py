"""Labels of two sources whose shift is linear, and quick models for them."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LinearRegression, LogisticRegression

from metarouter import MetaRouter, Nuisances, RLearner
from metarouter.datasets import LabelledQueries


def labelled(
    n=600, *, mean=-0.5, slope=0.5, tilt=0.5, both=False, unit=1.0, groups=None, weight=None, seed=0
):
    """Queries with psi = 0.5 + x_0 + x_1 / 2 and Delta = mean + slope x_1."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 3))
    psi = 0.5 + X[:, 0] + X[:, 1] / 2
    is_gold = rng.random(n) < 1 / (1 + np.exp(0.8 - tilt * X[:, 0]))
    noise = rng.standard_normal((2, n))
    gold = unit * (psi + noise[0])
    preference = psi - mean - slope * X[:, 1] + noise[1]
    return LabelledQueries(
        X=X,
        gold=gold if both else np.where(is_gold, gold, np.nan),
        preference=preference if both else np.where(is_gold, np.nan, preference),
        groups=groups,
        weight=weight,
        feature_names=["a", "b", "c"],
    )


def recipe(**settings):
    return Nuisances(outcome=LinearRegression(), propensity=LogisticRegression(), **settings)


def quick_router():
    line = LinearRegression()
    return MetaRouter(RLearner(line, LogisticRegression(), line), line)
