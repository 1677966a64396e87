"""Gaussian marginal likelihood and posterior of paired comparisons, written out."""

from __future__ import annotations

import numpy as np
from scipy.stats import multivariate_normal


def design(features, first, second, n_models):
    rows = []
    for f, k, other in zip(features, first, second, strict=True):
        row = np.zeros((n_models, features.shape[1]))
        row[k] += f
        row[other] -= f
        rows.append(row.ravel())
    return np.array(rows)


def joint_normal(gold, preference, n_models, parts):
    """Return (covariance of scores, cross-covariance with labels, covariance of labels, labels)."""
    m = gold.features.shape[1]

    def prior(level, slope):
        return np.diag(np.tile(np.r_[level**2, np.full(m - 1, slope**2)], n_models))

    scores = prior(parts.score_level, parts.score_slope)
    bias = prior(parts.bias_level, parts.bias_slope)
    one = design(gold.features, gold.first, gold.second, n_models)
    zero = design(preference.features, preference.first, preference.second, n_models)
    from_scores = np.vstack([one, parts.sensitivity * zero])
    from_bias = np.vstack([np.zeros_like(one), -zero])
    noise = np.r_[parts.gold_noise**2 / gold.weight, parts.preference_noise**2 / preference.weight]
    labels = from_scores @ scores @ from_scores.T + from_bias @ bias @ from_bias.T + np.diag(noise)
    return scores, scores @ from_scores.T, labels, np.r_[gold.y, preference.y]


def log_likelihood(gold, preference, n_models, parts):
    *_, covariance, y = joint_normal(gold, preference, n_models, parts)
    return multivariate_normal(np.zeros(len(y)), covariance).logpdf(y)


def posterior_scores(gold, preference, n_models, parts):
    prior, cross, covariance, y = joint_normal(gold, preference, n_models, parts)
    gain = cross @ np.linalg.inv(covariance)
    return (gain @ y).reshape(n_models, -1), prior - gain @ cross.T
