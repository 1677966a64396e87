"""Bounds by empirical likelihood for means whose importance weights are known to average 1.

Of all distributions Q over (w, s) with E_Q[w] = 1, those are kept that explain the rows nearly as
well as the best one among them does: -2 sum log(n Q_i) <= c, c the chi-squared quantile with one
degree of freedom plus what the best one pays for E_Q[w] = 1 (Owen 1988; Karampatziakis, Langford
& Mineiro 2020, Empirical likelihood for contextual bandits). The least E_Q[s] among them is the
lower bound. Q may put mass on pairs that were never seen, as long as they are possible: that is
what keeps the bound honest when the rare, large weights are missing from the logs.

Dual. With multipliers gamma and beta of the two constraints, Q_i is inversely proportional to
d_i = gamma + beta w_i + s_i, and the bound is the largest value over (gamma, beta) of

    exp(mean log d_i - c / (2 n)) - gamma - beta,

subject to d >= 0 at every possible pair. If s >= floor + slope w for w in [w_min, w_max], this
needs to be asked at the two ends only. With a and b, the values of gamma + beta w + floor + slope w
at the ends, the problem is concave on a, b >= 0.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar

Array = NDArray[np.float64]
Loss = Callable[[Array], tuple[float, Array]]

__all__ = ["lower_bound"]

# The search stays where the difference of two large numbers still has digits left.
FAR = 1e5


def lower_bound(
    weight: Array,
    score: Array,
    *,
    floor: float,
    slope: float,
    max_weight: float,
    statistic: float,
) -> float:
    """Return the least mean of the scores that the rows do not contradict.

    Parameters
    ----------
    weight : ndarray of shape (n,)
        Importance weights, from 0 to `max_weight`, of mean 1 in the population.
    score : ndarray of shape (n,)
        What is averaged; at least ``floor + slope * weight``.
    floor, slope : float
    max_weight : float
    statistic : float
        Quantile of chi-squared with one degree of freedom.

    Examples
    --------
    >>> ones, reward = np.ones(100), np.repeat([0.0, 1.0], 50)
    >>> bound = lower_bound(ones, reward, floor=0, slope=0, max_weight=2, statistic=3.84)
    >>> 0.39 < bound < 0.42
    True
    """
    n = len(weight)
    share = weight / max_weight  # where a row lies between the two ends
    at_one = 1.0 / max_weight
    excess = np.maximum(score - floor - slope * weight, 0.0)
    scale = max(float(excess.mean()), 1e-12)
    allowed = statistic + _price_of_known_mean(weight, max_weight)
    discount = np.exp(-allowed / (2 * n))

    def loss(ends: Array) -> tuple[float, Array]:
        density = np.maximum((1 - share) * ends[0] + share * ends[1] + excess, 1e-300)
        geometric = np.exp(np.log(density).mean()) * discount
        toward = np.array([((1 - share) / density).mean(), (share / density).mean()])
        gradient = geometric * toward - np.array([1 - at_one, at_one])
        value = geometric - (1 - at_one) * ends[0] - at_one * ends[1]
        return -value / scale, -gradient / scale

    # In units of the scale the two ends may differ by the largest weight.
    starts = ((scale, scale), (scale, scale * max_weight), (10 * scale, scale))
    return float(-min(_least(loss, np.array(units)) for units in starts) * scale + floor + slope)


def _price_of_known_mean(weight: Array, max_weight: float) -> float:
    """Return -2 log of the empirical likelihood ratio of E[w] = 1, weights up to the largest."""
    found = minimize_scalar(
        lambda multiplier: -float(np.log1p(multiplier * (weight - 1.0)).sum()),
        bounds=(-(1 - 1e-9) / (max_weight - 1.0), 1 - 1e-9),
        method="bounded",
    )
    return max(-2.0 * float(found.fun), 0.0)


def _least(loss: Loss, units: Array) -> float:
    """Return the least loss over pairs of at least zero, searched in some units."""

    def scaled(z: Array) -> tuple[float, Array]:
        value, gradient = loss(z * units)
        return value, gradient * units

    found = minimize(
        scaled,
        np.ones(2),
        jac=True,
        method="L-BFGS-B",
        bounds=[(1e-12, FAR)] * 2,
        options={"maxiter": 500, "ftol": 1e-13, "gtol": 1e-10},
    )
    return float(found.fun)
