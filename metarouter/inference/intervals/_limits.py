"""Limits where Student's do not hold: of skewed errors, of bounded numbers, of several at once.

The t statistic of a mean of skewed terms leans to the other side: with a long tail to the right,
samples that miss the tail have both too low a mean and too small a standard error, and the upper
limit falls short. A band reads its limits far out, near three standard errors, where this matters
more than for one interval. Hall (1992), On the removal of skewness by transformation, Journal of
the Royal Statistical Society B 54, gives a monotone cubic of the t statistic whose skewness
vanishes to the second order; inverted, with g the skewness of the estimate,

    estimate - se t(c) ... estimate - se t(-c),   t(x) = 3 / g (cbrt(1 + g (x - g / 6)) - 1).

These limits are drawn in on one side and let out on the other. Only what they let out is used:
drawing in rests on the same few queries of the tail, and loses coverage where these are missing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from metarouter.inference.intervals._variances import FloatArray

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


_HALVINGS = 45
_BETS = 25  # from one over the bounds' width down to a 4096th of it


def reach_of_scores(bounds: tuple[float, float], p: float) -> tuple[float, float]:
    """Return how far debiased scores of gains within bounds reach below and above zero.

    A score is m + (r - m) / p where a label r was drawn and m elsewhere, with r within (low, high)
    and m within them or 0, so that it reaches as far as max(high, 0) (1 / p - 1) - low / p below
    zero.

    Parameters
    ----------
    bounds : pair of float
    p : float
        Smallest chance of a label.
    """
    low, high = bounds
    below = max(high, 0.0) * (1 / p - 1) - low / p
    above = max(-low, 0.0) * (1 / p - 1) + high / p
    return max(0.0, -low, below), max(0.0, high, above)


def bounded_limits(
    total: ArrayLike,
    squares: ArrayLike,
    n: ArrayLike,
    alpha: ArrayLike,
    reach: tuple[float, float],
    unit: float,
) -> Limits:
    """Return a confidence sequence for the mean of bounded numbers, exact at any count.

    For numbers x_i >= -c with conditional means m_i and a bet 0 < b < 1 / c,

        exp(b sum (x_i - m_i) - psi(b) sum x_i^2),   psi(b) = (-log(1 - c b) - c b) / c^2,

    is a supermartingale that starts at 1 at most (Fan, Grama & Liu 2015; Howard et al. 2021,
    theorem 4, the prediction of every x_i being 0), and so is every mixture of it over bets. It is
    an empirical Bernstein bound: the squares that were seen take the place of the worst variance,
    and a tail that has not been seen is paid for by the bound c. The other end is that of -x.

    Parameters
    ----------
    total, squares, n : array-like of one shape
        Sums of the numbers and of their squares, and counts, so far.
    alpha : array-like
        Chance that the mean so far of the conditional means is ever left out.
    reach : pair of float
        How far the numbers can reach below and above 0.
    unit : float
        The bets are shares of one over this, fixed beforehand.

    References
    ----------
    Howard, Ramdas, McAuliffe & Sekhon (2021), Time-uniform, nonparametric, nonasymptotic confidence
    sequences, Annals of Statistics 49, theorem 4.

    Examples
    --------
    >>> lower, upper = bounded_limits([100.0], [300.0], [1000.0], 0.05, (1.0, 5.0), 5.0)
    >>> bool(0.01 < lower[0] < 0.1 < upper[0] < 0.19)
    True
    """
    total, squares, n = (np.asarray(column, dtype=np.float64) for column in (total, squares, n))
    level = np.log(2.0 / np.asarray(alpha, dtype=np.float64))
    excess = [_largest_excess(squares, level, end, unit) for end in reach]
    with np.errstate(divide="ignore", invalid="ignore"):
        return Limits((total - excess[0]) / n, (total + excess[1]) / n)


def _largest_excess(squares: FloatArray, level: FloatArray, c: float, unit: float) -> FloatArray:
    """Return the s at which the evidence of b s - psi(b) squares, mixed over bets, is the level."""
    bets = 2.0 ** (-np.arange(_BETS) / 2.0) / unit
    weights = np.full(bets.size, 1.0 / bets.size)
    taken = c * bets < 1.0  # a bet that could lose all is never made
    b, log_weight = bets[taken, None], np.log(weights[taken, None])
    psi = (-np.log1p(-c * b) - c * b) / c**2 if c > 0 else b**2 / 2
    flat = np.ravel(squares)[None, :]
    # At least one bet alone must be worth the level, at most the best one is.
    high = np.min((level - log_weight + psi * flat) / b, axis=0)
    low = np.min((level + psi * flat) / b, axis=0)
    for _ in range(_HALVINGS):
        half = (low + high) / 2.0
        logs = log_weight + b * half - psi * flat
        top = logs.max(axis=0)
        enough = top + np.log(np.exp(logs - top).sum(axis=0)) >= level
        low, high = np.where(enough, low, half), np.where(enough, half, high)
    return high.reshape(squares.shape)
