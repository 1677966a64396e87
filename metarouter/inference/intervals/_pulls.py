"""Variances of estimates from what every row pulls on them.

A row's pull on an estimate is its influence times its share of all rows. Pulls of one row are
added over everything that the row enters (a mean, the factor between the two scales of labels);
pulls of rows that depend on each other are added over the group. The variance is the sum of the
squares of what is left.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

from metarouter.exceptions import DataError, MetaRouterError
from metarouter.utils.groups import group_codes

__all__ = [
    "Alternative",
    "Covariance",
    "PulledVariance",
    "as_units",
    "choose_covariance",
    "interval_of",
    "p_value_of",
    "unit_sums",
    "variance_of_mean",
    "welch_df",
]

FloatArray = NDArray[np.float64]
Units = NDArray[np.intp] | None
Covariance = Literal["auto", "t", "HC3", "cluster"]
Alternative = Literal["two-sided", "less", "greater"]


class PulledVariance(NamedTuple):
    """A variance and the degrees of freedom of its estimate."""

    variance: float
    df: float


def as_units(groups: ArrayLike | None) -> Units:
    """Give every row the number of its unit; None where every row stands for itself.

    Examples
    --------
    >>> as_units(["b", "a", "b"])
    array([1, 0, 1])
    >>> as_units([1, 2, 3]) is None
    True
    """
    if groups is None:
        return None
    labels = np.asarray(groups)
    whole = labels.dtype.kind in "iu"  # numbered already, as queries are
    numbers = np.unique(labels, return_inverse=True)[1] if whole else group_codes(labels)
    return None if numbers.size == 0 or numbers.max() + 1 == numbers.size else numbers


def choose_covariance(
    wanted: Covariance, units: Units, known: tuple[str, ...] = ("t", "HC3", "cluster")
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
        return "HC3" if units is None else "cluster"
    if wanted == "cluster" and units is None:
        raise MetaRouterError(
            "covariance='cluster' needs rows that share a group, but every row stands for itself; "
            "give groups, or use 'HC3'."
        )
    return wanted


def unit_sums(pull: FloatArray, units: Units) -> FloatArray:
    """Add pulls, shape (n, ...), over the units they belong to."""
    if units is None:
        return pull
    total = np.zeros((int(units.max()) + 1, *pull.shape[1:]))
    np.add.at(total, units, pull)
    return total


def variance_of_mean(
    pull: FloatArray, share: FloatArray, is_gold: NDArray[np.bool_], units: Units, covariance: str
) -> PulledVariance:
    """Variance of a weighted mean from its pulls.

    Parameters
    ----------
    pull : array of shape (n,)
        Sums to zero.
    share : array of shape (n,)
        Weights that sum to one: the leverage of each row on the mean.
    is_gold : array of bool of shape (n,)
        For the degrees of freedom.
    units : array of int of shape (n,) or None
    covariance : {"t", "HC3", "cluster"}
        "t" is s^2 / n; "HC3" divides each pull by one minus its leverage (MacKinnon & White 1985);
        "cluster" does so with whole units, which is the jackknife over units (CR3).

    Raises
    ------
    DataError
        If fewer than two units pull.
    """
    taken = (share > 0) | (pull != 0)
    pull, share, is_gold = pull[taken], share[taken], is_gold[taken]
    units = None if units is None or covariance != "cluster" else as_units(units[taken])
    summed, leverage = unit_sums(pull, units), unit_sums(share, units)
    n_units = len(summed)
    if n_units < 2:
        raise DataError(
            f"{n_units} independent unit leaves no way to measure uncertainty; give labels of at "
            "least two queries (groups)."
        )
    df = welch_df(summed[:, None], is_gold, units)[0]
    if covariance == "t":
        return PulledVariance(n_units / (n_units - 1) * float(summed @ summed), df)
    spread = summed / (1 - leverage)
    shrink = (n_units - 1) / n_units if covariance == "cluster" else 1.0
    return PulledVariance(shrink * float(spread @ spread), df)


def welch_df(summed: FloatArray, is_gold: NDArray[np.bool_], units: Units) -> FloatArray:
    """Degrees of freedom of a sum of squared pulls, by column (Welch 1947, Satterthwaite 1946).

    A few gold labels often carry nearly all of the variance. It is then known as badly as from
    those few, however many preference labels there are: with units of several kinds (gold,
    preference, both), df = V^2 / sum over kinds of V_kind^2 / (n_kind - 1).

    Parameters
    ----------
    summed : array of shape (n_units, k)
        Pulls, added over units.
    is_gold : array of bool of shape (n,)
    units : array of int of shape (n,) or None
    """
    n_units = len(summed)
    has_gold = unit_sums(is_gold.astype(float), units) > 0
    has_preference = unit_sums((~is_gold).astype(float), units) > 0
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
