"""The efficiency-gain curve of one router on one set of queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from metarouter.evaluation._curve_display import CurveDisplay
from metarouter.evaluation._efficiency_gain import area_influence, influence_error, rank_gains
from metarouter.evaluation._intervals import normal_quantile
from metarouter.utils.arguments import validated
from metarouter.utils.columns import (
    FloatArray,
    as_finite_column,
    as_grid,
    as_groups,
    as_weight,
    check_same_length,
)
from metarouter.utils.tables import Tabular, thinned

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EfficiencyGainCurve", "efficiency_gain_curve"]


@dataclass(frozen=True)
class EfficiencyGainCurve(Tabular):
    """Efficiency gain against the share of queries sent to the primary model.

    Parameters
    ----------
    usage : ndarray of shape (n_grid,)
        Primary model usage ratios (PMUR), increasing.
    efficiency_gain : ndarray of shape (n_grid,)
        EG per query at these ratios, in gold units.
    total_efficiency : ndarray of shape (n_grid,)
        TE at these ratios: gold units times queries.
    area : float
        Integral of EG over usages from 0 to 1, from all queries and not from the grid.
    area_se : float
        Standard error of the area over new draws of the test queries, with the router held fixed.
        NaN with one query.
    n : int
        Number of queries.

    See Also
    --------
    efficiency_gain_curve : Computes one.
    """

    usage: FloatArray
    efficiency_gain: FloatArray
    total_efficiency: FloatArray
    area: float
    area_se: float
    n: int

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Confidence interval of the area.

        Parameters
        ----------
        level : float, default=0.95

        Returns
        -------
        tuple of float
            Lower and upper limit, in gold units.
        """
        margin = normal_quantile(level) * self.area_se
        return self.area - margin, self.area + margin

    def to_frame(self) -> pd.DataFrame:
        """Return the curve as columns ``usage``, ``efficiency_gain`` and ``total_efficiency``."""
        import pandas as pd

        return pd.DataFrame(
            {
                "usage": self.usage,
                "efficiency_gain": self.efficiency_gain,
                "total_efficiency": self.total_efficiency,
            }
        )

    def plot(self, ax: Any = None, *, name: str = "router") -> CurveDisplay:
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.
        name : str, default="router"
            Name in the legend; the house's router names have colours of their own.

        Returns
        -------
        CurveDisplay
            With ``ax_``, ``figure_`` and ``lines_``, as of :class:`EfficiencyGainDisplay`.
        """
        return CurveDisplay.from_curves({name: self}).plot(ax=ax)

    def summary(self) -> str:
        """Say in one line what the router gains."""
        low, high = self.interval()
        best = int(np.argmax(self.efficiency_gain))
        return (
            f"Area under the efficiency gain {self.area:.4f} (s.e. {self.area_se:.4f}, 95% "
            f"interval {low:.4f} to {high:.4f}) on {self.n} queries; highest gain "
            f"{self.efficiency_gain[best]:.4f} per query at usage {self.usage[best]:.2f}."
        )

    def _written(self, decimals: int = 4) -> pd.DataFrame:
        return thinned(super()._written(decimals))


@validated()
def efficiency_gain_curve(
    gold_gain: ArrayLike,
    psi_hat: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    grid: ArrayLike | None = None,
) -> EfficiencyGainCurve:
    """Efficiency gain of routing by ``psi_hat`` over random routing (Meta-Router, section 4.1).

    Parameters
    ----------
    gold_gain : array-like of shape (n,)
        Gold labels r of the test queries: quality of the primary minus that of the alternative.
    psi_hat : array-like of shape (n,)
        What the router sorts queries by; only the order matters. Queries with equal values are
        taken in random order, and the expected curve is returned: the order of the rows never
        matters.
    sample_weight : array-like of shape (n,), optional
        Weights of the queries.
    groups : array-like of shape (n,), optional
        Queries that share a value may depend on each other; the standard error then counts groups.
    grid : array-like, optional
        Increasing usage ratios at which to give the curve. By default 0, 0.01, ..., 1.

    Returns
    -------
    EfficiencyGainCurve
        The curve, its area and the area's standard error.

    Raises
    ------
    DataError
        If the inputs differ in length, are empty, or hold missing or infinite values.

    Notes
    -----
    ``EG(u) = (TE(u) - u TE(1)) / n``, and its area is Cov(r, F(psi_hat)), with F the
    mid-distribution function of ``psi_hat``. The standard error is that of the influence function
    ``(r_i - mean r)(F(psi_i) - 1/2) + G(psi_i) - 2 area``; both are derived in
    ``metarouter/evaluation/_efficiency_gain.py``.

    Examples
    --------
    >>> curve = efficiency_gain_curve([2.0, 1.0, -1.0, -2.0], [0.9, 0.4, 0.1, -0.3])
    >>> curve.area
    0.4375
    >>> curve.to_frame().iloc[[0, 25, 50, 75, 100]]
         usage  efficiency_gain  total_efficiency
    0     0.00             0.00               0.0
    25    0.25             0.50               2.0
    50    0.50             0.75               3.0
    75    0.75             0.50               2.0
    100   1.00             0.00               0.0
    """
    gain = as_finite_column(gold_gain, "gold_gain")
    score = as_finite_column(psi_hat, "psi_hat")
    check_same_length("psi_hat", score.size, "gold_gain", gain.size)
    weight = as_weight(sample_weight, gain.size)
    numbers = as_groups(groups, gain.size)
    usage = as_grid(grid)

    share = weight / weight.sum()
    mean_gain = float(share @ gain)
    ranked = rank_gains(gain - mean_gain, score, share)
    area, influence = area_influence(gain - mean_gain, ranked, share)
    per_query = np.interp(usage, ranked.usage, ranked.efficiency_gain)
    return EfficiencyGainCurve(
        usage=usage,
        efficiency_gain=per_query,
        total_efficiency=weight.sum() * (per_query + usage * mean_gain),
        area=area,
        area_se=influence_error(influence, share, numbers),
        n=int((weight > 0).sum()),
    )
