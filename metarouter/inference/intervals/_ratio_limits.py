"""Limits of ratios to an uncertain denominator."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from metarouter.inference.intervals._pulls import FloatArray

__all__ = ["RatioErrors", "fieller"]


class RatioErrors(NamedTuple):
    """Variances of the numerators, of the denominator, and their covariances."""

    numerator: FloatArray
    denominator: float
    both: FloatArray


def fieller(
    numerator: FloatArray, denominator: float, errors: RatioErrors, critical: Any
) -> tuple[FloatArray, FloatArray]:
    """Limits of ratios by inverting the test that numerator - ratio * denominator is zero.

    Fieller (1954), Some problems in interval estimation, Journal of the Royal Statistical Society
    B 16. The limits hold their level however uncertain the denominator is. Where it is not told
    from zero no ratio can be excluded by much, and the limits are infinite.

    Parameters
    ----------
    numerator : ndarray of shape (m,)
    denominator : float
    errors : RatioErrors
    critical : float
        Standard errors to either side.

    Examples
    --------
    >>> errors = RatioErrors(np.array([0.01]), 0.0, np.array([0.0]))
    >>> [limit.round(2).tolist() for limit in fieller(np.array([1.0]), 2.0, errors, 2.0)]
    [[0.4], [0.6]]
    """
    a = denominator**2 - critical**2 * errors.denominator
    if not a > 0:
        return np.full(numerator.shape, -np.inf), np.full(numerator.shape, np.inf)
    b = numerator * denominator - critical**2 * errors.both
    c = numerator**2 - critical**2 * errors.numerator
    root = np.sqrt(np.clip(b**2 - a * c, 0.0, None))
    return (b - root) / a, (b + root) / a
