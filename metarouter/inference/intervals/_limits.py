"""Limits that hold for several estimates at once, and of bounded numbers at any count."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from metarouter.inference.intervals._variances import FloatArray, Limits

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
    b = bets[c * bets < 1.0, None]  # a bet that could lose all is never made
    psi = (-np.log1p(-c * b) - c * b) / c**2 if c > 0 else b**2 / 2
    flat, of_all = np.ravel(squares), level + np.log(_BETS)
    # At least one bet alone must be worth the level, at most the best one is.
    low, high = (np.min((worth + psi * flat) / b, axis=0) for worth in (level, of_all))
    for _ in range(_HALVINGS):
        half = (low + high) / 2.0
        enough = np.logaddexp.reduce(b * half - psi * flat, axis=0) >= of_all
        low, high = np.where(enough, low, half), np.where(enough, half, high)
    return high.reshape(squares.shape)
