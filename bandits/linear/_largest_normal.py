"""Which of several independent normal variables is the largest."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from bandits._ties import chances_of_best

__all__ = ["probability_of_largest", "widened"]

_CHUNK = 64  # rows at a time, whose nodes then stay in the cache
_NODES = np.linspace(0.0, 1.0, 48)
_REACH = 5.5  # standard deviations on either side of a mean, where a normal variable lies
_UNIT = 0.5  # of the least reach: within it nodes are evenly spaced
_FINEST = 1e-3  # of the largest deviation of a row; smaller ones count as much


def probability_of_largest(
    mean: NDArray[np.floating[Any]], std: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    """Return P(arm k is the largest) for independent normals, shape (n, n_arms).

    P(k) is the integral of f_k(y) prod_{j != k} F_j(y) over y, by the trapezoidal rule, which is
    spectrally accurate for functions that vanish at both ends (Trefethen & Weideman 2014). Below
    l = max_j (m_j - 5.5 s_j) one arm at least is larger, so that the product is nil. Arms that lie
    below l altogether have no chance; every other one crosses l, and whatever varies at y has a
    deviation of at least (y - l) / 11. Nodes at y = l + unit sinh(u), u evenly spaced, therefore
    resolve arms of very different certainty alike.

    Off by less than 1e-7 where the deviations of a row differ up to thirtyfold, 2e-5 up to a
    thousandfold; smaller deviations count as a thousandth of the largest, for whoever draws as
    well (`widened`). Rows sum to 1.

    Parameters
    ----------
    mean, std : ndarray of shape (n, n_arms)
        Where all deviations of a row are zero, the largest means share the probability.

    References
    ----------
    .. [1] Trefethen & Weideman (2014), The exponentially convergent trapezoidal rule.

    Examples
    --------
    >>> probability_of_largest(np.zeros((1, 4)), np.ones((1, 4))).round(6).tolist()
    [[0.25, 0.25, 0.25, 0.25]]
    """
    std = widened(std)
    if std.min() > 0:
        return _in_chunks(mean, std)
    chances = chances_of_best(mean)
    rows = np.flatnonzero(std.any(axis=1))
    chances[rows] = _in_chunks(mean[rows], std[rows])
    return chances


def widened(std: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Return deviations of at least a thousandth of the largest of their row, (n, n_arms).

    Who draws does so with these, so that the probabilities are those of the draws.
    """
    widest = std.max(axis=1, keepdims=True)
    if std.min() > _FINEST * widest.max():
        return std
    return np.maximum(std, _FINEST * widest)


def _in_chunks(
    mean: NDArray[np.floating[Any]], std: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    if len(mean) <= _CHUNK:
        return _chances(mean, std)
    parts = range(0, len(mean), _CHUNK)
    return np.concatenate([_chances(mean[i : i + _CHUNK], std[i : i + _CHUNK]) for i in parts])


def _chances(
    mean: NDArray[np.floating[Any]], std: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    mean = mean - mean.max(axis=1, keepdims=True)  # whose digits are those of the differences
    reach = _REACH * std
    high = mean + reach
    low = (mean - reach).max(axis=1, keepdims=True)
    finest = reach.min(axis=1, keepdims=True, where=high > low, initial=np.inf)
    unit = _UNIT * finest
    u = np.arcsinh((high.max(axis=1, keepdims=True) - low) / unit) * _NODES
    y = low + unit * np.sinh(u)
    z = (y[:, None, :] - mean[:, :, None]) / std[:, :, None]
    below = ndtr(z)
    z *= z
    z *= -0.5
    # f_k / F_k; F_k is never nil, as no node lies more than 5.5 deviations below a mean.
    hazard = np.exp(z, out=z)
    hazard /= below
    weight = np.cosh(u) * below.prod(axis=1)
    # Factors that all arms of a row share cancel.
    chance = np.einsum("nkq,nq->nk", hazard, weight) / std
    return np.asarray(chance / chance.sum(axis=1, keepdims=True))
