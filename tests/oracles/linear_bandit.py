"""LinUCB written from the paper: one inverse per arm and round, outcomes kept in lists."""

from __future__ import annotations

import numpy as np
import scipy.linalg


class NaiveArm:
    def __init__(self, n_features, prior_precision):
        self.prior = prior_precision * np.eye(n_features)
        self.X, self.outcomes, self.weights = [], [], []

    def learn(self, x, outcomes, discount=1.0):
        self.weights = [weight * discount for weight in self.weights]
        self.X.append(x)
        self.outcomes.append(np.atleast_1d(outcomes))
        self.weights.append(1.0)

    def fade(self, discount):
        self.weights = [weight * discount for weight in self.weights]

    def precision(self):
        total = self.prior.copy()
        for x, weight in zip(self.X, self.weights, strict=True):
            total += weight * np.outer(x, x)
        return total

    def coef(self):
        """Shape (m, d)."""
        moment = sum(
            w * np.outer(o, x) for x, o, w in zip(self.X, self.outcomes, self.weights, strict=True)
        )
        return scipy.linalg.solve(self.precision(), moment.T, assume_a="pos").T

    def variance(self, x):
        return x @ scipy.linalg.solve(self.precision(), x, assume_a="pos")


def naive_lin_ucb(X, quality, cost, preference, ties, alpha=1.0, prior_precision=1.0):
    """Choices of LinUCB, one round at a time; `cost` may be None, `ties` are uniforms."""
    n_arms, n_outcomes = quality.shape[1], 1 if cost is None else 2
    arms = [NaiveArm(X.shape[1], prior_precision) for _ in range(n_arms)]
    cap, choices = 0.0, []
    for t, x in enumerate(X):
        w_quality, w_cost = preference[t]
        bounds = []
        for arm in arms:
            mean = arm.coef() @ x if arm.X else np.zeros(n_outcomes)
            value = w_quality * mean[0]
            if cost is not None:
                value -= w_cost * mean[1] / (cap or 1.0)
            spread = np.hypot(w_quality, w_cost) if cost is not None else w_quality
            bounds.append(value + alpha * spread * np.sqrt(arm.variance(x)))
        best = max(bounds)
        tied = [k for k, b in enumerate(bounds) if b >= best - 1e-9 * max(map(abs, bounds))]
        k = tied[int(ties[t] * len(tied))]
        choices.append(k)
        seen = [quality[t, k]] if cost is None else [quality[t, k], cost[t, k]]
        if cost is not None:
            cap = max(cap, cost[t, k])
        arms[k].learn(x, seen)
    return np.array(choices), arms
