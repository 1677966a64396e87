"""Confidence sequences for means, which hold after every row at once.

They come from mixtures of exponential supermartingales (Robbins 1970), and need the sums alone, in
any order. For shares, and anything else within [0, 1], the exponents are those of a coin, so that
nothing is asymptotic and what is covered is the mean so far of chances that may change from row to
row. For numbers with other bounds they are those of an empirical Bernstein bound, which is exact
too; for numbers without bounds they are normal, which holds once the mean is nearly so.

Those of MAPIE 1.6, for [0, 1], are not public.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from metarouter.inference.intervals._variances import FloatArray, Limits

_PER_OCTAVE = 4
_OCTAVES_BELOW, _OCTAVES_ABOVE = 9, 2
_COIN_VARIANCE = 0.2  # of a share near 0.28 or 0.72: only tunes where the sequence is tightest
_TUNED_FOR = 0.05
_HALVINGS = 45
_BETS = 25  # from one over the bounds' width down to a 4096th of it


def mean_half_width(n: ArrayLike, sd: ArrayLike, alpha: ArrayLike, horizon: float) -> FloatArray:
    """Return half widths of the asymptotic confidence sequence for a mean.

    Parameters
    ----------
    n : array-like
        Number of queries so far.
    sd : array-like
        Their standard deviation so far.
    alpha : array-like
        Chance that the true mean ever leaves the sequence, once n is large.
    horizon : float
        Number of queries at which the sequence is tightest; any choice is valid.

    References
    ----------
    Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024), Time-uniform central limit theory and
    asymptotic confidence sequences, Annals of Statistics 52, theorem 2.2 and section 2.3.

    Examples
    --------
    >>> mean_half_width([100, 1000, 10000], 1.0, alpha=0.05, horizon=1000).round(3)
    array([0.386, 0.096, 0.032])
    """
    n, alpha = np.asarray(n, dtype=np.float64), np.asarray(alpha, dtype=np.float64)
    scaled = n * _precision(alpha, horizon) + 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        width = np.sqrt(2.0 * scaled * np.log(np.sqrt(scaled) / alpha) / (scaled - 1.0) / n)
        return np.asarray(np.asarray(sd) * width, dtype=np.float64)


def share_evidence(total: ArrayLike, n: ArrayLike, share: ArrayLike, horizon: float) -> FloatArray:
    """Return the log of the evidence against a mean, for numbers within [0, 1].

    For a bet b and conditional means m_i, exp(b sum x_i - sum log(1 - m_i + m_i e^b)) is a
    supermartingale that starts at 1. As the second term is concave in m_i, it is largest where all
    m_i equal their mean: putting that mean in their place leaves a process below a supermartingale,
    whatever the single m_i. Bets of both signs are mixed with normal weights.

    Parameters
    ----------
    total, n : array-like of shape (m,)
        Sums of the numbers and their counts.
    share : array-like of shape (m,)
        The means that are doubted.
    horizon : float
        Number of queries at which the sequence is tightest; any choice is valid.

    Returns
    -------
    ndarray of shape (m,)
        Exceeds log(1 / alpha), at any time, with a chance of at most alpha.

    References
    ----------
    Howard, Ramdas, McAuliffe & Sekhon (2021), Time-uniform, nonparametric, nonasymptotic confidence
    sequences, Annals of Statistics 49, for mixtures; Robbins (1970).
    """
    bets, log_weights = _bets(horizon)
    total, n, share = (np.asarray(column) for column in (total, n, share))
    logs = log_weights + bets * total - n * np.log1p(share * np.expm1(bets))
    top = logs.max(axis=0)
    return np.asarray(top + np.log(np.exp(logs - top).sum(axis=0)))


def share_limits(total: ArrayLike, n: ArrayLike, alpha: ArrayLike, horizon: float) -> Limits:
    """Return a confidence sequence for the mean of numbers within [0, 1].

    Parameters
    ----------
    total, n, horizon
        As for `share_evidence`.
    alpha : array-like
        Chance that the mean so far of the conditional means is ever left out.

    Examples
    --------
    >>> lower, upper = share_limits([300.0], [1000.0], alpha=0.05, horizon=1000)
    >>> bool(0.24 < lower[0] < 0.27 and 0.33 < upper[0] < 0.36)
    True
    """
    total, n = np.asarray(total, dtype=np.float64), np.asarray(n, dtype=np.float64)
    middle = np.divide(total, n, out=np.full(n.shape, 0.5), where=n > 0)
    level = -np.log(np.asarray(alpha, dtype=np.float64))
    ends = []
    for far in (0.0, 1.0):
        # Evidence is convex in the share and not positive at the observed one.
        inside, outside = middle.copy(), np.full(n.shape, far)
        held = share_evidence(total, n, outside, horizon) < level
        for _ in range(_HALVINGS):
            half = (inside + outside) / 2.0
            kept = share_evidence(total, n, half, horizon) < level
            inside, outside = np.where(kept, half, inside), np.where(kept, outside, half)
        ends.append(np.where(held, far, outside))
    return Limits(*ends)


def _precision(alpha: FloatArray, horizon: float) -> FloatArray:
    """Return rho squared, which makes the two-sided normal mixture tightest at the horizon."""
    log = -2.0 * np.log(alpha)
    return np.asarray((log + np.log(log + 1.0)) / horizon)


@lru_cache
def _bets(horizon: float) -> tuple[FloatArray, FloatArray]:
    """Return a column of bets, ever finer towards 0, and the logs of its normal weights."""
    spread = np.sqrt(_precision(np.asarray(_TUNED_FOR), horizon) / _COIN_VARIANCE)
    steps = np.arange(-_OCTAVES_BELOW * _PER_OCTAVE, _OCTAVES_ABOVE * _PER_OCTAVE + 1)
    sizes = 2.0 ** (steps / _PER_OCTAVE)
    weights = sizes * np.exp(-(sizes**2) / 2.0)
    log_weights = np.log(weights / (2.0 * weights.sum()))
    bets = np.concatenate([-sizes, sizes]) * spread
    return bets[:, None], np.concatenate([log_weights, log_weights])[:, None]


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
