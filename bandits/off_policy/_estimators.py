"""Values of a policy from logs, as means of one score per row.

Notation: w_i = pi(a_i | x_i) / p_i, the importance weight; r_i the reward; q(x, a) a model of the
reward; q_i = q(x_i, a_i); q_pi(x) = sum_a pi(a | x) q(x, a).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def importance_weights(target: Array, arm: NDArray[np.intp], propensity: Array) -> Array:
    """Return pi(a_i | x_i) / p_i, shape (n,), from target probabilities of shape (n, n_arms)."""
    return np.asarray(target[np.arange(len(arm)), arm] / propensity)


def effective_sample_size(weight: Array) -> float:
    """Return (sum w)^2 / sum w^2: as many rows of equal weight would say as much (Kish 1965)."""
    squares = float(weight @ weight)
    return 0.0 if squares == 0 else float(weight.sum()) ** 2 / squares


def ips_scores(weight: Array, reward: Array) -> Array:
    """Return w r; their mean is unbiased (Horvitz & Thompson 1952)."""
    return weight * reward


def snips_scores(weight: Array, reward: Array) -> Array:
    """Return v + w (r - v) / mean(w) with v = sum w r / sum w (Swaminathan & Joachims 2015).

    Their mean is v, and their spread gives its standard error by the delta method.
    """
    total = float(weight.sum())
    value = float(weight @ reward) / total if total else float("nan")
    return value + weight * (reward - value) / weight.mean()


def dm_scores(target: Array, predicted: Array) -> Array:
    """Return q_pi(x_i): what the model expects of the policy."""
    return np.asarray((target * predicted).sum(axis=1))


def dr_scores(weight: Array, reward: Array, expected: Array, of_action: Array) -> Array:
    """Return q_pi + w (r - q), doubly robust (Dudik, Langford & Li 2011).

    With weights cut by `switch_weights` or `shrunk_weights`, the estimators of those names.
    """
    return expected + weight * (reward - of_action)


def switch_weights(weight: Array, threshold: float) -> Array:
    """Return w where it is at most the threshold, else 0 (Wang, Agarwal & Dudik 2017)."""
    return np.where(weight <= threshold, weight, 0.0)


def shrunk_weights(weight: Array, strength: float) -> Array:
    """Return strength w / (w^2 + strength), optimistic shrinkage (Su et al. 2020, eq. 8)."""
    return strength * weight / (weight**2 + strength)


def mean_and_error(scores: Array) -> tuple[float, float]:
    """Return the mean of scores and its standard error."""
    n = len(scores)
    spread: Any = scores.std(ddof=1) if n > 1 else np.nan
    return float(scores.mean()), float(spread / np.sqrt(n))
