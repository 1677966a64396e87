"""P values of the null hypothesis that a mean exceeds its limit.

The family-wise error over many of them is controlled by MAPIE. Its Hoeffding-Bentkus p value is
not used: it is no part of its documented interface (and has moved between releases), and it is
four lines; a test holds the two together.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import bdtr, rel_entr, stdtr

from metarouter.inference.intervals import FloatArray

__all__ = ["hoeffding_bentkus", "student"]


def hoeffding_bentkus(mean: Any, n: Any, limit: float, *, binary: bool = False) -> FloatArray:
    """P value of "the mean is above `limit`" for n independent values in [0, 1].

    It holds in finite samples, whatever the distribution.

    Parameters
    ----------
    mean : float or ndarray
        Observed mean.
    n : int or ndarray
    limit : float
    binary : bool, default=False
        Whether the values are 0 or 1: the p value is then that of the exact binomial test.

    References
    ----------
    Angelopoulos, Bates, Candès, Jordan and Lei (2021), Learn then test, proposition 2.

    Examples
    --------
    >>> hoeffding_bentkus(0.02, 200, 0.05, binary=True).round(4)
    np.float64(0.0264)
    """
    mean = np.asarray(mean, dtype=np.float64)
    if limit >= 1:
        return np.zeros(mean.shape)
    if limit < 0:
        return np.ones(mean.shape)
    below = np.minimum(mean, limit)
    relative_entropy = rel_entr(below, limit) + rel_entr(1 - below, 1 - limit)
    hoeffding = np.exp(-n * relative_entropy)
    # n * mean is a count up to rounding, and ceil must not take the rounding for one more.
    bentkus = bdtr(np.ceil(n * mean - 1e-9), n, limit) * (1.0 if binary else np.e)
    return np.minimum(1.0, np.minimum(hoeffding, bentkus))


def student(mean: FloatArray, se: FloatArray, df: float, third: FloatArray) -> FloatArray:
    """P value of "the mean is above 0", by the central limit theorem.

    Where values have a long tail upwards, samples that miss it have both too low a mean and too
    small a standard error. Hall's (1992) cubic takes the skewness out of the t statistic; it is
    used where it raises the p value, and never to lower it.

    Parameters
    ----------
    mean, se, third : ndarray of shape (m,)
        The third is the third cumulant of the mean.
    df : float

    Examples
    --------
    >>> mean, se = np.array([-2.0, -2.0]), np.ones(2)
    >>> student(mean, se, 1e9, np.array([0.0, 0.2])).round(4)
    array([0.0228, 0.0435])
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(se > 0, mean / se, np.where(mean <= 0, -np.inf, np.inf))
        g = np.where(se > 0, third / se**3, 0.0)
        cubic = t + g / 6 + g * t**2 / 3 + g**2 * t**3 / 27
    return np.asarray(stdtr(df, np.where(np.isfinite(cubic), np.maximum(t, cubic), t)))
