"""What quality a router buys at what cost, and the area below that curve."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.evaluation._average_improvement import average_improvement
from metarouter.evaluation._clustered import (
    Estimates,
    as_clusters,
    clustered_means,
    clustered_variance,
)
from metarouter.evaluation._hull import hull_vertices, on_hull
from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated
from metarouter.utils.columns import FloatArray
from metarouter.utils.tables import Tabular

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CostQualityCurve", "cost_quality_curve"]


@dataclass(frozen=True)
class CostQualityCurve(Tabular):
    """Points (cost, quality) of one router over its dial, their hull, and the area below it.

    Parameters
    ----------
    cost, quality : ndarray of shape (m,)
        Mean cost and quality per query at each setting of the dial, in the order given.
    cost_se, quality_se : ndarray of shape (m,)
        Their standard errors; NaN for points that came averaged.
    hull : ndarray of int
        Which points are the vertices of the non-decreasing convex hull, by rising cost.
    cost_range : (float, float)
        Range of costs that the area is taken over.
    aiq : Estimates
        Average improvement in quality: the mean height of the hull over `cost_range`.
    n : int
        Number of queries; 0 for points that came averaged.

    See Also
    --------
    cost_quality_curve : Computes one.
    """

    cost: FloatArray
    quality: FloatArray
    cost_se: FloatArray
    quality_se: FloatArray
    hull: NDArray[np.intp]
    cost_range: tuple[float, float]
    aiq: Estimates
    n: int
    _influence_values: FloatArray | None = field(default=None, repr=False, compare=False)
    _clusters: tuple[NDArray[np.intp], ...] | None = field(default=None, repr=False, compare=False)

    def quality_at(self, cost: ArrayLike) -> FloatArray:
        """Quality of the hull at some costs.

        Parameters
        ----------
        cost : array-like
            Cost per query. Beyond the last vertex the hull is flat; before its first it falls to
            quality 0 at cost 0.

        Returns
        -------
        ndarray
        """
        given = np.asarray(cost, dtype=np.float64)
        return on_hull(given, self.cost[self.hull], self.quality[self.hull])

    def aiq_minus(self, other: CostQualityCurve) -> Estimates:
        """Difference of two areas on the same queries, with its paired standard error.

        Parameters
        ----------
        other : CostQualityCurve
            Of the same rows and the same `cost_range`.

        Returns
        -------
        Estimates

        Raises
        ------
        DataError
            If the curves are of other rows or ranges.
        """
        if self.n != other.n or not np.allclose(self.cost_range, other.cost_range):
            raise DataError(
                f"The curves are of {self.n} and {other.n} queries over the costs "
                f"{self.cost_range} and {other.cost_range}: compare curves of the same queries "
                "and give both the same cost_range."
            )
        difference = self.aiq.value - other.aiq.value
        if self._influence_values is None or other._influence_values is None:
            return _without_error(difference)
        variance, df = clustered_variance(
            self._influence_values - other._influence_values, self._clusters
        )
        return Estimates(difference, np.sqrt(variance), df)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per point: ``cost``, ``quality``, their errors, and ``on_hull``."""
        import pandas as pd

        return pd.DataFrame(
            {
                "cost": self.cost,
                "quality": self.quality,
                "cost_se": self.cost_se,
                "quality_se": self.quality_se,
                "on_hull": np.isin(np.arange(self.cost.size), self.hull),
            }
        )

    def plot(self, ax: Any = None, *, name: str = "router") -> Any:
        """Draw the points and their hull.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        name : str, default="router"

        Returns
        -------
        CostQualityDisplay
        """
        from metarouter.evaluation.cost_quality_display import CostQualityDisplay

        return CostQualityDisplay({name: self}).plot(ax)

    def summary(self) -> str:
        """Say in one line what quality the router buys."""
        low, high = (limit[0] for limit in self.aiq.interval())
        between = f"costs from {self.cost_range[0]:.3g} to {self.cost_range[1]:.3g}"
        if np.isnan(low):
            return f"AIQ {self.aiq.value[0]:.4f} over {between}, from {self.cost.size} points."
        return (
            f"AIQ {self.aiq.value[0]:.4f} (s.e. {self.aiq.se[0]:.4f}, 95% interval {low:.4f} to "
            f"{high:.4f}) over {between}, on {self.n} queries."
        )


