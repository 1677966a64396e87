"""Forecasts of the area of the efficiency gain.

What area of the efficiency gain more labels would bring.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from metarouter.datasets import LabelledQueries
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference._limits import LIMITS, MINIMA, Verdict, scarce
from metarouter.inference.intervals import FloatArray
from metarouter.inference.planning._label_variance import Prices
from metarouter.inference.planning._learning_curve import (
    Cells,
    LearningCurve,
    areas_of_subsamples,
    fit_learning_curve,
)
from metarouter.inference.planning._plan import as_prices, verdict_alone
from metarouter.routing import MetaRouter
from metarouter.utils.arguments import validated
from metarouter.utils.columns import as_level
from metarouter.utils.parameters import NUMBERS, REGRESSOR, whole
from metarouter.utils.plotting import new_axes, show_numbers_on_log_axis
from metarouter.utils.random import seed_of
from metarouter.utils.style import reference_line
from metarouter.utils.tables import Printed

if TYPE_CHECKING:
    import pandas as pd


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


_GOLD_SIZES, _PREFERENCE_SIZES = 4, 2
_SMALLEST_PART = 1 / 4


@validated(
    router=[REGRESSOR, None],
    n_gold=[whole(), NUMBERS],
    n_preference=[whole(at_least=0), NUMBERS, None],
    random_state=["random_state"],
)
def expected_area(
    data: LabelledQueries,
    router: Any = None,
    *,
    n_gold: ArrayLike,
    n_preference: ArrayLike | None = None,
    gold_price: float = 1.0,
    preference_price: float = 0.01,
    rounds: int = 20,
    n_test: int | None = None,
    level: float = 0.95,
    random_state: Any = None,
    n_jobs: int | None = None,
) -> ExpectedArea:
    """Forecast the area of the efficiency gain of a router trained on more labels.

    The router is trained on random parts of the pilot, and an inverse power law of the numbers of
    labels is fitted to its areas on gold labels that were left out.

    Parameters
    ----------
    data : LabelledQueries
        The pilot; its gold labels are a random part of the queries.
    router : estimator, optional
        Fitted by ``fit(X, y, is_gold)``; ``MetaRouter()`` by default.
    n_gold : int or array-like of shape (m,)
        Numbers of gold labels to train on.
    n_preference : int or array-like of shape (m,), optional
        Numbers of preference labels; by default those of the pilot.
    gold_price, preference_price : float, default=1.0 and 0.01
        Price of one label.
    rounds : int, default=20
        Random splits; eight routers are fitted in each.
    n_test : int, optional
        Gold labels left out; by default a quarter of them, at least 25.
    level : float, default=0.95
    random_state : int, RandomState or None
    n_jobs : int, optional
        Rounds run in parallel.

    Returns
    -------
    ExpectedArea
        INCONCLUSIVE where the pilot is too small, or is asked about more than ten times the labels
        that it trained on.

    Raises
    ------
    DataError
        If the labels of the pilot are too few to fit the router at all.
    MetaRouterError
        If a number is out of range.

    Notes
    -----
    The area of one test part is noisy, but that noise is shared by all sizes of one round, so that
    the *increase* over the pilot is known better than the area itself. Both intervals hold the
    uncertainty of the pilot and that between exponents of the law from 1/4 to 3/2; that the law
    itself goes on beyond the pilot is an assumption. See ``docs/planning.md``.

    References
    ----------
    Inverse power laws of learning: Cortes et al. (1993), Learning curves; Figueroa et al. (2012),
    Predicting sample size required for classification performance. Errors over splits: Nadeau and
    Bengio (2003).

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from metarouter import MetaRouter, RLearner
    >>> from metarouter.datasets import make_judged_queries
    >>> pilot = make_judged_queries(1200, 6, gold_share=0.2, random_state=0)
    >>> line = LinearRegression()
    >>> router = MetaRouter(RLearner(line, "constant", line), line)
    >>> forecast = expected_area(pilot, router, n_gold=800, rounds=5, random_state=0)
    >>> print(forecast.verdict)
    CAUTION
    """
    level, prices = as_level(level), as_prices(gold_price, preference_price)
    if n_test is not None and n_test < 2:
        raise MetaRouterError(f"n_test={n_test} leaves no area to measure; give at least 2.")
    if rounds < 3:
        raise MetaRouterError(f"rounds={rounds} leaves no errors to speak of; give at least 3.")
    wanted = _wanted(n_gold, n_preference, data.n_preference)
    known: dict[str, Any] = {"prices": prices, "level": level, "rounds": rounds}
    least = MINIMA["gold_rows_learning_curve"]
    if least.missing(data.n_gold):
        reason = f"{scarce(data.n_gold, least.what)}; {least.count} would do. {least.why}"
        return ExpectedArea.unknown(least.count, reason, wanted, **known)
    held_out = max(25, data.n_gold // 4) if n_test is None else int(n_test)
    cells = _cells(data, held_out)
    areas = areas_of_subsamples(
        data,
        MetaRouter() if router is None else router,
        cells,
        held_out,
        rounds,
        seed_of(random_state),
        n_jobs,
    )
    largest = Cells(cells.n_gold[-1:], cells.n_preference[-1:])
    curve = fit_learning_curve(areas, cells, held_out / float(largest.n_gold[0]))
    verdict, reason = _judge(wanted, largest, curve.has_preference)
    return ExpectedArea(
        points=points_of(curve, wanted, largest, prices, level),
        cells=cells,
        areas=areas,
        curve=curve,
        verdict=verdict,
        needed=None,
        reason=reason,
        **known,
    )


def _cells(data: LabelledQueries, n_test: int) -> Cells:
    """Cross some numbers of gold labels with some of preference labels; the largest is last."""
    # Where groups are kept together the test part can be larger, by at most one group less one.
    largest_group = 1
    if data.groups is not None:
        largest_group = int(np.unique(data.groups, return_counts=True)[1].max())
    gold = data.n_gold - n_test - largest_group + 1
    both = data.n_paired / max(1, data.n_gold)
    preference = data.n_preference - int(np.ceil(both * (n_test + largest_group - 1)))
    if gold < 20:
        raise DataError(
            f"n_test={n_test} leaves {gold} of {data.n_gold} gold labels to train on: leave out "
            "fewer."
        )
    golds = np.geomspace(max(20, _SMALLEST_PART * gold), gold, _GOLD_SIZES).round()
    preferences = np.array([float(max(0, preference))])
    if preference >= 100:
        preferences = np.geomspace(_SMALLEST_PART * preference, preference, _PREFERENCE_SIZES)
    grid = np.meshgrid(golds, preferences.round(), indexing="ij")
    return Cells(grid[0].ravel(), grid[1].ravel())


def _wanted(n_gold: ArrayLike, n_preference: ArrayLike | None, of_pilot: int) -> Cells:
    given = of_pilot if n_preference is None else n_preference
    try:
        gold, preference = (
            np.array(column, dtype=np.float64)
            for column in np.broadcast_arrays(np.atleast_1d(n_gold), np.atleast_1d(given))
        )
    except (TypeError, ValueError):
        gold = preference = np.empty(0)
    possible = np.isfinite(gold) & (gold >= 1) & np.isfinite(preference) & (preference >= 0)
    if not (possible.size and possible.all()) or gold.ndim != 1:
        raise MetaRouterError(
            "n_gold must hold numbers from 1 up, and n_preference as many from 0 up."
        )
    return Cells(gold, preference)


def _judge(wanted: Cells, largest: Cells, has_preference: bool) -> tuple[Verdict, str]:
    reach = _reach(wanted.n_gold, largest.n_gold[0])
    if has_preference:
        reach = max(reach, _reach(wanted.n_preference, largest.n_preference[0]))
    verdict = LIMITS["extrapolation"].judge(reach, reach)
    words = (
        f"The forecast reaches {reach:.1f} times as far as the labels that the pilot trained on "
        f"({largest.n_gold[0]:.0f} gold, {largest.n_preference[0]:.0f} preference)"
    )
    if verdict is Verdict.FAIL:
        return Verdict.INCONCLUSIVE, f"{words}: too far; ask again with more labels."
    return verdict, f"{words}."


def _reach(wanted: FloatArray, largest: float) -> float:
    return float(wanted.max() / largest)
