"""Performance gap recovered, with bands, its average and call thresholds with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from metarouter.inference._limits import Verdict
from metarouter.inference.bands._band_result import draw_band, errors_in_words
from metarouter.inference.curves import BandMethod
from metarouter.inference.intervals import FloatArray
from metarouter.utils.plotting import new_axes
from metarouter.utils.style import random_line
from metarouter.utils.tables import Printed, thinned

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PerformanceGapBand"]


@dataclass(frozen=True)
class PerformanceGapBand(Printed):
    """PGR, APGR and CPT of RouteLLM with limits.

    Parameters
    ----------
    usage : ndarray of shape (m,)
        Shares of queries sent to the primary model.
    pgr : ndarray of shape (m,)
        Share of the performance gap recovered.
    lower, upper : ndarray of shape (m,)
        Limits that hold at one usage.
    band_lower, band_upper : ndarray of shape (m,)
        Limits that hold at all usages at once. Infinite where the gap is not told from zero.
    apgr, apgr_lower, apgr_upper : float
        Average PGR over usages from 0 to 1; 0.5 for random routing.
    target : tuple of float
    cpt, cpt_lower, cpt_upper : ndarray of shape (n_targets,)
        Smallest usage at which PGR reaches each target, and the usages at which it may do so.
    gap, gap_se : float
        Mean gain of the primary model, in gold units.
    critical : float
        Standard errors to either side that make the band.
    method : {"half_sample", "influence"}
    level : float
    n, n_units, n_draws : int
    verdict : Verdict
        On the claim that APGR is above 0.5: that the router beats random routing.
    needed : int or None
    reason : str
    """

    usage: FloatArray
    pgr: FloatArray
    lower: FloatArray
    upper: FloatArray
    band_lower: FloatArray
    band_upper: FloatArray
    apgr: float
    apgr_lower: float
    apgr_upper: float
    target: tuple[float, ...]
    cpt: FloatArray
    cpt_lower: FloatArray
    cpt_upper: FloatArray
    gap: float
    gap_se: float
    critical: float
    method: BandMethod
    level: float
    n: int
    n_units: int
    n_draws: int
    verdict: Verdict
    needed: int | None
    reason: str

    def to_frame(self) -> pd.DataFrame:
        """Return one row per usage."""
        import pandas as pd

        return pd.DataFrame(
            {
                "usage": self.usage,
                "pgr": self.pgr,
                "ci_low": self.lower,
                "ci_high": self.upper,
                "band_low": self.band_lower,
                "band_high": self.band_upper,
            }
        )

    def numbers_frame(self) -> pd.DataFrame:
        """Return one row for APGR and one for every call threshold."""
        import pandas as pd

        return pd.DataFrame(
            {
                "quantity": ["APGR", *(f"CPT({target:.0%})" for target in self.target)],
                "value": [self.apgr, *self.cpt],
                "ci_low": [self.apgr_lower, *self.cpt_lower],
                "ci_high": [self.apgr_upper, *self.cpt_upper],
            }
        )

    def plot(self, ax: Any = None, *, name: str = "router", band: bool = True) -> Any:
        """Draw PGR against usage, with its band.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        name : str, default="router"
        band : bool, default=True

        Returns
        -------
        matplotlib Axes
        """
        ax = new_axes(ax, height=4.2)
        limits = (self.band_lower, self.band_upper) if band else None
        draw_band(ax, name, self.usage, self.pgr, (self.lower, self.upper), limits)
        ax.plot([0, 1], [0, 1], **random_line())
        ax.set_xlabel("share of queries sent to the primary model")
        ax.set_ylabel("performance gap recovered")
        ax.set_xlim(0, 1)
        ax.legend(frameon=False, fontsize="small")
        return ax

    def _title(self) -> str:
        return "Performance gap recovered"

    def _facts(self) -> dict[str, str]:
        return errors_in_words(self.n, self.n_units, self.method, self.n_draws) | {
            "level": f"{self.level:g}",
            "gap": f"{self.gap:.4f} (s.e. {self.gap_se:.4f})",
            "verdict": str(self.verdict),
        }

    def _notes(self) -> tuple[str, ...]:
        numbers = self.numbers_frame().itertuples(index=False)
        return (
            "; ".join(
                f"{row.quantity} {row.value:.3f} ({row.ci_low:.3f} to {row.ci_high:.3f})"
                for row in numbers
            )
            + ".",
            "ci: holds at one usage; band: holds at all at once. Random routing recovers the share "
            "that it sends.",
            self.reason,
        )

    def _written(self, decimals: int = 4) -> pd.DataFrame:
        return thinned(super()._written(decimals))

    @property
    def gap_is_known(self) -> bool:
        """Whether the gap is told from zero, without which no share of it is known."""
        return bool(np.isfinite(self.apgr_lower))
