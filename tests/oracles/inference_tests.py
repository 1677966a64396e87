"""Tests of bias written naively: leave one out and refit, move one weight and look."""

from __future__ import annotations

import numpy as np


def leave_out_covariance(design, outcome, weight, units):
    """Jackknife over units: sum of squared moves of the coefficients, one refit per unit."""
    full = solve(design, outcome, weight)
    total = np.zeros((design.shape[1], design.shape[1]))
    for unit in np.unique(units):
        kept = units != unit
        move = full - solve(design[kept], outcome[kept], weight[kept])
        total += np.outer(move, move)
    return total


def solve(design, outcome, weight):
    weighted = design * weight[:, None]
    return np.linalg.solve(weighted.T @ design, weighted.T @ outcome)


def scale_factor(y, is_gold, weight):
    """c = sd(y) / sd(r), with weights."""
    sd = []
    for rows in (~is_gold, is_gold):
        mean = np.average(y[rows], weights=weight[rows])
        sd.append(np.sqrt(np.average((y[rows] - mean) ** 2, weights=weight[rows])))
    return sd[0] / sd[1]


def paired_shift(gold, preference, weight):
    """Mean of c r - y over queries that all carry both labels."""
    y = np.concatenate([gold, preference])
    is_gold = np.arange(len(y)) < len(gold)
    c = scale_factor(y, is_gold, np.concatenate([weight, weight]))
    return np.average(c * gold - preference, weights=weight)


def difference_of_means(y, is_gold, weight):
    c = scale_factor(y, is_gold, weight)
    gold = np.average(y[is_gold], weights=weight[is_gold])
    return c * gold - np.average(y[~is_gold], weights=weight[~is_gold])


def doubly_robust_shift(y, is_gold, weight, p, psi_in_gold_units, eta):
    """AIPW with a factor that is estimated and a psi that scales with it."""
    c = scale_factor(y, is_gold, weight)
    total = 0.0
    for i in range(len(y)):
        score = c * psi_in_gold_units[i] - eta[i]
        if is_gold[i]:
            score += c * (y[i] - psi_in_gold_units[i]) / p[i]
        else:
            score -= (y[i] - eta[i]) / (1 - p[i])
        total += weight[i] * score
    return total / weight.sum()


def bound_of_shift(labels, nuisances, kind, strength, weight):
    """theta + strength sigma nu with weights, by the formulas of the paper."""
    w, y, t, p = weight / weight.sum(), labels.y, labels.is_gold, nuisances.propensity_
    if kind == "linear_elements":
        left, source = y - nuisances.marginal_outcome_, t - p
        theta = (w @ (left * source)) / (w @ source**2)
        sigma2, nu2 = w @ (left - theta * source) ** 2, 1 / (w @ source**2)
    else:
        psi, eta = nuisances.gold_outcome_, nuisances.preference_outcome_
        left = y - np.where(t, psi, eta)
        alpha = np.where(t, 1 / p, -1 / (1 - p))
        theta = w @ (psi - eta + alpha * left)
        sigma2, nu2 = w @ left**2, w @ (2 * (1 / p + 1 / (1 - p)) - alpha**2)
    return theta + strength * np.sqrt(sigma2 * nu2)


def influence_by_moving_weights(estimate, weight, step=1e-6):
    """Derivative of an estimate with respect to each weight, times the weight."""
    moved = np.empty(len(weight))
    for i in range(len(weight)):
        up, down = weight.copy(), weight.copy()
        up[i] += step
        down[i] -= step
        moved[i] = weight[i] * (estimate(up) - estimate(down)) / (2 * step)
    return moved


def calibration(y, is_gold, gamma, p, prediction, fold):
    """Coefficients (mean, differential) of grf's test, with means by fold, by normal equations."""
    rows = [i for i in range(len(y)) if fold[i] >= 0]
    mean = {k: np.mean([prediction[i] for i in rows if fold[i] == k]) for k in set(fold) - {-1}}
    design = np.array(
        [
            [
                (is_gold[i] - p[i]) * mean[fold[i]],
                (is_gold[i] - p[i]) * (prediction[i] - mean[fold[i]]),
            ]
            for i in rows
        ]
    )
    outcome = np.array([y[i] - gamma[i] for i in rows])
    return solve(design, outcome, np.ones(len(rows))), design, outcome
