"""Curves, rank-weighted effects and their influence functions, one query at a time."""

from __future__ import annotations

import numpy as np


def gained_at(gain, score, weight, usage):
    """Y(u): gain per query of sending the share `usage` with the highest scores."""
    share = np.asarray(weight, dtype=float) / np.sum(weight)
    sent, total = 0.0, 0.0
    for value in sorted(set(score), reverse=True):
        block = [i for i in range(len(gain)) if score[i] == value]
        mass = sum(share[i] for i in block)
        part = min(1.0, max(0.0, (usage - sent) / mass)) if mass > 0 else 0.0
        total += part * sum(share[i] * gain[i] for i in block)
        sent += mass
    return total


def toc_at(gain, score, weight, usage):
    return gained_at(gain, score, weight, usage) / usage - np.average(gain, weights=weight)


def efficiency_gain_at(gain, score, weight, usage):
    return usage * toc_at(gain, score, weight, usage) if usage > 0 else 0.0


def autoc_as_grf(gain, score):
    """Mean of the TOC over usages 1/n, ..., 1, scores averaged within ties."""
    averaged = [np.mean([g for g, s in zip(gain, score, strict=True) if s == own]) for own in score]
    falling = [averaged[i] for i in np.argsort(-np.asarray(score), kind="stable")]
    toc = [np.mean(falling[: k + 1]) - np.mean(gain) for k in range(len(gain))]
    return float(np.mean(toc))


def autoc_by_ranks(gain, score):
    """Mean of H_i Gamma_(i), H_i = sum of 1 / j from i on, minus 1; no ties."""
    n = len(gain)
    falling = np.asarray(gain)[np.argsort(-np.asarray(score))]
    weights = [sum(1 / j for j in range(i, n + 1)) - 1 for i in range(1, n + 1)]
    return float(np.mean(np.array(weights) * falling))


def effect_by_quadrature(gain, score, weight, of_toc, n_points=400_000):
    """Integral of of_toc(u) TOC(u) by the midpoint rule on the curve between blocks."""
    share = np.asarray(weight, dtype=float) / np.sum(weight)
    values = sorted(set(score), reverse=True)
    spent = np.cumsum([0.0] + [share[np.asarray(score) == v].sum() for v in values])
    gained = np.cumsum([0.0] + [(share * gain)[np.asarray(score) == v].sum() for v in values])
    usage = (np.arange(n_points) + 0.5) / n_points
    toc = np.interp(usage, spent, gained) / usage - gained[-1]
    return float(np.mean(of_toc(usage) * toc))


def influence_by_contamination(functional, weight, step=1e-6):
    """Derivative of a functional of the weights as mass moves towards each query."""
    share = np.asarray(weight, dtype=float) / np.sum(weight)
    slopes = []
    for i in range(len(share)):
        up, down = (1 - step) * share, (1 + step) * share
        up[i] += step
        down[i] -= step
        slopes.append((functional(up) - functional(down)) / (2 * step))
    return np.array(slopes)


def stepdown_by_hand(statistic, drawn):
    """Romano and Wolf, one hypothesis at a time."""
    left, adjusted, last = list(range(len(statistic))), np.empty(len(statistic)), 0.0
    while left:
        k = max(left, key=lambda j: statistic[j])
        largest = [max(row[j] for j in left) for row in drawn]
        p = (1 + sum(value >= statistic[k] for value in largest)) / (1 + len(drawn))
        last = adjusted[k] = max(p, last)
        left.remove(k)
    return adjusted


def toc_influence_of_econml(gain, score, threshold):
    """Influence function of `econml.validate.utils.calc_uplift` (0.17), for comparison."""
    sent = (np.asarray(score) >= threshold).astype(float)
    mean = np.mean(gain)
    toc = gain[sent == 1].mean() - mean
    return (gain - mean) * (sent / sent.mean() - 1) - toc
