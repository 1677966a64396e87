"""What the calibration test returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metarouter.inference._limits import Verdict
from metarouter.inference.bias._effect import Effect
from metarouter.inference.intervals import FloatArray
from metarouter.utils.plotting import draw_dots, new_axes
from metarouter.utils.tables import Printed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NAMES", "CalibrationTest"]


NAMES = ("mean prediction", "differential prediction")


@dataclass(frozen=True)
class CalibrationTest(Printed):
    """Coefficients of the mean and of the differential prediction; both are 1 when calibrated.

    Parameters
    ----------
    coefficient, se, df, lower, upper : ndarray of shape (2,)
        Of the mean prediction, and of the differential prediction. Intervals are two-sided.
    p_value : ndarray of shape (2,)
        One-sided, against coefficients of at most 0: a mean effect of the predicted sign, and
        differences between queries that are found.
    p_calibrated : ndarray of shape (2,)
        Two-sided, against coefficients of 1.
    effect : {"shift", "gain"}
    scheme : str
        How the predictions were held out.
    covariance : {"HC3", "cluster"}
    level : float
    n_gold, n_preference : int
        Labels that the test rests on.
    verdict : Verdict
        On the claim that predicted differences between queries are real.
    needed : int or None
        Gold labels that would settle an open verdict.
    reason : str
    """

    coefficient: FloatArray
    se: FloatArray
    df: FloatArray
    lower: FloatArray
    upper: FloatArray
    p_value: FloatArray
    p_calibrated: FloatArray
    effect: Effect
    scheme: str
    covariance: str
    level: float
    n_gold: int
    n_preference: int
    verdict: Verdict
    needed: int | None
    reason: str

    def to_frame(self) -> pd.DataFrame:
        """Return one row per coefficient."""
        import pandas as pd

        return pd.DataFrame(
            {
                "regressor": NAMES,
                "coefficient": self.coefficient,
                "se": self.se,
                "ci_low": self.lower,
                "ci_high": self.upper,
                "p_value_above_0": self.p_value,
                "p_value_is_1": self.p_calibrated,
            }
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw both coefficients with their intervals, beside 0 and 1.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        ax = draw_dots(NAMES, self.coefficient, self.lower, self.upper, new_axes(ax, height=2.2))
        ax.axvline(1.0, color="#1A1A1A", linewidth=0.9, linestyle=":")
        ax.set_xlabel(f"coefficient ({self.level:.0%} intervals; 1: calibrated, 0: no information)")
        return ax

    def _title(self) -> str:
        return f"Calibration of the predicted {self.effect}"

    def _facts(self) -> dict[str, str]:
        return {
            "gold labels": f"{self.n_gold}",
            "preference labels": f"{self.n_preference}",
            "held out": self.scheme,
            "errors": self.covariance,
            "level": f"{self.level:g}",
            "verdict": str(self.verdict),
        }

    def _notes(self) -> tuple[str, ...]:
        return (
            "A calibrated predictor has both coefficients 1. P values above 0 are one-sided.",
            self.reason,
        )
