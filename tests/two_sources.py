"""Small data with two label sources and a known, linear shift."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np


def two_sources(
    n=400, d=4, *, gold_share=0.3, confounding=0.0, shift=None, noise=1.0, seed=0
) -> SimpleNamespace:
    """Draw X, y, is_gold with psi = x_0 + x_1 / 2, Delta = shift(X) and a logistic propensity."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    psi = X[:, 0] + X[:, 1] / 2
    delta = -1 + X[:, 1] if shift is None else shift(X)
    propensity = 1 / (1 + np.exp(-np.log(gold_share / (1 - gold_share)) - confounding * X[:, 0]))
    is_gold = rng.random(n) < propensity
    y = np.where(is_gold, psi, psi - delta) + noise * rng.normal(size=n)
    return SimpleNamespace(
        X=X, y=y, is_gold=is_gold, psi=psi, delta=delta, propensity=propensity, rng=rng
    )
