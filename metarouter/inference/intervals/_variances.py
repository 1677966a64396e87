"""Variances of estimates from the influence of every row on them, and intervals from these.

Throughout, of n rows, `share` (n,) are weights that sum to one, which are the leverages of the rows
on a mean; `is_gold` (n,) says which rows carry gold labels, for the degrees of freedom; `clusters`
(n,) numbers those that depend on each other, None where every row stands for itself. Covariances
are "t", s^2 / n; "HC3", which divides each influence value by one minus its leverage (MacKinnon &
White 1985); or "cluster", which does so with whole clusters: the jackknife over them (CR3).

Influence values here are influence functions times a row's share of all rows. Those of one row
are added over everything that the row enters (a mean, the factor between the two scales of
labels); those of rows that depend on each other are added over the cluster. The variance is the
sum of the squares of what is left. Ratios have Fieller's limits, or those on the logarithmic scale.

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

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtr, stdtrit

from metarouter.exceptions import DataError, MetaRouterError
from metarouter.utils.groups import group_codes

FloatArray = NDArray[np.float64]
Clusters = NDArray[np.intp] | None
Covariance = Literal["auto", "t", "HC3", "cluster"]
RegressionCovariance = Literal["auto", "HC3", "cluster"]
Alternative = Literal["two-sided", "less", "greater"]

_STRAIGHT = 1e-6  # skewness below which the cubic is a straight line to all digits


class MeanVariance(NamedTuple):
    """A variance and the degrees of freedom of its estimate."""

    variance: float
    df: float


def as_clusters(groups: ArrayLike | None) -> Clusters:
    """Give every row the number of its cluster; None where every row stands for itself."""
    if groups is None:
        return None
    labels = np.asarray(groups)
    whole = labels.dtype.kind in "iu"  # numbered already, as queries are
    numbers = np.unique(labels, return_inverse=True)[1] if whole else group_codes(labels)
    return None if numbers.size == 0 or numbers.max() + 1 == numbers.size else numbers


def choose_covariance(wanted: Covariance, clusters: Clusters) -> str:
    """Resolve "auto": cluster-robust where rows belong together, HC3 elsewhere.

    Raises
    ------
    MetaRouterError
        If clusters are asked for and there are none.
    """
    if wanted == "auto":
        return "HC3" if clusters is None else "cluster"
    if wanted == "cluster" and clusters is None:
        raise MetaRouterError(
            "covariance='cluster' needs rows that share a group, but every row stands for itself; "
            "give groups, or use 'HC3'."
        )
    return wanted


def cluster_sums(influence: FloatArray, clusters: Clusters) -> FloatArray:
    """Add influence values, shape (n, ...), over clusters."""
    if clusters is None:
        return influence
    total = np.zeros((int(clusters.max()) + 1, *influence.shape[1:]))
    np.add.at(total, clusters, influence)
    return total


def variance_of_mean(
    influence: FloatArray,
    share: FloatArray,
    is_gold: NDArray[np.bool_],
    clusters: Clusters,
    covariance: str,
) -> MeanVariance:
    """Variance of a weighted mean from its influence values (n,), which sum to zero.

    Raises
    ------
    DataError
        If fewer than two clusters have influence.
    """
    taken = (share > 0) | (influence != 0)
    influence, share, is_gold = influence[taken], share[taken], is_gold[taken]
    clusters = None if clusters is None or covariance != "cluster" else as_clusters(clusters[taken])
    summed, leverage = cluster_sums(influence, clusters), cluster_sums(share, clusters)
    n_units = len(summed)
    if n_units < 2:
        raise DataError(
            f"{n_units} independent unit leaves no way to measure uncertainty; give labels of at "
            "least two queries (groups)."
        )
    df = welch_df(summed[:, None], is_gold, clusters)[0]
    if covariance == "t":
        return MeanVariance(n_units / (n_units - 1) * float(summed @ summed), df)
    spread = summed / (1 - leverage)
    shrink = (n_units - 1) / n_units if covariance == "cluster" else 1.0
    return MeanVariance(shrink * float(spread @ spread), df)


def welch_df(summed: FloatArray, is_gold: NDArray[np.bool_], clusters: Clusters) -> FloatArray:
    """Degrees of freedom of a sum of squares, by column (Welch 1947, Satterthwaite 1946).

    A few gold labels often carry nearly all of the variance. It is then known as badly as from
    those few, however many preference labels there are: with clusters of several kinds (gold,
    preference, both), df = V^2 / sum over kinds of V_kind^2 / (n_kind - 1). `summed`, of shape
    (n_clusters, k), holds influence values, added over clusters.
    """
    has_gold, has_preference = (
        cluster_sums(rows.astype(float), clusters) > 0 for rows in (is_gold, ~is_gold)
    )
    kind, most = has_gold + 2 * has_preference, max(1.0, len(summed) - 1.0)
    parts = np.zeros(summed.shape[1])
    for value in np.unique(kind):
        rows = kind == value
        parts += (summed[rows] ** 2).sum(axis=0) ** 2 / max(1, int(rows.sum()) - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        df = (summed**2).sum(axis=0) ** 2 / parts
    return np.clip(np.nan_to_num(df, nan=most), 1.0, most)


def interval_of(value: Any, se: Any, df: Any, level: float) -> tuple[Any, Any]:
    """Two-sided interval with Student's t."""
    margin = stdtrit(df, 0.5 + level / 2) * se
    return value - margin, value + margin


