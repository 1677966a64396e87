"""Lower bounds of a mean by empirical likelihood, given statistics whose means are known.

Row i holds a gain g_i >= 0, whose mean is sought, and slacks f_i >= 0, whose means m are known. Of
all distributions Q of (g, f) with E_Q[f] = m, those are kept that explain the rows nearly as well
as the best one among them does: -2 sum log(n Q_i) <= c, c the chi-squared quantile with one degree
of freedom plus the divergence that the moment constraints cost the best one (Owen 1988;
Qin & Lawless 1994; Karampatziakis, Langford & Mineiro 2020, Empirical likelihood for contextual
bandits). The least E_Q[g] among them is the bound. Q may put mass on rows that were never seen, as
long as no gain or slack is negative: that keeps the bound honest when the rare, large weights are
missing in the logs.

Dual. Q_i is inversely proportional to g_i + u f_i, and the bound is the largest value over
multipliers u >= 0, one per slack, of

    exp(mean log(g_i + u f_i) - c / (2 n)) - u m,

a concave problem. That u >= 0 says what can be is this: where the rows that are possible form a
polytope with the slacks as distances from its faces, a density is non-negative on it if and only if
it is a non-negative combination of the slacks (Farkas).

For rows in the order of time, with mean conditions that hold given the past, the same ratio is the
dual likelihood of a martingale (Mykland 1995), so that it holds for logging policies that learn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Array = NDArray[np.float64]
Loss = Callable[[Array], tuple[float, Array]]

__all__ = ["MomentConstraints", "divergence_of_constraints", "lower_bound"]

# The search stays where the difference of two large numbers still has digits left.
NEAR, FAR = 1e-12, 1e5
SEARCHES = 50


class MomentConstraints(NamedTuple):
    """Slacks of shape (n, k), none negative, and their means in the population, shape (k,)."""

    slack: Array
    mean: Array

    def relative(self) -> Array:
        """Return slacks in units of their means, the rounding below 0 undone."""
        return np.maximum(self.slack, 0.0) / self.mean


def lower_bound(gain: Array, known: MomentConstraints, allowed: float) -> float:
    """Return the least mean gain that the rows do not contradict.

    Parameters
    ----------
    gain : ndarray of shape (n,)
        Of at least 0.
    known : MomentConstraints
    allowed : float
        c: a quantile of chi-squared plus `divergence_of_constraints`.

    Examples
    --------
    >>> reward, whole = np.repeat([0.0, 1.0], 50), MomentConstraints(np.ones((100, 1)), np.ones(1))
    >>> 0.39 < lower_bound(reward, whole, allowed=3.84) < 0.42
    True
    """
    n, relative = len(gain), known.relative()
    scale = max(float(gain.mean()), NEAR)
    units, discount = gain / scale, np.exp(-allowed / (2 * n))

    def loss(multipliers: Array) -> tuple[float, Array]:
        density = np.maximum(units + relative @ multipliers, NEAR**2)
        geometric = discount * np.exp(np.log(density).mean())
        return multipliers.sum() - geometric, 1 - geometric * (1 / density) @ relative / n

    return max(-_least(loss, relative.shape[1]) * scale, 0.0)


def divergence_of_constraints(known: MomentConstraints) -> float:
    """Return -2 log of the empirical likelihood ratio of the moment constraints, at least 0."""
    n, relative = len(known.slack), known.relative()

    def loss(multipliers: Array) -> tuple[float, Array]:
        density = np.maximum(relative @ multipliers, NEAR**2)
        return multipliers.sum() - 1 - np.log(density).mean(), 1 - (1 / density) @ relative / n

    return max(-2.0 * n * _least(loss, relative.shape[1]), 0.0)


def _least(loss: Loss, n_multipliers: int) -> float:
    """Return the least loss over multipliers of at least zero, in units in which 1 is usual.

    Slacks that say nearly the same stop the search early: it begins anew, without what it has
    learned of the curvature, until that brings nothing. Stopped early, the price of the known
    means would be too low, and the rows would seem to contradict them.
    """
    least, start = np.inf, np.ones(n_multipliers)
    for _ in range(SEARCHES):
        found = minimize(
            loss,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=[(NEAR, FAR)] * n_multipliers,
            options={"maxiter": 500, "ftol": 1e-13, "gtol": 1e-10},
        )
        if found.fun > least - 1e-12:
            break
        least, start = float(found.fun), found.x
    return float(least)
