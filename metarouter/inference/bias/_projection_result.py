"""What the best linear projection returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from metarouter.inference._limits import Verdict
from metarouter.inference.bias._effect import Effect
from metarouter.inference.intervals import FloatArray, WaldTest
from metarouter.utils.plotting import new_axes
from metarouter.utils.style import MEAN, reference_line
from metarouter.utils.tables import Printed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BestLinearProjection"]

_LONGEST_NAME = 32


@dataclass(frozen=True)
class BestLinearProjection(Printed):
    """Coefficients of the linear function of chosen features that is nearest to the shift.

    Parameters
    ----------
    names : tuple of str
        ``mean`` (the projection at the mean of the features) and the features.
    coefficient, se, df : ndarray of shape (k,)
        In units of the preference labels per unit of the feature.
    lower, upper : ndarray of shape (k,)
        Pointwise intervals.
    simultaneous_lower, simultaneous_upper : ndarray of shape (k,)
        Intervals that cover all slopes at once; the mean has its pointwise one.
    statistic, p_value : ndarray of shape (k,)
        Two-sided tests of zero, each by itself.
    joint : WaldTest
        Test that all slopes are zero: that the bias does not depend on these features.
    effect : {"shift", "gain"}
    covariance : {"HC3", "cluster"}
    level : float
    n_gold, n_preference : int
    verdict : Verdict
        On the claim that the effect is the same along these features.
    needed : int or None
        Gold labels that would allow a judgement.
    reason : str
    """

    names: tuple[str, ...]
    coefficient: FloatArray
    se: FloatArray
    df: FloatArray
    lower: FloatArray
    upper: FloatArray
    simultaneous_lower: FloatArray
    simultaneous_upper: FloatArray
    statistic: FloatArray
    p_value: FloatArray
    joint: WaldTest
    effect: Effect
    covariance: str
    level: float
    n_gold: int
    n_preference: int
    verdict: Verdict
    needed: int | None
    reason: str

    def to_frame(self) -> pd.DataFrame:
        """Return one row per coefficient, with pointwise and simultaneous intervals."""
        import pandas as pd

        return pd.DataFrame(
            {
                "feature": self.names,
                "coefficient": self.coefficient,
                "se": self.se,
                "t": self.statistic,
                "p_value": self.p_value,
                "ci_low": self.lower,
                "ci_high": self.upper,
                "simultaneous_low": self.simultaneous_lower,
                "simultaneous_high": self.simultaneous_upper,
            }
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw the slopes with their simultaneous (thin) and pointwise (thick) intervals.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        slopes = np.arange(1, len(self.names))
        ax = new_axes(ax, height=1.2 + 0.32 * max(3, len(slopes)))
        place = -slopes.astype(float)
        ends = (self.simultaneous_lower[slopes], self.simultaneous_upper[slopes])
        ax.hlines(place, *ends, color=MEAN, linewidth=1.0, label=f"{self.level:.0%} simultaneous")
        ends = (self.lower[slopes], self.upper[slopes])
        ax.hlines(place, *ends, color=MEAN, linewidth=3.0, label=f"{self.level:.0%} pointwise")
        ax.plot(self.coefficient[slopes], place, "o", color="#1A1A1A", markersize=4)
        ax.axvline(0.0, **reference_line())
        ax.set_yticks(place, [_short(self.names[k]) for k in slopes])
        ax.set_ylim(place.min() - 0.6, place.max() + 0.6)
        ax.set_xlabel(f"change of the {self.effect} per unit of the feature")
        ax.legend(
            frameon=False, fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2
        )
        return ax

    def _title(self) -> str:
        return f"Best linear projection of the {self.effect}"

    def _facts(self) -> dict[str, str]:
        joint = self.joint
        return {
            "gold labels": f"{self.n_gold}",
            "preference labels": f"{self.n_preference}",
            "errors": self.covariance,
            "level": f"{self.level:g}",
            "all slopes zero": f"F({joint.df_numerator}, {joint.df_denominator:.0f}) = "
            f"{joint.statistic:.2f}, p = {joint.p_value:.3g}",
            "verdict": str(self.verdict),
        }

    def _notes(self) -> tuple[str, ...]:
        return (
            "The row 'mean' is the effect at the mean of the features. Simultaneous intervals",
            "cover all slopes at once; p values are for each coefficient by itself.",
            self.reason,
        )


def _short(name: str) -> str:
    """Keep a name from taking the room of the picture."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
