"""Efficiency gain by brute force: every order that random tie-breaking could give, in turn."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np


def curve_by_enumeration(gold_gain, psi_hat):
    """EG at usages 0, 1/n, ..., 1, averaged over all orders of the queries that share a score."""
    n = len(gold_gain)
    blocks = [
        [i for i in range(n) if psi_hat[i] == score] for score in sorted(set(psi_hat), reverse=True)
    ]
    curves = []
    for orders in product(*(list(permutations(block)) for block in blocks)):
        routed_first = [i for block in orders for i in block]
        total = [sum(gold_gain[i] for i in routed_first[:k]) for k in range(n + 1)]
        curves.append([(total[k] - k / n * total[n]) / n for k in range(n + 1)])
    return np.mean(curves, axis=0)


def area_by_trapezoids(gold_gain, psi_hat):
    """Area below the broken line through the points of ``curve_by_enumeration``."""
    points = curve_by_enumeration(gold_gain, psi_hat)
    return float(np.mean((points[:-1] + points[1:]) / 2))


def area_by_pairs(gold_gain, psi_hat, weight):
    """Weighted Cov(r, F(psi)) as a double sum over pairs of queries."""
    share = np.asarray(weight) / np.sum(weight)
    area = 0.0
    for i in range(len(gold_gain)):
        for j in range(len(gold_gain)):
            below = (psi_hat[j] < psi_hat[i]) + 0.5 * (psi_hat[j] == psi_hat[i])
            area += share[i] * share[j] * gold_gain[i] * (below - 0.5)
    return float(area)


def influence_by_contamination(gold_gain, psi_hat, weight, step=1e-6):
    """Derivative of the area as mass moves towards each query."""
    share = np.asarray(weight, dtype=float) / np.sum(weight)
    base = area_by_pairs(gold_gain, psi_hat, share)
    slopes = []
    for i in range(len(gold_gain)):
        moved = (1 - step) * share
        moved[i] += step
        slopes.append((area_by_pairs(gold_gain, psi_hat, moved) - base) / step)
    return np.array(slopes)
