"""Limits of ratios to an uncertain denominator.

Intervals of positive quantities that are ratios of means, on the logarithmic scale.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from metarouter.inference.intervals._influence import (
    Clusters,
    FloatArray,
    cluster_sums,
    interval_of,
    variance_of_mean,
)


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


class Measured(NamedTuple):
    """A number with its interval."""

    value: float
    lower: float
    upper: float

    def mapped(self, intercept: float, slope: float) -> Measured:
        """Return intercept + slope times the number, ends in increasing order."""
        ends = sorted((intercept + slope * self.lower, intercept + slope * self.upper))
        return Measured(intercept + slope * self.value, ends[0], ends[1])


UNKNOWN = Measured(float("nan"), float("nan"), float("nan"))


def log_interval(
    value: float,
    log_influence: FloatArray,
    share: FloatArray,
    is_gold: NDArray[np.bool_],
    clusters: Clusters,
    level: float,
    *,
    shared_influence: FloatArray | None = None,
) -> Measured:
    """Interval of a positive quantity from its influence values on the logarithmic scale.

    Parameters
    ----------
    value : float
    log_influence : array of shape (n,)
        Influence of each row on the logarithm; sums to about zero.
    share : array of shape (n,)
        Leverages of the rows.
    is_gold, units
        As in `variance_of_mean`.
    level : float
    shared_influence : array of shape (n,), optional
        The part of the influence that is counted twice (see `noise_share`).
    """
    kind = "HC3" if clusters is None else "cluster"
    spread = variance_of_mean(log_influence, share, is_gold, clusters, kind)
    df = min(spread.df, _heavy_tailed_df(cluster_sums(log_influence, clusters)))
    variance = spread.variance
    if shared_influence is not None:
        variance += float(np.sum(cluster_sums(shared_influence, clusters) ** 2))
    lower, upper = interval_of(np.log(value), np.sqrt(variance), df, level)
    return Measured(value, float(np.exp(lower)), float(np.exp(upper)))


def noise_share(excess: float, spread: float) -> float:
    """Share of the spread of cross-fitted predictions around a constant that is noise.

    Predictions f* + noise around a constant have the spread S + N (signal and noise), and their
    quadratic loss exceeds that of the constant by N - S; hence N / (S + N) = 1/2 + excess / (2
    spread). It matters because the noise of a fold's model is made of the labels of the others:
    a product of two labels' errors enters the loss once for either of them, and the variance of
    a sum of such products is twice what their squares say. Where sources cannot be told apart,
    that is all there is.

    Parameters
    ----------
    excess : float
        Mean squared error of the predictions minus that of the constant.
    spread : float
        Mean squared distance of the predictions from the constant, in the same unit.
    """
    return float(np.clip(0.5 + excess / (2 * spread), 0.0, 1.0)) if spread > 0 else 0.0


def _heavy_tailed_df(summed: FloatArray) -> float:
    """Degrees of freedom of a sum of squares with heavy tails (Satterthwaite 1946).

    The mean of n squares has the coefficient of variation sqrt((kurtosis - 1) / n), and
    chi-squared with df degrees of freedom has sqrt(2 / df). Squared errors, whose squares these
    are, have a kurtosis of 15 and more: 90 of them say as little about their variance as 13
    normal variables do.
    """
    second, fourth = float(np.mean(summed**2)), float(np.mean(summed**4))
    if second == 0 or fourth <= second**2:
        return np.inf
    return max(4.0, 2 * len(summed) / (fourth / second**2 - 1))


def share_interval(
    inside: NDArray[np.bool_], share: FloatArray, clusters: Clusters, level: float
) -> Measured:
    """Wilson's interval of a weighted share, with an effective number of rows.

    The effective number is that of a simple random sample with the same variance (Kish 1965): the
    design effect of weights and clusters is taken out of the count.
    """
    taken = share > 0
    inside, share = inside[taken], share[taken] / share[taken].sum()
    clusters = None if clusters is None else clusters[taken]
    p = float(share @ inside)
    n = 1.0 / float(share @ share)
    if clusters is not None:
        influence = np.bincount(clusters, weights=share * (inside - p))
        mass = np.bincount(clusters, weights=share)
        whole = 1.0 / float(mass @ mass)
        spread = float(influence @ influence)
        n = min(n, max(1.0, whole), p * (1 - p) / spread) if spread > 0 else min(n, whole)
    z = float(ndtri(0.5 + level / 2))
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    margin = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    # At the ends the limit is the share itself, which rounding must not cross.
    lower = 0.0 if p <= 0 else max(0.0, float(centre - margin))
    upper = 1.0 if p >= 1 else min(1.0, float(centre + margin))
    return Measured(p, lower, upper)
