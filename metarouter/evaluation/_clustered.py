"""Means and other asymptotically linear estimates, when rows depend on each other.

Sources: Cameron, Gelbach and Miller (2011), Robust inference with multiway clustering, Journal of
Business & Economic Statistics 29, equations 2.9 to 2.11; Satterthwaite (1946) for the degrees of
freedom. With clusters A (such as the seed of training) and B (such as the query), and with
influence values ``u_i = influence_i / n``,

    V(A) = G_A / (G_A - 1) * sum over clusters a of (sum of u over a)^2,
    V    = V(A) + V(B) - V(A and B).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated
from metarouter.utils.columns import FloatArray, as_level
from metarouter.utils.features import as_floats
from metarouter.utils.groups import as_labels, group_codes
from metarouter.utils.plotting import draw_dots
from metarouter.utils.tables import Tabular, text_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Estimates", "as_clusters", "clustered_means", "clustered_variance"]

_Clusters = NDArray[np.intp]


@dataclass(frozen=True)
class Estimates(Tabular):
    """Several estimates from the same rows, with their uncertainty.

    Parameters
    ----------
    value : ndarray of shape (m,)
    se : ndarray of shape (m,)
        Standard errors; NaN where one cluster, or values that are all alike, leave no way to
        measure them: that a value did not vary so far does not prove that it never does.
    df : ndarray of shape (m,)
        Degrees of freedom of the standard errors: with few clusters they are themselves uncertain,
        and intervals take the quantile of Student's t.
    """

    value: FloatArray
    se: FloatArray
    df: FloatArray

    def interval(self, level: float = 0.95) -> tuple[FloatArray, FloatArray]:
        """Confidence intervals, each by itself.

        Parameters
        ----------
        level : float, default=0.95

        Returns
        -------
        tuple of ndarray of shape (m,)
            Lower and upper limits.
        """
        margin = stdtrit(self.df, 0.5 + as_level(level) / 2) * self.se
        return self.value - margin, self.value + margin

    def to_frame(self) -> pd.DataFrame:
        """Return one row per estimate, with its 95% interval."""
        import pandas as pd

        low, high = self.interval()
        return pd.DataFrame(
            {"value": self.value, "se": self.se, "df": self.df, "ci_low": low, "ci_high": high}
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw the estimates with their 95% intervals.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        names = [str(k) for k in range(len(self.value))]
        ax = draw_dots(names, self.value, *self.interval(), ax)
        ax.set_xlabel("estimate (95% intervals)")
        return ax

    def summary(self) -> str:
        """Return the table as text."""
        return text_table("Estimates", self._written(), facts={"intervals": "95%, each by itself"})


@validated()
def clustered_means(values: ArrayLike, groups: ArrayLike | None = None) -> Estimates:
    """Means of columns whose rows may depend on each other.

    Parameters
    ----------
    values : array-like of shape (n,) or (n, m)
    groups : array-like of shape (n,) or (n, 2), optional
        Rows that share a value may depend on each other. Two columns name two ways of depending:
        rows may share the seed that trained the router (first column), or the query (second).

    Returns
    -------
    Estimates
        One per column.

    Raises
    ------
    DataError
        If lengths differ, or every column of `groups` holds one value only.

    Notes
    -----
    With two columns the variance is ``V(seed) + V(query) - V(both)`` (Cameron, Gelbach and Miller
    2011), but never below either of the first two. Five seeds give ``V(seed)`` four degrees of
    freedom; those of the sum are Satterthwaite's, ``V^2 / (V(seed)^2 / (S - 1) + V(query)^2 /
    (Q - 1))``: near S - 1 where the seeds decide, near Q - 1 where the queries do. A column with
    one value only, as after a single seed, is left out, and the standard error is then silent
    about what that column stands for.

    Examples
    --------
    >>> mean = clustered_means([1.0, 2.0, 3.0, 4.0], groups=["a", "a", "b", "b"])
    >>> mean.value, mean.se
    (array([2.5]), array([1.]))
    """
    rows = as_floats("values", values, "values holds something that is not a number; give numbers.")
    rows = rows[:, None] if rows.ndim == 1 else rows
    if rows.ndim != 2 or not len(rows) or not np.isfinite(rows).all():
        raise DataError(
            f"values has shape {rows.shape} and {int((~np.isfinite(rows)).sum())} values that are "
            "not finite: give finite numbers, one row per query."
        )
    mean = rows.mean(axis=0)
    variance, df = clustered_variance((rows - mean) / len(rows), as_clusters(groups, len(rows)))
    alike = np.ptp(rows, axis=0) == 0
    return Estimates(mean, np.where(alike, np.nan, np.sqrt(variance)), df)


def clustered_variance(
    influence_values: FloatArray, clusters: tuple[_Clusters, ...] | None
) -> tuple[FloatArray, FloatArray]:
    """Variance, and its degrees of freedom, of estimates with given influence values.

    Parameters
    ----------
    influence_values : ndarray of shape (n, m)
        What each row adds to each estimate: its influence times its share of all rows.
    clusters : tuple of one or two ndarray of int of shape (n,), or None
        As `as_clusters` gives them; None takes every row for itself.

    Returns
    -------
    variance, df : ndarray of shape (m,)
        NaN with fewer than two clusters.
    """
    if clusters is None:
        return _one_way(influence_values)
    one_way = [_one_way(_summed(influence_values, numbers)) for numbers in clusters]
    if len(one_way) == 1:
        return one_way[0]
    (first, first_df), (second, second_df) = one_way
    both = _one_way(_summed(influence_values, _crossed(*clusters)))[0]
    # Noise can make the sum smaller than one of its parts, or even negative.
    variance = np.maximum(first + second - both, np.maximum(first, second))
    with np.errstate(invalid="ignore", divide="ignore"):
        df = variance**2 / (first**2 / first_df + second**2 / second_df)
    fewest, most = min(first_df[0], second_df[0]), max(first_df[0], second_df[0])
    return variance, np.clip(np.nan_to_num(df, nan=fewest), fewest, most)


def as_clusters(groups: ArrayLike | None, n: int) -> tuple[_Clusters, ...] | None:
    """Return one or two columns of cluster numbers, or None when every row stands for itself.

    Raises
    ------
    DataError
        If `groups` does not have one or two values per row, or only one value in every column.
    """
    if groups is None:
        return None
    columns = as_labels("groups", groups)
    columns = columns[:, None] if columns.ndim == 1 else columns
    if columns.ndim != 2 or columns.shape[0] != n or columns.shape[1] not in (1, 2):
        raise DataError(
            f"groups has shape {np.shape(groups)}, but there are {n} rows: give one value per row, "
            "or two, such as the seed and the query."
        )
    numbers = [group_codes(column) for column in columns.T]
    varied = tuple(column for column in numbers if column.max() > 0)
    if not varied:
        raise DataError(
            f"groups puts all {n} rows into one group, which leaves no way to measure "
            "uncertainty: give at least two groups, or none."
        )
    return varied


def _crossed(first: _Clusters, second: _Clusters) -> _Clusters:
    pair = first * (int(second.max()) + 1) + second
    return np.asarray(np.unique(pair, return_inverse=True)[1].reshape(-1), dtype=np.intp)


def _summed(influence_values: FloatArray, numbers: _Clusters) -> FloatArray:
    total = np.zeros((int(numbers.max()) + 1, influence_values.shape[1]))
    np.add.at(total, numbers, influence_values)
    return total


def _one_way(influence_values: FloatArray) -> tuple[FloatArray, FloatArray]:
    n_clusters, n_estimates = influence_values.shape
    if n_clusters < 2:
        return np.full(n_estimates, np.nan), np.full(n_estimates, np.nan)
    variance = n_clusters / (n_clusters - 1) * (influence_values**2).sum(axis=0)
    return variance, np.full(n_estimates, float(n_clusters - 1))
