"""Limits of a band where the errors are skewed.

The t statistic of a mean of skewed terms leans to the other side: with a long tail to the right,
samples that miss the tail have both too low a mean and too small a standard error, and the upper
limit falls short. A band reads its limits far out, near three standard errors, where this matters
more than for one interval. Hall (1992), On the removal of skewness by transformation, Journal of
the Royal Statistical Society B 54, gives a monotone cubic of the t statistic whose skewness
vanishes to the second order; inverted, with g the skewness of the estimate,

    estimate - se t(c) ... estimate - se t(-c),   t(x) = 3 / g (cbrt(1 + g (x - g / 6)) - 1).

These limits are drawn in on one side and let out on the other. Only what they let out is used:
drawing in rests on the same few queries of the tail, and loses coverage where these are missing.

Intervals that hold for several estimates at once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from metarouter.inference.intervals._influence import FloatArray

_STRAIGHT = 1e-6  # skewness below which the cubic is a straight line to all digits


class Limits(NamedTuple):
    """Both ends of intervals."""

    lower: FloatArray
    upper: FloatArray


def third_over_second(influence_values: FloatArray) -> FloatArray:
    """Ratio of the third to the second cumulant of estimates, in their own units.

    Parameters
    ----------
    influence_values : ndarray of shape (n_units, m)
        Influence times share, added over independent units.

    Returns
    -------
    ndarray of shape (m,)
        Divided by the standard error, it is the skewness of the estimate. Of a running sum, whose
        cumulants all grow in proportion to what was summed, it is the same all along.
    """
    square = influence_values * influence_values
    second, third = square.sum(axis=0), np.einsum("ij,ij->j", square, influence_values)
    return np.divide(third, second, out=np.zeros_like(second), where=second > 0)


def skewness_of(influence_values: FloatArray) -> float:
    """Skewness of an estimate, 0 where nothing has influence.

    The mean of n values, of which a share p is large, has the skewness (n p)^(-1/2).

    Parameters
    ----------
    influence_values : ndarray of shape (n_units,)
        Influence times share, added over independent units.
    """
    second, third = (float((influence_values**power).sum()) for power in (2, 3))
    return third / second**1.5 if second > 0 else 0.0


def skewed_limits(value: Any, se: Any, critical: float, skewness: Any) -> Limits:
    """Limits that reach as far as the symmetric ones, and as Hall's where these reach farther.

    Parameters
    ----------
    value, se, skewness : float or ndarray of shape (m,)
    critical : float
        Standard errors to either side, without skewness.

    Examples
    --------
    >>> limits = skewed_limits(np.zeros(2), np.ones(2), 2.0, np.array([0.0, 0.2]))
    >>> limits.lower.round(2), limits.upper.round(2)
    (array([-2., -2.]), array([2. , 2.4]))
    """
    g = np.where(np.abs(skewness) < _STRAIGHT, _STRAIGHT, skewness)

    def t(x: float) -> FloatArray:
        return np.asarray(3 / g * (np.cbrt(1 + g * (x - g / 6)) - 1))

    skewed = np.not_equal(skewness, 0.0)
    reach_down = np.where(skewed, np.maximum(critical, t(critical)), critical)
    reach_up = np.where(skewed, np.maximum(critical, -t(-critical)), critical)
    return Limits(value - reach_down * se, value + reach_up * se)


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
