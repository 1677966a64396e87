"""Lower bounds by the Cressie-Read divergence of power -2, in closed form.

As `_empirical_likelihood`, with the Euclidean distance sum (n Q_i - 1)^2 in place of the likelihood
(Owen 2001, section 3.16; Karampatziakis, Langford & Mineiro 2020). What was never seen is one row
more, of the least or the largest weight and the worst score there. Equals the intervals of
`vw-estimators` 0.2.2 (`estimators.bandits.cressieread`) for scores w r.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f

__all__ = ["lower_bound"]

Array = NDArray[np.float64]


def lower_bound(
    weight: Array, score: Array, *, floor: float, slope: float, max_weight: float, level: float
) -> float:
    """Return the least mean of the scores that the rows do not contradict; -inf if none is.

    Parameters
    ----------
    weight : ndarray of shape (n,)
        From 0 to `max_weight`, of mean 1 in the population.
    score : ndarray of shape (n,)
        Of at least ``floor + slope * weight``.
    floor, slope, max_weight, level : float

    Examples
    --------
    >>> ones, reward = np.ones(100), np.repeat([0.0, 1.0], 50)
    >>> bound = lower_bound(ones, reward, floor=0, slope=0, max_weight=2, level=0.95)
    >>> 0.39 < bound < 0.42
    True
    """
    n = len(weight)
    missing = max_weight if weight.sum() < n else 0.0
    price = _divergence_of_constraint(np.append(weight, missing))
    allowed = price + f.isf(1 - level, 1, n) / (n + 1)
    bounds = []
    for unseen in (0.0, max_weight):
        weights = np.append(weight, unseen)
        scores = np.append(score, floor + slope * unseen)
        spread = weights.var()
        if spread == 0:
            continue
        beta = ((weights - weights.mean()) * scores).mean() / spread
        unexplained = max(scores.var() - beta**2 * spread, 0.0)
        room = allowed - _divergence_of_constraint(weights)
        if room >= 0:
            mean = scores.mean() + beta * (1 - weights.mean())
            bounds.append(mean - np.sqrt(unexplained * room))
    return float(min(bounds, default=-np.inf))


def _divergence_of_constraint(weight: Array) -> float:
    """Return the mean squared deviation of n Q_i from 1 that a mean weight of 1 takes."""
    gap, spread = 1 - weight.mean(), weight.var()
    return 0.0 if gap == 0 else float(gap**2 / spread) if spread else np.inf
