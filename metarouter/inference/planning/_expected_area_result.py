"""Forecasts of the area of the efficiency gain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from metarouter.exceptions import MetaRouterError
from metarouter.inference._limits import Verdict
from metarouter.inference.intervals import FloatArray
from metarouter.inference.planning._allocation import Prices
from metarouter.inference.planning._axes import verdict_alone
from metarouter.inference.planning._learning_curve import LearningCurve
from metarouter.inference.planning._subsamples import Cells
from metarouter.utils.plotting import new_axes, show_numbers_on_log_axis
from metarouter.utils.style import reference_line
from metarouter.utils.tables import Printed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ExpectedArea", "ForecastPoint", "points_of"]


@dataclass(frozen=True)
class ForecastPoint:
    """A forecast for one pair of numbers of labels.

    Parameters
    ----------
    n_gold, n_preference : int
    cost : float
    area, lower, upper : float
        Expected area of the efficiency gain, in gold units.
    increase, increase_lower, increase_upper : float
        What it is beyond the area with the labels that the pilot trained on.
    """

    n_gold: int
    n_preference: int
    cost: float
    area: float
    lower: float
    upper: float
    increase: float
    increase_lower: float
    increase_upper: float


def points_of(
    curve: LearningCurve, wanted: Cells, largest: Cells, prices: Prices, level: float
) -> tuple[ForecastPoint, ...]:
    """Forecast the area at every wanted pair, and its increase over the largest of the pilot."""
    critical = curve.critical(level)
    area, more = curve.forecast(wanted), curve.forecast(wanted, minus=largest)
    lower, upper = more.value - critical * more.se, more.value + critical * more.se
    # More labels do no harm: that is how the law is fitted, and it bounds the increase too.
    above = (wanted.n_gold >= largest.n_gold) & (wanted.n_preference >= largest.n_preference)
    below = (wanted.n_gold <= largest.n_gold) & (wanted.n_preference <= largest.n_preference)
    lower = np.where(above, np.maximum(lower, 0.0), lower)
    upper = np.where(below, np.minimum(upper, 0.0), upper)
    return tuple(
        ForecastPoint(
            n_gold=int(wanted.n_gold[k]),
            n_preference=int(wanted.n_preference[k]),
            cost=float(wanted.n_gold[k] * prices.gold + wanted.n_preference[k] * prices.preference),
            area=float(area.value[k]),
            lower=float(area.value[k] - critical * area.se[k]),
            upper=float(area.value[k] + critical * area.se[k]),
            increase=float(more.value[k]),
            increase_lower=float(lower[k]),
            increase_upper=float(upper[k]),
        )
        for k in range(wanted.n_gold.size)
    )


@dataclass(frozen=True)
class ExpectedArea(Printed):
    """Forecasts of the area of the efficiency gain of a router trained on more labels.

    Parameters
    ----------
    points : tuple of ForecastPoint
        NaN where the pilot is too small.
    prices : Prices
    level : float
    rounds : int
    cells : Cells
        Numbers of labels that the router was trained on.
    areas : ndarray of shape (rounds, k)
        What it reached.
    curve : LearningCurve or None
    verdict : Verdict
        On the claim that the law may be trusted as far as it is asked about.
    needed : int or None
        Gold labels with which there would be a forecast.
    reason : str
    """

    points: tuple[ForecastPoint, ...]
    prices: Prices
    level: float
    rounds: int
    cells: Cells = field(repr=False)
    areas: FloatArray = field(repr=False)
    curve: LearningCurve | None = field(repr=False)
    verdict: Verdict
    needed: int | None
    reason: str

    @classmethod
    def unknown(cls, needed: int, reason: str, wanted: Cells, **known: Any) -> ExpectedArea:
        """Return forecasts that say why there are none."""
        prices = known["prices"]
        points = tuple(
            ForecastPoint(int(g), int(p), g * prices.gold + p * prices.preference, *([np.nan] * 6))
            for g, p in zip(*wanted, strict=True)
        )
        return cls(
            points=points,
            cells=Cells(np.empty(0), np.empty(0)),
            areas=np.empty((0, 0)),
            curve=None,
            verdict=Verdict.INCONCLUSIVE,
            needed=needed,
            reason=reason,
            **known,
        )

    def best(self, money: float) -> ForecastPoint:
        """Return the numbers of labels with the largest expected area for an amount of money.

        Parameters
        ----------
        money : float

        Raises
        ------
        MetaRouterError
            If there is no learning curve, or money for fewer than twenty gold labels.
        """
        if self.curve is None:
            raise MetaRouterError(f"There is no learning curve. {self.reason}")
        least = 20 * self.prices.gold
        if not money > least:
            raise MetaRouterError(
                f"money={money:g} buys fewer than 20 gold labels; give more than {least:g}."
            )
        gold = np.linspace(20, money / self.prices.gold, 400)[:-1]
        preference = (money - gold * self.prices.gold) / self.prices.preference
        tried = Cells(np.floor(gold), np.maximum(1.0, np.floor(preference)))
        best = int(np.argmax(self.curve.forecast(tried).value))
        chosen = Cells(tried.n_gold[[best]], tried.n_preference[[best]])
        return points_of(self.curve, chosen, self._largest, self.prices, self.level)[0]

    @property
    def _largest(self) -> Cells:
        return Cells(self.cells.n_gold[-1:], self.cells.n_preference[-1:])

    def to_frame(self) -> pd.DataFrame:
        """Return one row per pair of numbers of labels."""
        import pandas as pd

        return pd.DataFrame(
            {
                "n_gold": [point.n_gold for point in self.points],
                "n_preference": [point.n_preference for point in self.points],
                "cost": [point.cost for point in self.points],
                "area": [point.area for point in self.points],
                "ci_low": [point.lower for point in self.points],
                "ci_high": [point.upper for point in self.points],
                "increase": [point.increase for point in self.points],
                "increase_low": [point.increase_lower for point in self.points],
                "increase_high": [point.increase_upper for point in self.points],
            }
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw the learning curve over the number of gold labels, with the pilot's areas.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        ax = new_axes(ax, height=4.2)
        if self.curve is None:
            return verdict_alone(ax, self.verdict)
        mean = self.areas.mean(axis=0)
        largest = float(self.cells.n_preference[-1])
        shown = self.cells.n_preference == largest
        last = max(float(self.cells.n_gold[-1]), *(float(point.n_gold) for point in self.points))
        gold = np.geomspace(self.cells.n_gold[0], last, 80)
        made = self.curve.forecast(Cells(gold, np.full(80, largest)))
        margin = self.curve.critical(self.level) * made.se
        color = "#0072B2"
        ax.plot(gold, made.value, color=color, label=f"{largest:.0f} preference labels")
        ends = (made.value - margin, made.value + margin)
        ax.fill_between(gold, *ends, color=color, alpha=0.18, linewidth=0)
        ax.plot(self.cells.n_gold[shown], mean[shown], "o", color="#1A1A1A", label="pilot")
        ax.axvline(self.cells.n_gold[-1], **reference_line())
        show_numbers_on_log_axis(ax)
        ax.set_xlabel("gold labels")
        ax.set_ylabel("area of the efficiency gain, in gold units")
        ax.legend(frameon=False, fontsize="small", loc="lower right")
        return ax

    def _title(self) -> str:
        return "Expected area of the efficiency gain"

    def _facts(self) -> dict[str, str]:
        trained = "none"
        if self.cells.n_gold.size:
            trained = f"{self.cells.n_gold[0]:.0f} to {self.cells.n_gold[-1]:.0f}"
        return {
            "gold labels trained on": trained,
            "rounds": f"{self.rounds}",
            "level": f"{self.level:g}",
            "verdict": str(self.verdict),
        }

    def _notes(self) -> tuple[str, ...]:
        return (
            self.reason,
            "increase: over the area with the labels that the pilot trained on. Intervals hold the "
            "noise of the pilot and the doubt about the exponent, not that about the law itself.",
        )
