"""Intervals that hold for several estimates at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["correlation_of", "sup_t_quantile"]

FloatArray = NDArray[np.float64]

_DRAWS = 40_000
_SEED = 20_240_601


def correlation_of(covariance: FloatArray) -> FloatArray:
    """Return the correlation matrix of a covariance matrix; an estimate without error is alone."""
    scale = np.sqrt(np.diag(covariance))
    scale = np.where(scale > 0, scale, 1.0)
    correlation = covariance / np.outer(scale, scale)
    np.fill_diagonal(correlation, 1.0)
    return correlation


def sup_t_quantile(correlation: FloatArray, df: float, level: float) -> float:
    """Quantile of the largest absolute t statistic (Montiel Olea & Plagborg-Moller 2019).

    Estimates plus and minus this many standard errors cover all truths at once with probability
    `level`. It is drawn with a fixed seed: the same correlation gives the same number.

    Parameters
    ----------
    correlation : array of shape (k, k)
    df : float
        Degrees of freedom of the standard errors, taken as one common estimate of scale.
    level : float

    Examples
    --------
    >>> round(sup_t_quantile(np.eye(1), 1e6, 0.95), 1)
    2.0
    >>> bool(sup_t_quantile(np.eye(5), 50, 0.95) > 2.6)
    True
    """
    rng = np.random.default_rng(_SEED)
    value, vector = np.linalg.eigh(correlation)
    root = vector * np.sqrt(np.clip(value, 0, None))
    largest = np.abs(rng.standard_normal((_DRAWS, len(value))) @ root.T).max(axis=1)
    scale = np.sqrt(rng.chisquare(df, _DRAWS) / df) if np.isfinite(df) else 1.0
    return float(np.quantile(largest / scale, level))