def p_value_of(
    statistic: Any, df: Any, alternative: Alternative = "two-sided", skewness: float = 0.0
) -> Any:
    """P value of a t statistic, in the direction chosen beforehand.

    Taking the smaller tail of the two, as some packages do, doubles the type-I error. The test is
    the one that `skewed_limits` invert: Hall's cubic counts where it is the milder.
    """
    t = np.asarray(statistic)
    cubic = hall_cubic(t, skewness) if skewness else t
    less, greater = stdtr(df, np.maximum(t, cubic)), stdtr(df, -np.minimum(t, cubic))
    both = np.minimum(1.0, 2 * np.minimum(less, greater))
    return {"two-sided": both, "less": less, "greater": greater}[alternative]


def hall_cubic(t: Any, skewness: Any) -> Any:
    """Return Hall's (1992) cubic of t statistics, which takes the skewness of the estimate out."""
    return t + skewness / 6 + skewness * t**2 / 3 + skewness**2 * t**3 / 27


class Limits(NamedTuple):
    """Both ends of intervals."""

    lower: FloatArray
    upper: FloatArray


def third_over_second(influence_values: FloatArray) -> FloatArray:
    """Ratio of the third to the second cumulant of estimates, shape (m,), in their own units.

    Divided by the standard error, it is the skewness of the estimate. Of a running sum, whose
    cumulants all grow in proportion to what was summed, it is the same all along. Influence values,
    of shape (n_clusters, m), are added over clusters.
    """
    square = influence_values * influence_values
    second, third = square.sum(axis=0), np.einsum("ij,ij->j", square, influence_values)
    return np.divide(third, second, out=np.zeros_like(second), where=second > 0)


def skewness_of(influence_values: FloatArray) -> float:
    """Skewness of an estimate from influence values (n_clusters,); 0 where nothing has influence.

    The mean of n values, of which a share p is large, has the skewness (n p)^(-1/2).
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
    """
    g = np.where(np.abs(skewness) < _STRAIGHT, _STRAIGHT, skewness)

    def t(x: float) -> FloatArray:
        return np.asarray(3 / g * (np.cbrt(1 + g * (x - g / 6)) - 1))

    skewed = np.not_equal(skewness, 0.0)
    reach_down = np.where(skewed, np.maximum(critical, t(critical)), critical)
    reach_up = np.where(skewed, np.maximum(critical, -t(-critical)), critical)
    return Limits(value - reach_down * se, value + reach_up * se)


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
    B 16. The limits hold their level however uncertain the denominator is. Where it is not
    significantly different from zero few ratios can be excluded, and the limits are infinite.

    Parameters
    ----------
    numerator : ndarray of shape (m,)
    denominator : float
    errors : RatioErrors
    critical : float
        Standard errors to either side.
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

    @property
    def ends(self) -> tuple[float, float]:
        """Both ends of the interval."""
        return self.lower, self.upper

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
    level : float
    shared_influence : array of shape (n,), optional
        The part of the influence that is counted twice (see `noise_share`).
    """
    kind = "HC3" if clusters is None else "cluster"
    spread = variance_of_mean(log_influence, share, is_gold, clusters, kind)
    df, variance = spread.df, spread.variance
    # Satterthwaite (1946): the mean of n squares has the coefficient of variation
    # sqrt((kurtosis - 1) / n), and chi-squared with df degrees of freedom has sqrt(2 / df).
    # Squared errors, whose squares these are, have a kurtosis of 15 and more: 90 of them say as
    # little about their variance as 13 normal variables do.
    summed = cluster_sums(log_influence, clusters)
    second, fourth = float(np.mean(summed**2)), float(np.mean(summed**4))
    if fourth > second**2 > 0:
        df = min(df, max(4.0, 2 * len(summed) / (fourth / second**2 - 1)))
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
