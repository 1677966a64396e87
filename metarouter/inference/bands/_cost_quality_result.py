"""What quality a router buys at what cost, with a joint band."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from metarouter.inference._limits import Verdict
from metarouter.inference.bands._band_result import curve_line, errors_in_words
from metarouter.inference.curves import BandMethod
from metarouter.inference.intervals import FloatArray
from metarouter.utils.plotting import new_axes
from metarouter.utils.style import random_line
from metarouter.utils.tables import Printed, thinned

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CostQualityBand"]


@dataclass(frozen=True)
class CostQualityBand(Printed):
    """Mean cost and quality of a router over its dial, with limits.

    Parameters
    ----------
    usage : ndarray of shape (m,)
        Share of queries sent to the primary model.
    threshold : ndarray of shape (m,) or None
        Scores from which on queries are sent, where they were fixed beforehand.
    cost, cost_se, quality, quality_se : ndarray of shape (m,)
        Per query; in excess of the alternative's where its own were not given.
    cost_lower, cost_upper, quality_lower, quality_upper : ndarray of shape (m,)
        Limits that hold for cost and quality at all points at once.
    advantage, advantage_se : ndarray of shape (m,)
        Quality beyond that of random routing at the same cost.
    advantage_lower, advantage_upper : ndarray of shape (m,)
        Limits of the advantage at one point.
    advantage_band_lower, advantage_band_upper : ndarray of shape (m,)
        Limits of the advantage at all points at once.
    critical : float
        Standard errors to either side of cost and quality that hold at all points at once.
    advantage_critical : float
        The same for the advantage.
    ends : tuple of float
        Cost and quality of the alternative, cost and quality of the primary model.
    method : {"half_sample", "influence"}
    level : float
    n, n_units, n_draws : int
    verdict : Verdict
        On the claim that the router beats random routing somewhere.
    needed : int or None
    reason : str
    """

    usage: FloatArray
    threshold: FloatArray | None
    cost: FloatArray
    cost_se: FloatArray
    cost_lower: FloatArray
    cost_upper: FloatArray
    quality: FloatArray
    quality_se: FloatArray
    quality_lower: FloatArray
    quality_upper: FloatArray
    advantage: FloatArray
    advantage_se: FloatArray
    advantage_lower: FloatArray
    advantage_upper: FloatArray
    advantage_band_lower: FloatArray
    advantage_band_upper: FloatArray
    critical: float
    advantage_critical: float
    ends: tuple[float, float, float, float]
    method: BandMethod
    level: float
    n: int
    n_units: int
    n_draws: int
    verdict: Verdict
    needed: int | None
    reason: str

    def to_frame(self) -> pd.DataFrame:
        """Return one row per point of the dial."""
        import pandas as pd

        threshold = {} if self.threshold is None else {"threshold": self.threshold}
        return pd.DataFrame(
            {"usage": self.usage}
            | threshold
            | {
                "cost": self.cost,
                "cost_low": self.cost_lower,
                "cost_high": self.cost_upper,
                "quality": self.quality,
                "quality_low": self.quality_lower,
                "quality_high": self.quality_upper,
                "advantage": self.advantage,
                "advantage_low": self.advantage_band_lower,
                "advantage_high": self.advantage_band_upper,
            }
        )

    def plot(self, ax: Any = None, *, name: str = "router", band: bool = True) -> Any:
        """Draw quality against cost with the joint band, and the line of random routing.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        name : str, default="router"
        band : bool, default=True
            Shade what the rectangles around all points cover together.

        Returns
        -------
        matplotlib Axes
        """
        ax = new_axes(ax, height=4.2)
        (drawn,) = ax.plot(self.cost, self.quality, **curve_line(name))
        if band and np.isfinite(self.critical):
            ax.fill_between(*self._covered(), color=drawn.get_color(), alpha=0.18, linewidth=0)
        cheap, low, dear, high = self.ends
        ax.plot([cheap, dear], [low, high], **random_line())
        ax.set_xlabel("cost per query")
        ax.set_ylabel("quality per query")
        ax.legend(frameon=False, fontsize="small")
        return ax

    def _covered(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Lowest and highest quality of all rectangles that reach a cost."""
        costs = np.linspace(self.cost_lower.min(), self.cost_upper.max(), 400)
        reach = (self.cost_lower <= costs[:, None]) & (costs[:, None] <= self.cost_upper)
        low = np.where(reach, self.quality_lower, np.inf).min(axis=1)
        high = np.where(reach, self.quality_upper, -np.inf).max(axis=1)
        order = np.argsort(self.cost, kind="stable")
        # Between rectangles that do not touch, their limits are joined by straight lines.
        between = [
            np.interp(costs, self.cost[order], limit[order])
            for limit in (self.quality_lower, self.quality_upper)
        ]
        gap = ~reach.any(axis=1)
        return costs, np.where(gap, between[0], low), np.where(gap, between[1], high)

    def _title(self) -> str:
        return "Quality and cost of the router"

    def _facts(self) -> dict[str, str]:
        return errors_in_words(self.n, self.n_units, self.method, self.n_draws) | {
            "level": f"{self.level:g}, for all points at once",
            "verdict": str(self.verdict),
        }

    def _notes(self) -> tuple[str, ...]:
        return (
            "usage: share of queries sent to the primary model. low, high: limits that hold at all "
            "points at once, for cost and quality together, and for the advantage: quality beyond "
            "that of random routing at the same cost.",
            self.reason,
        )

    def _written(self, decimals: int = 4) -> pd.DataFrame:
        return thinned(super()._written(decimals))
