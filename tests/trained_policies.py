"""Policies that are trained in an instant, on logs whose best arms are known."""

from __future__ import annotations

import numpy as np

from bandits import BaRP


def four_skills(n: int = 300):
    """Four arms, each good at its own direction; the better of a kind cost more."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 5))
    quality = 1 / (1 + np.exp(-2 * X[:, :4]))
    return X, quality, np.tile([1.0, 0.5, 0.2, 0.1], (n, 1))


def quick(**parameters):
    """Policy with the published settings, but for a few large steps."""
    ours = {"learning_rate": 3e-3, "epochs": 8, "random_state": 0, "cost_cap": 1.0}
    return BaRP(**{**BaRP.paper_settings(), **ours, **parameters})


def same_state(first, second):
    """Whether two policies hold the same bits."""
    return all((first._arrays()[name] == array).all() for name, array in second._arrays().items())
