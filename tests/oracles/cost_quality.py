"""AIQ, PGR, APGR and CPT by brute force, straight from their definitions."""

from __future__ import annotations

from itertools import product

import numpy as np


def best_mixture(cost, quality, budget):
    """Highest expected quality of a coin between any two points that costs no more than budget.

    The router that answers nothing, at no cost and with quality 0, is one of the points.
    """
    cost, quality = np.append(cost, 0.0), np.append(quality, 0.0)
    best = -np.inf
    for i, j in product(range(len(cost)), repeat=2):
        if cost[i] > budget:
            continue
        part = 1.0 if cost[j] <= budget else (budget - cost[i]) / (cost[j] - cost[i])
        best = max(best, (1 - part) * quality[i] + part * quality[j], quality[i])
    return best


def aiq_on_a_grid(cost, quality, low, high, n_steps=20_000):
    """Mean height of the best mixtures between two costs, by the midpoint rule."""
    budgets = low + (np.arange(n_steps) + 0.5) / n_steps * (high - low)
    return float(np.mean([best_mixture(cost, quality, budget) for budget in budgets]))


def routerbench_aiq(cost, quality):
    """The rule of RouterBench's own script: from the cheapest point on, divided by the largest."""
    low, high = cost.min(), cost.max()
    return aiq_on_a_grid(cost, quality, low, high) * (high - low) / high


def jackknife_error(estimate, n):
    """Standard error by leaving out one query at a time; estimate takes the kept rows."""
    rows = np.arange(n)
    left_out = np.array([estimate(np.delete(rows, row)) for row in rows])
    return float(np.sqrt((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum()))


def pgr_by_sending(strong, weak, score, n_strong):
    """PGR of sending exactly the n_strong highest scores, none of which are equal."""
    sent = np.argsort(-score)[:n_strong]
    routed = weak.copy()
    routed[sent] = strong[sent]
    return (routed.mean() - weak.mean()) / (strong.mean() - weak.mean())


def two_way_variance(values, first, second):
    """Cameron, Gelbach and Miller (2011), equation 2.11, by summing over all pairs of rows."""
    residual = (values - values.mean()) / len(values)

    def one_way(labels):
        clusters = set(labels)
        total = sum(
            residual[i] * residual[j]
            for i, j in product(range(len(values)), repeat=2)
            if labels[i] == labels[j]
        )
        return len(clusters) / (len(clusters) - 1) * total

    return (
        one_way(list(first))
        + one_way(list(second))
        - one_way(list(zip(first, second, strict=True)))
    )
