"""What is known about a judge: bias of position and of length, noise, agreement with gold labels.

Verdicts are in {-1, 0, 1} towards the primary. With ``y_iof`` the verdict about query i, order o
(+1 where the primary's answer is shown first, -1 where second) and draw f,

    y_iof = theta_i + o * beta_i + e_iof.

The mean over both orders is free of the position bias beta. Each estimate is a mean over queries of
something that one query gives, so that the two orders and all draws of a query are one
observation; intervals take clusters of queries, with Student's t.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated
from metarouter.utils.columns import as_level
from metarouter.utils.groups import group_codes
from metarouter.utils.tables import Printed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["JudgeProfile", "VerdictSummary", "Verdicts", "draw_weights", "profile_judge"]

_Array = NDArray[np.float64]
_MEANING = {
    "position_bias": "half of what moves towards the answer shown first; 0 if order is ignored",
    "order_consistency": "share of queries judged alike in both orders",
    "draw_noise": "variance of a verdict about its mean, same query and order",
    "agreement": "share of untied gold labels with the verdict on their side, ties as half",
    "gold_slope": "verdict per unit of gold label, length and own side held fixed",
    "leaning": "verdict where gold calls it equal, at equal length; a judge's liking for itself "
    "is in it where one side is always its own",
    "length_bias": "verdict per doubling of the length ratio, gold held fixed",
    "self_preference": "verdict towards the judge's own side, gold and length held fixed",
}


@dataclass(frozen=True)
class Verdicts:
    """Verdicts of one judge about n queries, in both orders, NaN where one was lost.

    Parameters
    ----------
    primary_first, primary_second : ndarray of shape (n, k)
        k draws each, towards the primary.

    Examples
    --------
    >>> verdicts = Verdicts(np.array([[1.0, 1.0]]), np.array([[0.0, 1.0]]))
    >>> verdicts.mean, verdicts.n_draws
    (array([0.75]), array([4]))
    """

    primary_first: _Array
    primary_second: _Array

    @property
    def order_means(self) -> _Array:
        """Means over draws, of shape (2, n)."""
        return np.stack([_row_means(self.primary_first), _row_means(self.primary_second)])

    @property
    def mean(self) -> _Array:
        """The label: the mean of both orders; NaN where one order is lost, as it is biased."""
        return np.asarray(self.order_means.mean(axis=0))

    @property
    def n_draws(self) -> NDArray[np.intp]:
        """Verdicts that are there, of shape (n,)."""
        return np.sum(~np.isnan(np.hstack([self.primary_first, self.primary_second])), axis=1)

    @property
    def draw_variance(self) -> _Array:
        """Unbiased variance within order, pooled over both; NaN without two draws."""
        squares, freedom = np.zeros(len(self.primary_first)), np.zeros(len(self.primary_first))
        for order in (self.primary_first, self.primary_second):
            deviation = order - _row_means(order)[:, None]
            squares += np.nansum(deviation**2, axis=1)
            freedom += np.maximum(np.sum(~np.isnan(order), axis=1) - 1, 0)
        return np.divide(squares, freedom, out=np.full(len(squares), np.nan), where=freedom > 0)

    @property
    def draw_sd(self) -> _Array:
        """Standard deviation within order, of shape (n,)."""
        return np.asarray(np.sqrt(self.draw_variance))

    @property
    def mean_noise(self) -> _Array:
        """Factor of the draw variance in the variance of the label, of shape (n,)."""
        counts = [
            np.sum(~np.isnan(order), axis=1) for order in (self.primary_first, self.primary_second)
        ]
        inverse = [np.divide(1.0, c, out=np.full(len(c), np.nan), where=c > 0) for c in counts]
        return np.asarray(0.25 * (inverse[0] + inverse[1]))


@dataclass(frozen=True)
class VerdictSummary:
    """What a table keeps of a judge's verdicts about n queries.

    Parameters
    ----------
    mean : ndarray of shape (n,)
        The label, towards the primary; NaN where there is none.
    order_means : ndarray of shape (2, n), optional
        Means with the primary's answer shown first, and second.
    draw_variance : ndarray of shape (n,), optional
        Variance of one verdict about the mean of its order, NaN where it is not known.
    n_draws : ndarray of shape (n,), optional
        Verdicts behind each label.
    """

    mean: _Array
    order_means: _Array | None = None
    draw_variance: _Array | None = None
    n_draws: NDArray[Any] | None = None


@dataclass(frozen=True)
class JudgeProfile(Printed):
    """Estimates about a judge, with intervals.

    Parameters
    ----------
    judge : str
    names : tuple of str
    value, se, df : ndarray of shape (m,)
    n : ndarray of shape (m,)
        Queries behind each.
    level : float
    """

    judge: str
    names: tuple[str, ...]
    value: _Array
    se: _Array
    df: _Array
    n: NDArray[np.intp]
    level: float = 0.95

    def to_frame(self) -> pd.DataFrame:
        """Return one row per estimate."""
        import pandas as pd

        margin = stdtrit(self.df, 0.5 + self.level / 2) * self.se
        return pd.DataFrame(
            {
                "estimate": self.names,
                "value": self.value,
                "ci_low": self.value - margin,
                "ci_high": self.value + margin,
                "se": self.se,
                "queries": self.n,
            }
        )

    def _title(self) -> str:
        return f"Judge {self.judge}"

    def _facts(self) -> dict[str, str]:
        return {"intervals": f"{self.level:.0%}, each by itself, clustered by query"}

    def _notes(self) -> tuple[str, ...]:
        return tuple(f"{name}: {_MEANING[name]}" for name in self.names)


@validated()
def profile_judge(
    verdicts: Verdicts | VerdictSummary,
    *,
    gold: ArrayLike | None = None,
    log2_length_ratio: ArrayLike | None = None,
    own_side: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    judge: str = "judge",
    level: float = 0.95,
) -> JudgeProfile:
    """Estimate what is known about a judge.

    Parameters
    ----------
    verdicts : Verdicts or VerdictSummary
        Every verdict, or what a table keeps of them.
    gold : array-like of shape (n,), optional
        Gold labels, NaN where there is none.
    log2_length_ratio : array-like of shape (n,), optional
        Binary logarithm of the primary's length over the alternative's.
    own_side : array-like of shape (n,), optional
        1 where the judge, or its family, wrote the primary's answer, -1 where the alternative's,
        0 where neither. It must vary for self-preference to be told from a general leaning.
    groups : array-like of shape (n,), optional
        Rows that share a value are one cluster, such as one prompt that stands twice.
    judge : str
    level : float, default=0.95

    Returns
    -------
    JudgeProfile
        ``position_bias`` and ``order_consistency`` (with both orders), ``draw_noise`` (with two
        draws or more), ``agreement``, ``gold_slope`` and ``leaning`` (with gold labels),
        ``length_bias``, ``self_preference``.

    Raises
    ------
    DataError
        If an array has another length, no query has verdicts in both orders, or there is nothing
        to compare them with.

    Notes
    -----
    Gold labels are taken as they are: noise in them pulls ``gold_slope`` towards 0 and leaves part
    of the quality to whatever goes with it, such as length.
    """
    level = as_level(level)
    y = np.asarray(verdicts.mean, dtype=float)
    n = len(y)
    given = {"gold": gold, "log2_length_ratio": log2_length_ratio, "own_side": own_side}
    columns = {name: _column(name, values, n) for name, values in given.items()}
    cluster = np.arange(n) if groups is None else group_codes(np.asarray(groups))
    if len(cluster) != n:
        raise DataError(f"groups has {len(cluster)} values for {n} queries: give one per query.")
    if not (~np.isnan(y)).any():
        raise DataError(f"No query has verdicts of {judge} in both orders: collect some first.")

    rows = []
    if verdicts.order_means is not None:
        first, second = verdicts.order_means
        rows.append(_mean("position_bias", (first - second) / 2, cluster))
        both = ~np.isnan(first) & ~np.isnan(second)
        alike = np.where(both, np.sign(first) == np.sign(second), np.nan)
        rows.append(_mean("order_consistency", alike, cluster))
    if verdicts.draw_variance is not None:
        rows.append(_mean("draw_noise", verdicts.draw_variance, cluster))
    r = columns["gold"]
    if r is not None:
        side = np.where(r == 0, np.nan, (1 + np.sign(y) * np.sign(r)) / 2)
        rows.append(_mean("agreement", side, cluster))
        rows += _regression(y, columns, cluster)
    rows = [row for row in rows if row[4] > 0]
    if not rows:
        raise DataError(
            f"Nothing can be said of {judge}: its verdicts have no gold label beside them, and are "
            "not told apart by order."
        )
    names, value, se, df, count = zip(*rows, strict=True)
    return JudgeProfile(
        judge,
        tuple(names),
        np.array(value),
        np.array(se),
        np.array(df),
        np.array(count, dtype=np.intp),
        level,
    )


@validated()
def draw_weights(verdicts: Verdicts) -> _Array:
    """Weights of preference rows by how much of their variance is noise of drawing.

    The variance of a label is that of queries about the regression, which is not known and is
    taken as the variance of labels less noise, plus the noise of its mean. The noise of one draw
    is pooled over queries, and not taken by row: verdicts near 1 and -1 vary least, so that a row's
    own noise would weigh labels by their value.

    Parameters
    ----------
    verdicts : Verdicts

    Returns
    -------
    ndarray of shape (n,)
        Mean 1; all 1 where no query has two draws, or all have the same number. NaN where there
        is no label.

    Examples
    --------
    >>> first = np.array([[1.0, 0.0], [0.0, np.nan], [-1.0, -1.0]])
    >>> draw_weights(Verdicts(first, first)).round(2)
    array([1.03, 0.93, 1.03])
    """
    factor, label = verdicts.mean_noise, verdicts.mean
    there = ~np.isnan(label)
    weight = np.where(there, 1.0, np.nan)
    variance = verdicts.draw_variance
    if there.sum() < 2 or np.isnan(variance).all():
        return weight
    noise = float(np.nanmean(variance))
    spread = max(float(np.var(label[there], ddof=1)) - noise * float(factor[there].mean()), 0.0)
    total = spread + noise * factor
    if noise == 0:
        return weight
    weight = np.where(there, 1 / total, np.nan)
    return np.asarray(weight / np.nanmean(weight))


def _row_means(values: _Array) -> _Array:
    there = ~np.isnan(values)
    count = there.sum(axis=1)
    total = np.where(there, values, 0.0).sum(axis=1)
    return np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)


def _column(name: str, values: ArrayLike | None, n: int) -> _Array | None:
    if values is None:
        return None
    column = np.asarray(values, dtype=float)
    if column.shape != (n,):
        raise DataError(f"{name} has shape {column.shape} for {n} queries: give one per query.")
    return column


_Row = tuple[str, float, float, float, int]


def _mean(name: str, values: Any, cluster: NDArray[Any]) -> _Row:
    values = np.asarray(values, dtype=float)
    there = ~np.isnan(values)
    design = np.ones((int(there.sum()), 1))
    value, se, df = _clustered_least_squares(design, values[there], cluster[there])
    return name, float(value[0]), float(se[0]), df, int(there.sum())


def _regression(y: _Array, columns: dict[str, _Array | None], cluster: NDArray[Any]) -> list[_Row]:
    """Regress verdicts on gold, length and own side, as far as they are there and vary."""
    names = {
        "gold": "gold_slope",
        "log2_length_ratio": "length_bias",
        "own_side": "self_preference",
    }
    given = {name: values for name, values in columns.items() if values is not None}
    there = ~np.isnan(y) & ~np.any([np.isnan(values) for values in given.values()], axis=0)
    varied = [name for name in given if there.any() and np.ptp(given[name][there]) > 0]
    design = np.column_stack([np.ones(there.sum()), *(given[name][there] for name in varied)])
    if np.linalg.matrix_rank(design) < design.shape[1] or len(design) <= design.shape[1]:
        return []
    value, se, df = _clustered_least_squares(design, y[there], cluster[there])
    named = [(names[name], k) for k, name in enumerate(varied, start=1)]
    if "gold" in varied:
        named.append(("leaning", 0))
    return [(name, float(value[k]), float(se[k]), df, len(design)) for name, k in named]


def _clustered_least_squares(
    design: _Array, y: _Array, cluster: NDArray[Any]
) -> tuple[_Array, _Array, float]:
    """Least squares with standard errors clustered as in Liang and Zeger (1986), CR1.

    ``V = c B (sum over clusters g of s_g s_g') B`` with ``B = (X'X)^-1``, ``s_g = X_g' e_g`` and
    ``c = G / (G - 1) * (n - 1) / (n - p)``; intervals take G - 1 degrees of freedom. Estimates of
    which nothing varies have no standard error.
    """
    n, p = design.shape
    _, code = np.unique(cluster, return_inverse=True)
    n_clusters = int(code.max()) + 1 if n else 0
    if n == 0 or n_clusters < 2 or n <= p:
        value = design.T @ y / max(n, 1) if p == 1 else np.full(p, np.nan)
        return value, np.full(p, np.nan), np.nan
    bread = np.linalg.inv(design.T @ design)
    value = bread @ (design.T @ y)
    residual = y - design @ value
    score = np.zeros((n_clusters, p))
    np.add.at(score, code, design * residual[:, None])
    factor = n_clusters / (n_clusters - 1) * (n - 1) / (n - p)
    variance = np.diag(factor * bread @ (score.T @ score) @ bread)
    se = np.sqrt(np.maximum(variance, 0.0))
    if np.ptp(residual) <= 1e-12 * max(float(np.abs(y).max()), 1.0):
        se = np.full(p, np.nan)
    return value, se, float(n_clusters - 1)
