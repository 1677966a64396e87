"""Which of several independent normal variables is the largest."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from bandits._ties import tied_for_best

__all__ = ["probability_of_largest"]

_CHUNK = 512  # rows at a time
_NODES = 256  # of a row, shared out among its arms
_REACH = 5.5  # standard deviations on either side of a mean


def probability_of_largest(
    mean: NDArray[np.floating[Any]], std: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    """Return P(arm k is the largest) for independent normals, shape (n, n_arms).

    P(k) = E prod_{j != k} Phi((X_k - m_j) / s_j) with X_k ~ N(m_k, s_k^2), as a Stieltjes sum over
    nodes that lie around every mean in units of its own deviation, so that arms of very different
    certainty are resolved alike. Off by less than 0.002; rows sum to 1.

    Parameters
    ----------
    mean, std : ndarray of shape (n, n_arms)
        Where all deviations of a row are zero, the largest means share the probability.

    Examples
    --------
    >>> probability_of_largest(np.zeros((1, 4)), np.ones((1, 4))).round(6).tolist()
    [[0.25, 0.25, 0.25, 0.25]]
    """
    chances = np.empty(np.shape(mean))
    for start in range(0, len(mean), _CHUNK):
        rows = slice(start, start + _CHUNK)
        chances[rows] = _chances(mean[rows], std[rows])
    certain = ~std.any(axis=1)
    if certain.any():
        tied = tied_for_best(mean[certain])
        chances[certain] = tied / tied.sum(axis=1, keepdims=True)
    return chances


def _chances(
    mean: NDArray[np.floating[Any]], std: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    n_rows, n_arms = mean.shape
    reach = np.linspace(-_REACH, _REACH, max(12, _NODES // n_arms))
    spread = np.maximum(std, 1e-300)
    nodes = np.sort((mean[:, :, None] + spread[:, :, None] * reach).reshape(n_rows, -1), axis=1)
    below = ndtr((nodes[:, None, :] - mean[:, :, None]) / spread[:, :, None])
    all_below = below.prod(axis=1, keepdims=True)
    others = np.divide(all_below, below, out=np.zeros_like(below), where=below > 0)
    chance = (np.diff(below, axis=2) * (others[:, :, 1:] + others[:, :, :-1])).sum(axis=2)
    return np.asarray(chance / chance.sum(axis=1, keepdims=True))
