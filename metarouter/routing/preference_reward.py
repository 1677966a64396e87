"""The dial: what a preference vector makes of quality, cost and latency."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["off_simplex", "reward", "reward_range"]


def reward(
    quality: NDArray[np.floating[Any]],
    cost: NDArray[np.floating[Any]] | None,
    preference: NDArray[np.floating[Any]],
    cost_cap: float,
    latency: NDArray[np.floating[Any]] | None = None,
    latency_cap: float = 1.0,
) -> NDArray[np.float64]:
    """Return w_q q - w_c min(c / tau, 1) (BaRP, equation 1), and less for latency likewise.

    Parameters
    ----------
    quality : ndarray of shape (n,) or (n, n_arms)
    cost : ndarray of the same shape, or None
        In the unit of `cost_cap`. None is a cost of zero.
    preference : ndarray of shape (2,), (3,), (n, 2) or (n, 3)
        Weights of quality, cost and, where there are latencies, latency; once or one per row.
    cost_cap : float
        tau, the cost that counts as 1; larger ones count as 1 too.
    latency : ndarray of the same shape, optional
    latency_cap : float
        The latency that counts as 1.

    Returns
    -------
    ndarray of the shape of `quality`

    Examples
    --------
    >>> reward(np.array([1.0, 0.0]), np.array([0.2, 4.0]), np.array([0.5, 0.5]), 2.0).tolist()
    [0.45, -0.5]
    """
    quality = np.asarray(quality, dtype=np.float64)
    weights = np.asarray(preference, dtype=np.float64)
    if weights.ndim == 2 and quality.ndim == 2:
        weights = weights[:, None, :]
    gain = weights[..., 0] * quality
    for position, amount, cap in ((1, cost, cost_cap), (2, latency, latency_cap)):
        if amount is not None:
            gain = gain - weights[..., position] * np.minimum(np.asarray(amount) / cap, 1.0)
    return np.asarray(gain)


def reward_range(
    quality: NDArray[np.float64], preference: NDArray[np.float64]
) -> tuple[float, float]:
    """Return the least and the largest reward that some logged preferences allow.

    Parameters
    ----------
    quality : ndarray of shape (n,)
        Taken to lie in [0, 1], or in the range that it spans where that is wider.
    preference : ndarray of shape (n, 2) or (n, 3)
        Weights of quality, cost and latency.

    Examples
    --------
    >>> reward_range(np.array([0.0, 1.0]), np.array([[0.5, 0.5], [0.75, 0.25]]))
    (-0.5, 0.75)
    """
    w_quality, w_charges = preference[:, 0], preference[:, 1:].sum(axis=1)
    low = min(0.0, float(quality.min())) * w_quality - w_charges
    high = max(1.0, float(quality.max())) * w_quality
    return float(low.min()), float(high.max())


def off_simplex(rows: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mark the rows that hold a negative weight, or whose weights do not sum to 1.

    Parameters
    ----------
    rows : ndarray of shape (n, k)

    Returns
    -------
    ndarray of bool, shape (n,)

    Examples
    --------
    >>> off_simplex(np.array([[0.5, 0.5], [1.5, -0.5], [0.5, 0.4]])).tolist()
    [False, True, True]
    """
    return ~((rows >= 0).all(axis=1) & (np.abs(rows.sum(axis=1) - 1.0) <= 1e-6))
