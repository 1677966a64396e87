"""The reward that a preference vector makes of quality and cost."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["reward"]


def reward(
    quality: NDArray[np.floating[Any]],
    cost: NDArray[np.floating[Any]] | None,
    preference: NDArray[np.floating[Any]],
    cost_cap: float,
) -> NDArray[np.float64]:
    """Return w_q q - w_c min(c / tau, 1) (BaRP, equation 1).

    Parameters
    ----------
    quality : ndarray of shape (n,) or (n, n_arms)
    cost : ndarray of the same shape, or None
        In the unit of `cost_cap`. None is a cost of zero.
    preference : ndarray of shape (2,) or (n, 2)
        Weights of quality and of cost, one pair or one per row.
    cost_cap : float
        tau, the cost that counts as 1; larger ones count as 1 too.

    Returns
    -------
    ndarray of the shape of `quality`

    Examples
    --------
    >>> reward(np.array([1.0, 0.0]), np.array([0.2, 4.0]), np.array([0.5, 0.5]), 2.0).tolist()
    [0.45, -0.5]
    """
    quality = np.asarray(quality, dtype=np.float64)
    pairs = np.asarray(preference, dtype=np.float64)
    if pairs.ndim == 2 and quality.ndim == 2:
        pairs = pairs[:, None, :]
    gain = pairs[..., 0] * quality
    if cost is None:
        return np.asarray(gain)
    return np.asarray(gain - pairs[..., 1] * np.minimum(np.asarray(cost) / cost_cap, 1.0))
