"""Variances of estimates from the influence of every row on them.

Influence values here are influence functions times a row's share of all rows. Those of one row
are added over everything that the row enters (a mean, the factor between the two scales of
labels); those of rows that depend on each other are added over the cluster. The variance is the
sum of the squares of what is left.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

from metarouter.exceptions import DataError, MetaRouterError
from metarouter.utils.groups import group_codes

FloatArray = NDArray[np.float64]
Clusters = NDArray[np.intp] | None
Covariance = Literal["auto", "t", "HC3", "cluster"]
Alternative = Literal["two-sided", "less", "greater"]


class MeanVariance(NamedTuple):
    """A variance and the degrees of freedom of its estimate."""

    variance: float
    df: float


def as_clusters(groups: ArrayLike | None) -> Clusters:
    """Give every row the number of its unit; None where every row stands for itself.

    Examples
    --------
    >>> as_clusters(["b", "a", "b"])
    array([1, 0, 1])
    >>> as_clusters([1, 2, 3]) is None
    True
    """
    if groups is None:
        return None
    labels = np.asarray(groups)
    whole = labels.dtype.kind in "iu"  # numbered already, as queries are
    numbers = np.unique(labels, return_inverse=True)[1] if whole else group_codes(labels)
    return None if numbers.size == 0 or numbers.max() + 1 == numbers.size else numbers


def choose_covariance(
    wanted: Covariance, clusters: Clusters, known: tuple[str, ...] = ("t", "HC3", "cluster")
) -> str:
    """Resolve "auto": cluster-robust where rows belong together, HC3 elsewhere.

    Raises
    ------
    MetaRouterError
        If the choice is unknown, or clusters are asked for and there are none.
    """
    if wanted not in ("auto", *known):
        raise MetaRouterError(
            f"covariance={wanted!r} is unknown here; choose 'auto' or one of {', '.join(known)}."
        )
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
    """Variance of a weighted mean from its influence values.

    Parameters
    ----------
    influence : array of shape (n,)
        Sums to zero.
    share : array of shape (n,)
        Weights that sum to one: the leverage of each row on the mean.
    is_gold : array of bool of shape (n,)
        For the degrees of freedom.
    clusters : array of int of shape (n,) or None
    covariance : {"t", "HC3", "cluster"}
        "t" is s^2 / n; "HC3" divides each influence value by one minus its leverage (MacKinnon &
        White 1985); "cluster" does so with whole clusters, which is the jackknife over them (CR3).

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
    those few, however many preference labels there are: with units of several kinds (gold,
    preference, both), df = V^2 / sum over kinds of V_kind^2 / (n_kind - 1).

    Parameters
    ----------
    summed : array of shape (n_units, k)
        Influence values, added over clusters.
    is_gold : array of bool of shape (n,)
    clusters : array of int of shape (n,) or None
    """
    n_units = len(summed)
    has_gold = cluster_sums(is_gold.astype(float), clusters) > 0
    has_preference = cluster_sums((~is_gold).astype(float), clusters) > 0
    kind = has_gold + 2 * has_preference
    total, parts = np.zeros(summed.shape[1]), np.zeros(summed.shape[1])
    for value in (1, 2, 3):
        rows = kind == value
        if rows.any():
            variance = (summed[rows] ** 2).sum(axis=0)
            total += variance
            parts += variance**2 / max(1, int(rows.sum()) - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        df = total**2 / parts
    return np.clip(np.nan_to_num(df, nan=n_units - 1.0), 1.0, max(1.0, n_units - 1.0))


def interval_of(value: Any, se: Any, df: Any, level: float) -> tuple[Any, Any]:
    """Two-sided interval with Student's t."""
    margin = stdtrit(df, 0.5 + level / 2) * se
    return value - margin, value + margin


def p_value_of(statistic: Any, df: Any, alternative: Alternative = "two-sided") -> Any:
    """P value of a t statistic, in the direction chosen beforehand.

    Taking the smaller tail of the two, as some packages do, doubles the type-I error.

    Examples
    --------
    >>> round(float(p_value_of(-2.0, 1e9)), 4), round(float(p_value_of(-2.0, 1e9, "greater")), 4)
    (0.0455, 0.9772)
    """
    if alternative == "two-sided":
        return 2 * stdtr(df, -np.abs(statistic))
    if alternative == "less":
        return stdtr(df, statistic)
    if alternative == "greater":
        return stdtr(df, -np.asarray(statistic))
    raise MetaRouterError(
        f"alternative={alternative!r} is unknown; choose 'two-sided', 'less' or 'greater'."
    )
