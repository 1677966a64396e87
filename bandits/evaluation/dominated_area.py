"""How good a whole dial of trade-offs is, in one number."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["dominated_area"]


def dominated_area(cost: NDArray[np.float64], score: NDArray[np.float64], dearest: float) -> float:
    """Return the mean, over all costs up to the dearest, of the best score to be had for less.

    That is the hypervolume of the points with respect to (dearest cost, score 0), as a share of
    the rectangle up to a score of 1; a cost below all points buys a score of 0.

    Parameters
    ----------
    cost, score : ndarray of shape (n,)
        Points that can be had, in any order; scores lie in [0, 1].
    dearest : float
        The largest cost that counts, in the unit of `cost`.

    Examples
    --------
    >>> dominated_area(np.array([1.0, 2.0]), np.array([0.5, 1.0]), 4.0)
    0.625
    """
    order = np.argsort(cost, kind="stable")
    edges = np.minimum(np.append(cost[order], dearest), dearest)
    best = np.maximum.accumulate(score[order])
    return float((best * np.diff(edges)).sum() / dearest)