@validated()
def cost_quality_curve(
    cost: ArrayLike,
    quality: ArrayLike,
    *,
    cost_range: tuple[float, float] | None = None,
    groups: ArrayLike | None = None,
) -> CostQualityCurve:
    """Cost and quality of one router over its dial, their hull, and the AIQ of RouterBench.

    Parameters
    ----------
    cost, quality : array-like of shape (n, m) or (m,)
        Cost and quality of the answer to each of n queries at each of m settings of the dial; or
        the means of the m settings, which then have no standard errors.
    cost_range : (float, float), optional
        Range of costs for the area, the same for all routers that are compared. By default from
        the cheapest to the costliest point of this router.
    groups : array-like of shape (n,) or (n, 2), optional
        Queries that share a value may depend on each other, in one or two ways, see
        `clustered_means`.

    Returns
    -------
    CostQualityCurve

    Raises
    ------
    DataError
        If shapes differ, values are missing or infinite, a cost is negative, or the range is
        empty.

    Notes
    -----
    ``AIQ = 1 / (c_max - c_min) * integral of the hull from c_min to c_max`` (Hu et al. 2024). A
    router without a dial is one point. To bring routers to one range, a hull is extended as it can
    be in practice: flat to the right, for money may be left over, and to the left along the line
    to a router that answers nothing (cost 0, quality 0). RouterBench's own script extends to the
    right alone and divides by c_max, which counts the costs below a router's cheapest point as
    quality 0.

    The standard error is that of the influence function: the area is a smooth function of the 2 m
    means as long as the same points stay vertices, and its gradient is known in closed form. The
    range is taken as given, unless it is the router's own. The hull of noisy points lies above the
    hull of their expectations, so that the AIQ of many noisy points is too high by an amount that
    falls with n; compare routers on dials of equal length.

    References
    ----------
    Hu et al. (2024), RouterBench, arXiv:2403.12031.

    Examples
    --------
    >>> curve = cost_quality_curve([1.0, 2.0, 4.0], [0.5, 0.7, 0.8], cost_range=(1.0, 5.0))
    >>> curve.aiq.value
    array([0.725])
    >>> curve.quality_at([0.5, 3.0, 9.0])
    array([0.25, 0.75, 0.8 ])
    """
    costs, qualities = _outcomes(cost, "cost"), _outcomes(quality, "quality")
    if costs.shape != qualities.shape:
        raise DataError(
            f"cost has shape {costs.shape} but quality has {qualities.shape}: give one of each per "
            "query and setting."
        )
    if (costs < 0).any():
        raise DataError(f"cost is negative in {int((costs < 0).sum())} of {costs.size} cells.")
    averaged = costs.ndim == 1
    rows_cost, rows_quality = np.atleast_2d(costs), np.atleast_2d(qualities)
    mean_cost, mean_quality = rows_cost.mean(axis=0), rows_quality.mean(axis=0)
    low, high = _range(cost_range, mean_cost)
    hull = hull_vertices(mean_cost, mean_quality)
    aiq = average_improvement(
        mean_cost, mean_quality, hull, (low, high), own_range=cost_range is None
    )
    if averaged:
        unknown = np.full(mean_cost.size, np.nan)
        points = (mean_cost, mean_quality, unknown, unknown, hull, (low, high))
        return CostQualityCurve(*points, _without_error(aiq.value), 0)
    clusters = as_clusters(groups, len(rows_cost))
    influence = (rows_cost - mean_cost) @ aiq.by_cost
    influence += (rows_quality - mean_quality) @ aiq.by_quality
    influence_values = influence[:, None] / len(rows_cost)
    variance, df = clustered_variance(influence_values, clusters)
    return CostQualityCurve(
        cost=mean_cost,
        quality=mean_quality,
        # A price may well be one number; an answer's quality that never varied is too few answers.
        cost_se=np.nan_to_num(clustered_means(rows_cost, groups).se),
        quality_se=clustered_means(rows_quality, groups).se,
        hull=hull,
        cost_range=(low, high),
        aiq=Estimates(np.array([aiq.value]), np.sqrt(variance), df),
        n=len(rows_cost),
        _influence_values=influence_values,
        _clusters=clusters,
    )


def _without_error(value: Any) -> Estimates:
    known = np.atleast_1d(np.asarray(value, dtype=np.float64))
    return Estimates(known, np.full(known.shape, np.nan), np.full(known.shape, np.nan))


def _outcomes(values: ArrayLike, name: str) -> FloatArray:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{name} holds values that are not numbers: give numbers.") from None
    if array.ndim not in (1, 2) or array.size == 0:
        raise DataError(
            f"{name} has shape {array.shape}: give one row per query and one column per setting "
            "of the dial, or one mean per setting."
        )
    missing = int((~np.isfinite(array)).sum())
    if missing:
        raise DataError(
            f"{name} is NaN or infinite in {missing} of {array.size} cells: leave those queries "
            "out."
        )
    return array


def _range(given: tuple[float, float] | None, cost: FloatArray) -> tuple[float, float]:
    if given is None:
        return float(cost.min()), float(cost.max())
    low, high = (float(limit) for limit in given)
    if not 0 <= low < high < np.inf:
        raise DataError(
            f"cost_range is ({low:g}, {high:g}): give a lower and a higher cost, both from 0 up."
        )
    return low, high
