"""Weights that keep the variance of doubly robust scores steady while the logging policy learns.

Bibaut, Chambaz, Dimakopoulou, Kallus & van der Laan (2021), Post-contextual-bandit inference. With
scores s_t whose reward model knows the past only, and weights h_t = 1 / sigma_t, where sigma_t
estimates from the past the standard deviation that s_t has given the past,

    value = sum h_t s_t / sum h_t,   variance = sum h_t^2 (s_t - value)^2 / (sum h_t)^2,

the error over its standard error is asymptotically normal (theorem 1), which without the weights
fails where the variance of the scores does not settle.

Where we leave the paper: its sigma_t weighs all earlier scores by the ratio of today's logging
probabilities to those of their day, and so wants every state of the logging policy at every earlier
context. Logs hold one propensity per row, and weights of weights are noisy. We use that
sigma_t^2 is, up to the spread of the residuals, E[w_t^2] given the past, and average the squared
weights of the past. The estimate need not be right for the interval to be valid, only known before
its row and steady: the standard error is that of the weighted scores themselves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["stabilised_mean_and_error", "stabilising_weights"]

Array = NDArray[np.float64]

# The first guess, that of a logger who draws arms at random, counts as many rows.
PRIOR_ROWS = 100


def stabilising_weights(weight: Array, n_arms: int) -> Array:
    """Return 1 / sigma_t, shape (n,), from the importance weights of earlier rows.

    Examples
    --------
    >>> weights = stabilising_weights(np.tile([2.0, 0.0], 200), n_arms=2)
    >>> bool(np.ptp(weights) < 0.02)
    True
    """
    squares = np.concatenate([[0.0], np.cumsum(weight**2)[:-1]])
    past = np.arange(len(weight))
    # A logger who draws arms at random and a policy that is sure have E[w^2] = n_arms.
    return np.sqrt((past + PRIOR_ROWS) / (squares + PRIOR_ROWS * n_arms))


def stabilised_mean_and_error(scores: Array, stabilising: Array) -> tuple[float, float]:
    """Return the weighted mean and its standard error."""
    value = float(stabilising @ scores) / float(stabilising.sum())
    deviations = stabilising * (scores - value)
    return value, float(np.sqrt(deviations @ deviations)) / float(stabilising.sum())
