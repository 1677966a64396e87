"""Weighted least squares with errors that allow for unequal variances and for clusters.

HC3 (MacKinnon & White 1985) and CR3 (Bell & McCaffrey 2002) are both the jackknife: what the
coefficients lose when a row, or a whole cluster, is left out. Among the usual choices they are the
ones that keep their level in small samples (Long & Ervin 2000; MacKinnon, Nielsen & Webb 2023).
statsmodels has HC3 (the same numbers) but not CR3, nor the influence of each row, to which that
through an estimated factor is added here before squaring; and its degrees of freedom are not
Welch's.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc

from metarouter.exceptions import DataError
from metarouter.inference.intervals._limits import correlation_of, sup_t_quantile
from metarouter.inference.intervals._variances import (
    Clusters,
    FloatArray,
    cluster_sums,
    interval_of,
    welch_df,
)

_NEARLY_ONE = 1 - 1e-9
_CHUNK = 512


class LinearFit(NamedTuple):
    """Coefficients (k,), their covariance (k, k), degrees of freedom (k,), fitted values (n,)."""

    coefficient: FloatArray
    covariance: FloatArray
    df: FloatArray
    fitted: FloatArray

    @property
    def se(self) -> FloatArray:
        """Standard errors of the coefficients."""
        return np.sqrt(np.diag(self.covariance))

    def interval(self, level: float) -> tuple[FloatArray, FloatArray]:
        """Limits of every coefficient by itself."""
        lower, upper = interval_of(self.coefficient, self.se, self.df, level)
        return lower, upper

    def margin(self, level: float, columns: slice = slice(None)) -> FloatArray:
        """Half widths of intervals that hold for some coefficients at once."""
        correlation = correlation_of(self.covariance[columns, columns])
        critical = sup_t_quantile(correlation, float(self.df[columns].min()), level)
        return critical * self.se[columns]


class WaldTest(NamedTuple):
    """A joint test: F statistic, its degrees of freedom, p value."""

    statistic: float
    df_numerator: int
    df_denominator: float
    p_value: float


def weighted_least_squares(
    design: FloatArray,
    outcome: FloatArray,
    share: FloatArray,
    is_gold: NDArray[np.bool_],
    clusters: Clusters,
    covariance: str,
    *,
    names: list[str],
    further_influence: FloatArray | None = None,
) -> LinearFit:
    """Regress an outcome on a design, with HC3 or cluster-jackknife errors.

    Parameters
    ----------
    design : array of shape (n, k)
    outcome : array of shape (n,)
    share : array of shape (n,)
        Weights that sum to one; rows of weight 0 count only where they have further influence.
    is_gold : array of bool of shape (n,)
        For the degrees of freedom.
    clusters : array of int of shape (n,) or None
    covariance : {"HC3", "cluster"}
    names : list of str
        Of the columns, for errors.
    further_influence : array of shape (n, k), optional
        Influence of each row on the coefficients beside the regression, for example through the
        factor between the scales of the labels.

    Raises
    ------
    DataError
        If the columns depend on each other, or one rests on a single row (unit).
    """
    taken = share > 0
    if further_influence is not None:
        taken = taken | further_influence.any(axis=1)
    design, outcome, share, is_gold = design[taken], outcome[taken], share[taken], is_gold[taken]
    clusters = None if clusters is None or covariance != "cluster" else clusters[taken]
    if clusters is not None:
        clusters = np.unique(clusters, return_inverse=True)[1].reshape(-1)
    require_full_rank(design, share, names)
    bread: FloatArray = np.asarray(
        np.linalg.inv(design.T @ (share[:, None] * design)), dtype=np.float64
    )
    coefficient = bread @ (design.T @ (share * outcome))
    residual = outcome - design @ coefficient
    if clusters is None:
        kept = 1 - _leverage(design, share, bread, names)
        influence = design @ bread * (share * residual / kept)[:, None]
    else:
        influence = _cluster_influence(design, share * residual, share, bread, clusters, names)
    if further_influence is not None:
        influence = influence + cluster_sums(further_influence[taken], clusters)
    n_units = len(influence)
    shrink = 1.0 if clusters is None else (n_units - 1) / n_units
    df = np.minimum(welch_df(influence, is_gold, clusters), max(1.0, n_units - design.shape[1]))
    return LinearFit(coefficient, shrink * influence.T @ influence, df, design @ coefficient)


def wald_test(fit: LinearFit, columns: list[int], null: FloatArray | float = 0.0) -> WaldTest:
    """Test several coefficients at once, by Hotelling's T^2.

    The covariance is estimated: with df degrees of freedom and q coefficients, T^2 (df - q + 1) /
    (q df) is F with q and df - q + 1 degrees of freedom.

    Parameters
    ----------
    fit : LinearFit
    columns : list of int
        The coefficients that are tested.
    null : float or array of shape (q,), default=0.0
    """
    q = len(columns)
    distance = fit.coefficient[columns] - null
    covariance = fit.covariance[np.ix_(columns, columns)]
    df = float(fit.df[columns].min())
    left = max(df - q + 1, 1.0)
    with np.errstate(all="ignore"):
        squared = float(distance @ np.linalg.pinv(covariance, hermitian=True) @ distance)
        statistic = squared * left / (q * df)
        return WaldTest(statistic, q, left, float(fdtrc(q, left, statistic)))


def _leverage(
    design: FloatArray, share: FloatArray, bread: FloatArray, names: list[str]
) -> FloatArray:
    leverage = share * np.einsum("ij,ij->i", design @ bread, design)
    if leverage.max() >= _NEARLY_ONE:
        row = int(np.argmax(leverage))
        column = names[int(np.argmax(np.abs(design[row] * bread.diagonal())))]
        raise DataError(
            f"a coefficient rests on a single row (column {column!r}), so its uncertainty cannot "
            "be measured; merge rare categories, or leave the column out."
        )
    return np.asarray(leverage)


def _cluster_influence(
    design: FloatArray,
    weighted_residual: FloatArray,
    share: FloatArray,
    bread: FloatArray,
    clusters: NDArray[np.intp],
    names: list[str],
) -> FloatArray:
    """Return what every unit adds to the coefficients: full estimate minus the one without it.

    Without unit g the normal equations are (M - M_g) b = v - v_g, hence
    b_full - b_(-g) = (M - M_g)^-1 X_g' W_g e_g with the full fit's residuals e.
    """
    score = cluster_sums(design * weighted_residual[:, None], clusters)
    moments = np.linalg.inv(bread)
    influence = np.empty_like(score)
    order = np.argsort(clusters, kind="stable")
    bounds = np.searchsorted(clusters[order], np.arange(len(score) + 1))
    for first in range(0, len(score), _CHUNK):
        last = min(first + _CHUNK, len(score))
        rows = order[bounds[first] : bounds[last]]
        own = np.zeros((last - first, design.shape[1], design.shape[1]))
        outer = design[rows, :, None] * (design[rows] * share[rows, None])[:, None, :]
        np.add.at(own, clusters[rows] - first, outer)
        left = moments - own
        # Scaled to the full moments, the least eigenvalue is one minus the largest leverage.
        kept = np.linalg.det(bread @ left)
        if (kept < 1e-12).any():
            unit = int(np.argmin(kept))
            column = names[int(np.argmin(np.diag(left[unit]) / np.diag(moments)))]
            raise DataError(
                f"column {column!r} varies within one group of rows only, so its uncertainty "
                "cannot be measured; merge rare categories, or leave the column out."
            )
        influence[first:last] = np.linalg.solve(left, score[first:last, :, None])[:, :, 0]
    return influence


def require_full_rank(design: FloatArray, share: FloatArray, names: list[str]) -> None:
    """Refuse columns that do not vary, or that depend on each other.

    Raises
    ------
    DataError
        Naming the first such column.
    """
    weighted = np.sqrt(share)[:, None] * design
    n, k = weighted.shape
    if n <= k:
        raise DataError(
            f"{n} rows cannot bear a regression with {k} coefficients; choose fewer features or "
            "add labels."
        )
    scale = np.sqrt((weighted**2).sum(axis=0))
    still = scale < 1e-9 * max(1.0, float(np.abs(design).max()))
    if still.any():
        raise DataError(f"column {names[int(np.argmax(still))]!r} does not vary; leave it out.")
    triangle = np.linalg.qr(weighted / scale, mode="r")
    new = np.abs(np.diag(triangle))
    if (new < 1e-9).any():
        raise DataError(
            f"column {names[int(np.argmax(new < 1e-9))]!r} is a combination of the columns before "
            "it (or constant); leave it out."
        )
