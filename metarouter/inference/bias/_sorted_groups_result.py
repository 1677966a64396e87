"""What the sorted-group effects return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metarouter.inference._limits import Verdict
from metarouter.inference.bias._effect import Effect
from metarouter.inference.intervals import FloatArray
from metarouter.utils.plotting import new_axes
from metarouter.utils.style import BAR, MEAN, reference_line
from metarouter.utils.tables import Printed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SortedGroupEffects"]


@dataclass(frozen=True)
class SortedGroupEffects(Printed):
    """Mean effect in groups of queries, from the lowest to the highest prediction.

    Parameters
    ----------
    predicted : ndarray of shape (n_groups,)
        Mean prediction in each group.
    value, se, df : ndarray of shape (n_groups,)
        Mean effect in each group, in units of the preference labels.
    lower, upper : ndarray of shape (n_groups,)
        Pointwise intervals.
    simultaneous_lower, simultaneous_upper : ndarray of shape (n_groups,)
        Intervals that cover all groups at once.
    n_rows, n_gold : ndarray of int of shape (n_groups,)
        Labels, and gold labels, in each group.
    contrast, contrast_se, contrast_lower, contrast_upper : float
        Highest minus lowest group, with its two-sided interval.
    contrast_p_value : float
        One-sided, against a contrast of at most 0: the prediction sorts as it should.
    effect, by : {"shift", "gain"}
        What is averaged, and by which prediction queries are sorted.
    scheme, covariance : str
    level : float
    verdict : Verdict
        On the claim that the prediction sorts queries by their effect.
    needed : int or None
    reason : str
    """

    predicted: FloatArray
    value: FloatArray
    se: FloatArray
    df: FloatArray
    lower: FloatArray
    upper: FloatArray
    simultaneous_lower: FloatArray
    simultaneous_upper: FloatArray
    n_rows: NDArray[np.intp]
    n_gold: NDArray[np.intp]
    contrast: float
    contrast_se: float
    contrast_lower: float
    contrast_upper: float
    contrast_p_value: float
    effect: Effect
    by: Effect
    scheme: str
    covariance: str
    level: float
    verdict: Verdict
    needed: int | None
    reason: str

    def to_frame(self) -> pd.DataFrame:
        """Return one row per group, the lowest predictions first, and one for the contrast."""
        import pandas as pd

        count = len(self.value)
        frame = pd.DataFrame(
            {
                "group": [f"{k + 1} of {count}" for k in range(count)],
                "labels": self.n_rows,
                "gold": self.n_gold,
                "predicted": self.predicted,
                "mean": self.value,
                "se": self.se,
                "ci_low": self.lower,
                "ci_high": self.upper,
                "simultaneous_low": self.simultaneous_lower,
                "simultaneous_high": self.simultaneous_upper,
            }
        )
        frame.loc[count] = [
            f"{count} minus 1",
            int(self.n_rows[[0, -1]].sum()),
            int(self.n_gold[[0, -1]].sum()),
            self.predicted[-1] - self.predicted[0],
            self.contrast,
            self.contrast_se,
            self.contrast_lower,
            self.contrast_upper,
            self.contrast_lower,
            self.contrast_upper,
        ]
        return frame

    def plot(self, ax: Any = None) -> Any:
        """Draw the group means with both intervals, and the mean prediction of each group.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        ax = new_axes(ax)
        place = np.arange(1, len(self.value) + 1)
        ends = (self.simultaneous_lower, self.simultaneous_upper)
        ax.vlines(place, *ends, color=MEAN, linewidth=1.0, label=f"{self.level:.0%} simultaneous")
        words = f"{self.level:.0%} pointwise"
        ax.vlines(place, self.lower, self.upper, color=MEAN, linewidth=3.0, label=words)
        ax.plot(place, self.value, "o", color="#1A1A1A", markersize=5, label="mean")
        ax.plot(place + 0.12, self.predicted, "D", color=BAR, markersize=5, label="predicted")
        ax.axhline(0.0, **reference_line())
        ax.set_xticks(place)
        ax.set_xlabel(f"queries sorted by predicted {self.by}, lowest to highest")
        ax.set_ylabel(f"mean {self.effect}")
        ax.legend(
            frameon=False, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, 1.15), ncols=4
        )
        return ax

    def _title(self) -> str:
        return f"Mean {self.effect} in groups sorted by the predicted {self.by}"

    def _facts(self) -> dict[str, str]:
        return {
            "held out": self.scheme,
            "errors": self.covariance,
            "level": f"{self.level:g}",
            "p value of the contrast": f"{self.contrast_p_value:.3g} (one-sided)",
            "verdict": str(self.verdict),
        }

    def _notes(self) -> tuple[str, ...]:
        return ("Simultaneous intervals cover all groups at once.", self.reason)
