"""Naive re-implementations of dueling bandits: loops, no shortcuts, long chains."""

from __future__ import annotations

import math

import numpy as np


def log_posterior(theta, prior_mean, prior_variance, eta, z, target):
    """Minus U of the sampler, term by term."""
    value = -sum((t - m) ** 2 for t, m in zip(theta, prior_mean, strict=True)) / (
        2 * prior_variance
    )
    for row, won in zip(z, target, strict=True):
        margin = sum(a * b for a, b in zip(theta, row, strict=True))
        value -= eta * won * math.log1p(math.exp(-margin))
        value -= eta * (1 - won) * math.log1p(math.exp(margin))
    return value


def long_metropolis(prior_mean, prior_variance, eta, z, target, n_draws, seed, scale):
    """Random-walk Metropolis, vectorised over chains; returns draws of shape (n, d)."""
    rng = np.random.default_rng(seed)
    n_chains, burn = 400, 400

    def height(theta):
        margin = theta @ z.T
        loss = target * np.logaddexp(0, -margin) + (1 - target) * np.logaddexp(0, margin)
        return (
            -eta * loss.sum(axis=1) - ((theta - prior_mean) ** 2).sum(axis=1) / 2 / prior_variance
        )

    theta = prior_mean + rng.standard_normal((n_chains, len(prior_mean))) * math.sqrt(
        prior_variance
    )
    now, kept = height(theta), []
    for step in range(burn + n_draws):
        ahead = theta + scale * rng.standard_normal(theta.shape)
        then = height(ahead)
        moves = np.log(rng.random(n_chains)) < then - now
        theta, now = np.where(moves[:, None], ahead, theta), np.where(moves, then, now)
        if step >= burn and step % 10 == 0:
            kept.append(theta.copy())
    return np.concatenate(kept)


def pair_table(first_scores, second_scores, uniform, distinct):
    """Probability of every pair for one query, by going through all pairs of samples."""
    n_arms = len(first_scores[0])
    table = np.zeros((n_arms, n_arms))
    for one in first_scores:
        for other in second_scores:
            i = max(range(n_arms), key=lambda k: one[k])
            rivals = [k for k in range(n_arms) if k != i or not distinct]
            j = max(rivals, key=lambda k: other[k])
            table[i, j] += 1 / len(first_scores) / len(second_scores)
    pairs = [(i, j) for i in range(n_arms) for j in range(n_arms) if i != j or not distinct]
    mixed = (1 - uniform) * table
    for i, j in pairs:
        mixed[i, j] += uniform / len(pairs)
    return mixed


def weights(scores, weighting, tau, temperature, hard):
    """Category weights of CCFT, model by model and category by category."""
    n_models, n_categories = len(scores), len(scores[0])
    result = []
    for k in range(n_models):
        excels = []
        for m in range(n_categories):
            column = sorted((scores[j][m] for j in range(n_models)), reverse=True)
            excels.append(scores[k][m] >= column[min(tau, n_models) - 1])
        if weighting in ("perf", "perf_cost"):
            logits, kept = list(scores[k]), [True] * n_categories
        elif weighting == "excel_perf_cost":
            logits = [scores[k][m] if excels[m] else 0.0 for m in range(n_categories)]
            kept = excels if hard else [True] * n_categories
        else:
            logits = [float(excels[m]) for m in range(n_categories)]
            kept = excels if hard else [True] * n_categories
        if not any(kept):
            logits, kept = [0.0] * n_categories, [True] * n_categories
        powers = [
            math.exp(value / temperature) if keep else 0.0
            for value, keep in zip(logits, kept, strict=True)
        ]
        result.append([power / sum(powers) for power in powers])
    return np.array(result)


def contrastive_loss(unit, labels, temperature):
    """Supervised contrastive loss (Khosla et al. 2020, equation 2), query by query."""
    n, losses = len(unit), []
    for i in range(n):
        partners = [p for p in range(n) if p != i and labels[p] == labels[i]]
        if not partners:
            continue
        below = sum(math.exp(unit[i] @ unit[a] / temperature) for a in range(n) if a != i)
        losses.append(
            -sum(math.log(math.exp(unit[i] @ unit[p] / temperature) / below) for p in partners)
            / len(partners)
        )
    return float(np.mean(losses))
