"""What the test of the mean shift returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from metarouter.inference._histogram import plot_differences
from metarouter.inference._limits import Verdict
from metarouter.inference.intervals import Alternative, FloatArray
from metarouter.utils.tables import Printed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MeanShiftTest"]


@dataclass(frozen=True)
class MeanShiftTest(Printed):
    """Estimate and test of E Delta, the mean of what must be added to a preference label.

    Parameters
    ----------
    value, se, df : float
        Estimate in units of the preference labels, its standard error and degrees of freedom.
    lower, upper : float
        Two-sided confidence interval.
    statistic, p_value : float
        t statistic against `null`, and its p value for `alternative`.
    null : float
    alternative : {"two-sided", "less", "greater"}
    level : float
    method : {"paired", "aipw", "overlap", "difference"}
    how : str
        What was averaged, in words.
    covariance : {"t", "HC3", "cluster"}
    n_gold, n_preference, n_paired, n_units : int
        Labels of either source, queries with both, independent units.
    factor : float
        What the gold labels were multiplied by.
    factor_is : str
        Where the factor comes from.
    unit : float
        Standard deviation of the preference labels, in which the limits measure a shift.
    verdict : Verdict
        On the claim that preference labels are unbiased on average.
    needed : int or None
        Gold labels (pairs) that would settle an open verdict, all else equal.
    reason : str
        Why the verdict is what it is.
    values : ndarray
        What was averaged: differences of labels, or doubly robust scores.
    """

    value: float
    se: float
    df: float
    lower: float
    upper: float
    statistic: float
    p_value: float
    null: float
    alternative: Alternative
    level: float
    method: str
    how: str
    covariance: str
    n_gold: int
    n_preference: int
    n_paired: int
    n_units: int
    factor: float
    factor_is: str
    unit: float
    verdict: Verdict
    needed: int | None
    reason: str
    values: FloatArray = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """Return one row with estimate, interval, test and verdict."""
        import pandas as pd

        return pd.DataFrame(
            {
                "quantity": ["mean shift"],
                "estimate": [self.value],
                "se": [self.se],
                "ci_low": [self.lower],
                "ci_high": [self.upper],
                "t": [self.statistic],
                "df": [self.df],
                "p_value": [self.p_value],
                "verdict": [str(self.verdict)],
            }
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw the histogram of what was averaged, with the mean and its interval (figure S2).

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        MetaRouterError
            If the method averages nothing that could be drawn ("overlap", "difference").
        """
        return plot_differences(self, ax)

    def _title(self) -> str:
        return "Mean shift of the preference labels"

    def _facts(self) -> dict[str, str]:
        return {
            "method": self.method,
            "errors": self.covariance,
            "gold labels": f"{self.n_gold}",
            "preference labels": f"{self.n_preference}",
            "queries with both": f"{self.n_paired}",
            "independent units": f"{self.n_units}",
            "level": f"{self.level:g}",
            "null": f"{self.null:g} ({self.alternative})",
            "factor on gold labels": f"{self.factor:.4g}",
            "factor is": self.factor_is,
        }

    def _notes(self) -> tuple[str, ...]:
        return (f"Estimate: {self.how}, in units of the preference labels.", self.reason)
