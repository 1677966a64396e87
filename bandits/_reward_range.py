"""How small and how large a reward can be, for logs of mixed preferences."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["reward_range"]


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
