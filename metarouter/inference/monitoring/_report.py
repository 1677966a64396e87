"""What a monitor has seen so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metarouter.inference._limits import Verdict, worst
from metarouter.inference.monitoring._plots import plot_evidence, plot_quantity
from metarouter.inference.monitoring._quantities import Estimates
from metarouter.inference.monitoring._verdicts import AlarmReading, Reading
from metarouter.utils.tables import Printed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Course", "MonitorReport"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Course:
    """How a quantity went: at the end of every window, and now.

    Parameters
    ----------
    name : str
    n : ndarray of shape (m,)
        Rows so far.
    total : Estimates
        Over all rows so far, shape (m,).
    window_n : ndarray of shape (w,)
        Rows so far at the end of each full window.
    window : Estimates
        Over each full window by itself, shape (w,).
    promise : float
        NaN if there is none.
    """

    name: str
    n: FloatArray
    total: Estimates
    window_n: FloatArray
    window: Estimates
    promise: float


@dataclass(frozen=True)
class MonitorReport(Printed):
    """Estimates with confidence sequences, promises kept and broken, alarms.

    Parameters
    ----------
    level : float
        Chance with which a confidence sequence never leaves out what it estimates.
    alarm_level : float
        Largest chance that any alarm is ever false.
    loud : float
        Evidence at which an alarm is raised.
    window : int
    n_queries, n_gold : int
        Decisions and gold labels so far.
    readings : tuple of Reading
    alarms : tuple of AlarmReading
    courses : dict of str to Course
    evidence : dict of str to ndarray of shape (m, 2)
        Rows and log10 of the evidence of each alarm.
    """

    level: float
    alarm_level: float
    loud: float
    window: int
    n_queries: int
    n_gold: int
    readings: tuple[Reading, ...]
    alarms: tuple[AlarmReading, ...]
    courses: dict[str, Course] = field(repr=False)
    evidence: dict[str, FloatArray] = field(repr=False)

    @property
    def verdict(self) -> Verdict:
        """The gravest verdict on promises, on the draw of gold labels, and of the alarms."""
        judged = [reading.verdict for reading in self.readings if reading.verdict is not None]
        return worst([*judged, *(alarm.verdict for alarm in self.alarms)])

    @property
    def is_alarm(self) -> bool:
        """Whether a promise is broken, gold labels are drawn otherwise, or an alarm was raised."""
        return self.verdict is Verdict.FAIL

    def to_frame(self) -> pd.DataFrame:
        """Return one row per quantity, over all queries and the last window, and per alarm."""
        import pandas as pd

        quantities = [
            {
                "quantity": reading.quantity,
                "over": reading.over,
                "n": reading.n,
                "estimate": reading.value,
                "ci_low": reading.lower,
                "ci_high": reading.upper,
                "promise": reading.promise,
                "p_value": np.nan,
                "verdict": "" if reading.verdict is None else str(reading.verdict),
            }
            for reading in self.readings
        ]
        alarms = [
            {"quantity": alarm.name, "over": "all", "n": alarm.n}
            | dict.fromkeys(("estimate", "ci_low", "ci_high", "promise"), np.nan)
            | {"p_value": alarm.p_value, "verdict": str(alarm.verdict)}
            for alarm in self.alarms
        ]
        return pd.DataFrame(quantities + alarms)

    def plot(self, ax: Any = None, *, quantity: str = "share") -> Any:
        """Draw how a quantity went, with its confidence sequence and its promise.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        quantity : str, default="share"
            One of `courses`.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        MetaRouterError
            If the quantity is not monitored.
        """
        return plot_quantity(self, quantity, ax)

    def plot_evidence(self, ax: Any = None) -> Any:
        """Draw the evidence of every alarm against the line at which it is raised.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        return plot_evidence(self, ax)

    def _title(self) -> str:
        return "Monitoring of the router"

    def _facts(self) -> dict[str, str]:
        return {
            "queries": f"{self.n_queries}",
            "gold labels": f"{self.n_gold}",
            "level": f"{self.level:g} at all times at once",
            "false alarms": f"chance at most {self.alarm_level:g}, ever",
            "window": f"{self.window}",
            "gravest verdict": str(self.verdict),
        }

    def _notes(self) -> tuple[str, ...]:
        judged = [(item.verdict, item.reason) for item in self.readings if item.verdict is not None]
        judged += [(item.verdict, item.reason) for item in self.alarms]
        return (
            "Look and stop whenever you like: each ci holds at all times at once. Windows are full "
            "ones, and their intervals hold for all windows at once. A dash stands where there are "
            "too few rows.",
            *(f"{verdict} on {reason}" for verdict, reason in judged),
        )
