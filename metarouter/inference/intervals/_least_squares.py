"""Weighted least squares with errors that allow for unequal variances and for clusters.

HC3 (MacKinnon & White 1985) and CR3 (Bell & McCaffrey 2002) are both the jackknife: what the
coefficients lose when a row, or a whole cluster, is left out. Among the usual choices they are the
ones that keep their level in small samples (Long & Ervin 2000; MacKinnon, Nielsen & Webb 2023).
statsmodels (0.15) has HC3 (the same numbers) but not CR3, nor the influence of each row, to which
that through an estimated factor is added here before squaring; and its degrees of freedom are not
Welch's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc

from metarouter.exceptions import DataError
from metarouter.inference.intervals._variances import (
    Clusters,
    FloatArray,
    cluster_sums,
    interval_of,
    welch_df,
)

_CHUNK = 512
_LEAST_LOG_DETERMINANT = np.log(1e-12)
_DRAWS = 40_000
_SEED = 20_240_601


def normal_draws(covariance: FloatArray, n: int, rng: np.random.Generator) -> FloatArray:
    """Draw n times from the normal distribution with mean 0, shape (n, k)."""
    value, vector = np.linalg.eigh(covariance)
    root = vector * np.sqrt(np.clip(value, 0.0, None))
    return rng.standard_normal((n, len(value))) @ root.T


def sup_t_quantile(covariance: FloatArray, df: float, level: float) -> float:
    """Quantile of the largest absolute t statistic (Montiel Olea & Plagborg-Moller 2019).

    Estimates plus and minus this many standard errors cover all truths at once with probability
    `level`. It is drawn with a fixed seed: the same covariance gives the same number.

    Parameters
    ----------
    covariance : array of shape (k, k)
        Of the estimates, in any unit: their correlation counts. One without error is alone.
    df : float
        Degrees of freedom of the standard errors, taken as one common estimate of scale.
    level : float
    """
    scale = np.sqrt(np.diag(covariance))
    scale = np.where(scale > 0, scale, 1.0)
    correlation = covariance / np.outer(scale, scale)
    np.fill_diagonal(correlation, 1.0)
    rng = np.random.default_rng(_SEED)
    largest = np.abs(normal_draws(correlation, _DRAWS, rng)).max(axis=1)
    spread = np.sqrt(rng.chisquare(df, _DRAWS) / df) if np.isfinite(df) else 1.0
    return float(np.quantile(largest / spread, level))


class WaldTest(NamedTuple):
    """A joint test: F statistic, its degrees of freedom, p value."""

    statistic: float
    df_numerator: int
    df_denominator: float
    p_value: float


class LinearFit(NamedTuple):
    """Coefficients (k,), their covariance (k, k) and degrees of freedom (k,)."""

    coefficient: FloatArray
    covariance: FloatArray
    df: FloatArray

    @property
    def se(self) -> FloatArray:
        """Standard errors of the coefficients."""
        return np.sqrt(np.diag(self.covariance))

    def limits(self, level: float, first: int | None = None) -> dict[str, Any]:
        """Return errors, degrees of freedom and pointwise limits, by the names that results use.

        With `first`, limits that hold at once for the coefficients from that one on are among them;
        of those before it they are the pointwise ones.
        """
        value, se = self.coefficient, self.se
        lower, upper = interval_of(value, se, self.df, level)
        found = {"se": se, "df": self.df, "lower": lower, "upper": upper}
        if first is not None:
            several = self.covariance[first:, first:]
            margin = sup_t_quantile(several, float(self.df[first:].min()), level) * se[first:]
            found["simultaneous_lower"] = np.append(lower[:first], value[first:] - margin)
            found["simultaneous_upper"] = np.append(upper[:first], value[first:] + margin)
        return found

    def wald_test(self, first: int = 0) -> WaldTest:
        """Test that all coefficients from `first` on are zero, by Hotelling's T^2.

        The covariance is estimated: with df degrees of freedom and q coefficients, T^2 (df - q + 1)
        / (q df) is F with q and df - q + 1 degrees of freedom.
        """
        value, covariance = self.coefficient[first:], self.covariance[first:, first:]
        q, df = value.size, float(self.df[first:].min())
        left = max(df - q + 1, 1.0)
        with np.errstate(all="ignore"):
            squared = float(value @ np.linalg.pinv(covariance, hermitian=True) @ value)
            statistic = squared * left / (q * df)
            return WaldTest(statistic, q, left, float(fdtrc(q, left, statistic)))


def weighted_least_squares(
    design: FloatArray,
    outcome: FloatArray,
    share: FloatArray,
    is_gold: NDArray[np.bool_],
    clusters: Clusters,
    covariance: str,
    *,
    names: list[str],
    slope: FloatArray | None = None,
    factor_influence: FloatArray | None = None,
    centred: bool = False,
) -> LinearFit:
    """Regress an outcome on a design, with HC3 or cluster-jackknife errors.

    Parameters
    ----------
    design : array of shape (n, k)
    outcome, share, is_gold, clusters : array of shape (n,)
        Rows of weight 0 count only where the factor has influence.
    covariance : {"HC3", "cluster"}
    names : list of str
        Of the columns, for errors.
    slope, factor_influence : array of shape (n,), optional
        Derivative of the outcome with respect to the factor between the scales of the labels, and
        influence of each row on that factor: with both, its error is part of the covariance.
    centred : bool, default=False
        Whether the columns after the first, which is constant, were centred at their estimated
        means: the first coefficient is then the mean of the outcome, whose variance holds that of
        the features; the regression's residuals do not.

    Raises
    ------
    DataError
        If columns do not vary or depend on each other, or one rests on a single row (cluster).
    """
    taken = share > 0
    if slope is not None and factor_influence is not None:
        taken = taken | (factor_influence != 0)
    design, outcome, share, is_gold = design[taken], outcome[taken], share[taken], is_gold[taken]
    clusters = None if clusters is None or covariance != "cluster" else clusters[taken]
    if clusters is not None:
        clusters = np.unique(clusters, return_inverse=True)[1].reshape(-1)
    _require_full_rank(design, share, names)
    weighted = share[:, None] * design
    moments = weighted.T @ design
    coefficient: FloatArray = np.linalg.solve(moments, weighted.T @ outcome).astype(np.float64)
    residual = outcome - design @ coefficient
    further = np.zeros_like(design)
    if slope is not None and factor_influence is not None:
        through = np.linalg.solve(moments, weighted.T @ slope[taken])
        further += np.outer(factor_influence[taken], through)
    if centred:
        further[:, 0] += share * (design[:, 1:] @ coefficient[1:])
    influence = _jackknife(design, weighted, residual, moments, clusters, names)
    influence += cluster_sums(further, clusters)
    n_units = len(influence)
    shrink = 1.0 if clusters is None else (n_units - 1) / n_units
    df = np.minimum(welch_df(influence, is_gold, clusters), max(1.0, n_units - design.shape[1]))
    return LinearFit(coefficient, shrink * influence.T @ influence, df)


def _jackknife(
    design: FloatArray,
    weighted: FloatArray,
    residual: FloatArray,
    moments: FloatArray,
    clusters: Clusters,
    names: list[str],
) -> FloatArray:
    """Return what every cluster (or row) adds to the coefficients: full minus leave-one-out.

    Without cluster g the normal equations are (M - M_g) b = v - v_g, hence
    b_full - b_(-g) = (M - M_g)^-1 X_g' W_g e_g with the full fit's residuals e.
    """
    unit = np.arange(len(design)) if clusters is None else clusters
    score = cluster_sums(weighted * residual[:, None], clusters)
    influence = np.empty_like(score)
    order = np.argsort(unit, kind="stable")
    bounds = np.searchsorted(unit[order], np.arange(len(score) + 1))
    for first in range(0, len(score), _CHUNK):
        last = min(first + _CHUNK, len(score))
        rows = order[bounds[first] : bounds[last]]
        outer = weighted[rows, :, None] * design[rows, None, :]
        left = moments - np.add.reduceat(outer, bounds[first:last] - bounds[first])
        # The determinant over that of all moments is the product of one minus the leverages.
        kept = np.linalg.slogdet(left)[1] - np.linalg.slogdet(moments)[1]
        if kept.min() < _LEAST_LOG_DETERMINANT:
            column = names[int(np.argmin(np.diag(left[np.argmin(kept)]) / np.diag(moments)))]
            within = "one row" if clusters is None else "one group of rows"
            raise DataError(
                f"column {column!r} varies within {within} only, so its uncertainty cannot be "
                "measured; merge rare categories, or leave the column out."
            )
        influence[first:last] = np.linalg.solve(left, score[first:last, :, None])[:, :, 0]
    return influence


def _require_full_rank(design: FloatArray, share: FloatArray, names: list[str]) -> None:
    """Refuse columns that do not vary, or that depend on each other, naming the first."""
    weighted = np.sqrt(share)[:, None] * design
    n, k = weighted.shape
    if n <= k:
        raise DataError(
            f"{n} rows are too few for a regression with {k} coefficients; choose fewer features "
            "or add labels."
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
