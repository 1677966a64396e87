"""What the sensitivity analysis returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from metarouter.inference._limits import Verdict
from metarouter.inference.diagnostics._omitted_variable import BiasBound, confounding_strength
from metarouter.inference.intervals import FloatArray, Measured
from metarouter.utils.plotting import new_axes
from metarouter.utils.style import BAR, MEAN, reference_line
from metarouter.utils.tables import Printed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Scenario", "SensitivityAnalysis"]


class Scenario(NamedTuple):
    """Bounds on the mean shift under one assumed confounder."""

    name: str
    outcome: Measured
    source: Measured
    rho: float
    change: float
    bound: BiasBound

    @property
    def common(self) -> float:
        """Strength c with c^2 / (1 - c) = c_y c_d / (1 - c_d): the scale of robustness values."""
        squared = confounding_strength(self.outcome.value, self.source.value) ** 2
        return float((np.sqrt(squared**2 + 4 * squared) - squared) / 2)


@dataclass(frozen=True)
class SensitivityAnalysis(Printed):
    """How strong an unmeasured difference between the sources must be to explain the shift away.

    Parameters
    ----------
    value, lower, upper : float
        Mean shift without any unmeasured difference, and its interval.
    robustness : float
        Smallest common strength c_y = c_d at which the bounds reach the null.
    robustness_interval : float
        The same for the interval around the bounds: 0 if the shift is not significant.
    scenarios : tuple of Scenario
        The strength that was asked for, and every observed feature that was left out in turn.
    null, level : float
    method : {"aipw", "overlap"}
    n_gold, n_preference : int
    verdict : Verdict
        On the claim that no plausible unmeasured difference explains the shift.
    needed : int or None
    reason : str
    curve : ndarray of shape (n, 5)
        Common strength, interval and bounds along it, for the picture.
    """

    value: float
    lower: float
    upper: float
    robustness: float
    robustness_interval: float
    scenarios: tuple[Scenario, ...]
    null: float
    level: float
    method: str
    n_gold: int
    n_preference: int
    verdict: Verdict
    needed: int | None
    reason: str
    curve: FloatArray = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per scenario, with bounds and the interval around them."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "unmeasured difference": scenario.name,
                    "c_y": scenario.outcome.value,
                    "c_y_low": scenario.outcome.lower,
                    "c_y_high": scenario.outcome.upper,
                    "c_d": scenario.source.value,
                    "c_d_low": scenario.source.lower,
                    "c_d_high": scenario.source.upper,
                    "strength": scenario.common,
                    "bound_low": scenario.bound.lower,
                    "bound_high": scenario.bound.upper,
                    "ci_low": scenario.bound.interval_lower,
                    "ci_high": scenario.bound.interval_upper,
                }
                for scenario in self.scenarios
            ]
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw the bounds against the strength of the difference, with the observed features.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        ax = new_axes(ax)
        strength, low, lower, upper, high = self.curve.T
        ax.fill_between(strength, low, high, color=BAR, alpha=0.35, linewidth=0, label="interval")
        ax.fill_between(strength, lower, upper, color=BAR, alpha=0.8, linewidth=0, label="bounds")
        ax.axhline(self.null, **reference_line())
        ax.axhline(self.value, color="#1A1A1A", linewidth=1.2)
        words = f"robustness value {self.robustness_interval:.3f}"
        ax.axvline(self.robustness_interval, color=MEAN, linewidth=1.4, label=words)
        for number, scenario in enumerate(self.scenarios[1:]):
            if scenario.common <= strength[-1]:
                ax.plot(scenario.common, self.value, "D", color="#1A1A1A", markersize=4)
                ax.annotate(
                    scenario.name,
                    (scenario.common, self.value),
                    (4, 6 + 11 * number),
                    textcoords="offset points",
                    fontsize="small",
                )
        ax.set_xlim(0, strength[-1] if len(strength) else 1)
        ax.set_xlabel("strength of the unmeasured difference, c_y = c_d")
        ax.set_ylabel("mean shift")
        ax.legend(
            frameon=False, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, 1.14), ncols=3
        )
        return ax

    def _title(self) -> str:
        return "Sensitivity to an unmeasured difference between the sources"

    def _facts(self) -> dict[str, str]:
        return {
            "mean shift": f"{self.value:+.4f} ({self.lower:+.4f} to {self.upper:+.4f})",
            "method": self.method,
            "robustness value": f"{self.robustness:.4f}",
            "of the interval": f"{self.robustness_interval:.4f}",
            "null": f"{self.null:g}",
            "level": f"{self.level:g}",
            "verdict": str(self.verdict),
        }

    def _notes(self) -> tuple[str, ...]:
        return (
            "c_y: share of the labels' residual variance that the difference explains; c_d: gain",
            "in the variance of the weights; strength: the common c_y = c_d of the same bias.",
            "'like x' is a difference as strong as feature x, which was left out for comparison.",
            "Intervals around bounds are conservative: the truth lies beyond one end only.",
            self.reason,
        )
