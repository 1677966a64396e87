"""Forecasts of the area of the efficiency gain that more labels would bring.

A router is trained on parts of a pilot, and a learning curve is fitted to its areas: an inverse
power law of the numbers of labels, with its uncertainty.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import joblib
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit
from sklearn.base import clone

from metarouter.datasets import LabelledQueries
from metarouter.datasets._labelled_queries import take_rows
from metarouter.evaluation._efficiency_gain import rank_gains
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference._limits import LIMITS, MINIMA, Verdict, scarce
from metarouter.inference._result import Finding, Judged
from metarouter.inference.intervals import FloatArray
from metarouter.inference.planning._pilot import Prices
from metarouter.inference.planning._plan import as_prices, verdict_alone
from metarouter.routing import MetaRouter
from metarouter.utils.arguments import validated
from metarouter.utils.columns import as_level
from metarouter.utils.groups import group_codes
from metarouter.utils.parameters import NUMBERS, REGRESSOR, whole
from metarouter.utils.plotting import label_axes, new_axes, show_numbers_on_log_axis
from metarouter.utils.random import seed_of, seeded
from metarouter.utils.style import reference_line


class Cells(NamedTuple):
    """Numbers of training labels, shape (k,) each."""

    n_gold: FloatArray
    n_preference: FloatArray


def areas_of_subsamples(
    data: LabelledQueries,
    router: Any,
    cells: Cells,
    n_test: int,
    rounds: int,
    seed: int,
    n_jobs: int | None,
) -> FloatArray:
    """Train on nested random parts of the pilot, and evaluate on gold labels left out.

    Returns
    -------
    ndarray of shape (rounds, k)
        Areas of the efficiency gain, without bias for the test queries being few.
    """
    sources = np.random.SeedSequence(seed).spawn(rounds)
    rows = joblib.Parallel(n_jobs=n_jobs)(
        joblib.delayed(_one_round)(data, router, cells, n_test, source) for source in sources
    )
    return np.array(rows)


def _one_round(
    data: LabelledQueries, router: Any, cells: Cells, n_test: int, source: np.random.SeedSequence
) -> list[float]:
    rng = np.random.default_rng(source)
    seed = int(rng.integers(2**31))
    test, train = _split(data, n_test, rng)
    gold = rng.permutation(train[data.has_gold[train]])
    preference = rng.permutation(train[data.has_preference[train]])
    return [
        _area(_trained(data, router, gold[: int(g)], preference[: int(p)], seed), data, test)
        for g, p in zip(*cells, strict=True)
    ]


def _split(
    data: LabelledQueries, n_test: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Draw whole groups until enough gold labels are in the test part; the rest trains."""
    unit = np.arange(data.n_queries) if data.groups is None else group_codes(data.groups)
    n_gold = np.bincount(unit, weights=data.has_gold)
    drawn = rng.permutation(np.flatnonzero(n_gold))
    n_drawn = 1 + int(np.searchsorted(np.cumsum(n_gold[drawn]), n_test))
    in_test = np.isin(unit, drawn[:n_drawn])
    return np.flatnonzero(in_test & data.has_gold), np.flatnonzero(~in_test)


def _trained(
    data: LabelledQueries,
    router: Any,
    gold: NDArray[np.intp],
    preference: NDArray[np.intp],
    seed: int,
) -> Any:
    labels = np.full((2, data.n_queries), np.nan)
    labels[0, gold], labels[1, preference] = data.gold[gold], data.preference[preference]
    kept = np.flatnonzero(~np.isnan(labels).all(axis=0))
    rows = LabelledQueries(
        X=take_rows(data.X, kept),
        gold=labels[0, kept],
        preference=labels[1, kept],
        groups=None if data.groups is None else data.groups[kept],
        weight=None if data.weight is None else data.weight[kept],
        preference_weight=None if data.preference_weight is None else data.preference_weight[kept],
    ).training_rows()
    return seeded(clone(router), seed).fit(
        rows.X, rows.y, rows.is_gold, sample_weight=rows.sample_weight, groups=rows.groups
    )


def _area(router: Any, data: LabelledQueries, test: NDArray[np.intp]) -> float:
    weight = np.ones(test.size) if data.weight is None else data.weight[test]
    share = weight / weight.sum()
    gain = data.gold[test] - share @ data.gold[test]
    ranked = rank_gains(gain, router.predict(take_rows(data.X, test)), share)
    # The covariance of gain and rank, as that of a sample: with n - 1.
    return float(share @ (gain * ranked.distribution)) * test.size / (test.size - 1)


_EXPONENTS = np.array([0.25, 0.5, 0.75, 1.0, 1.5])


class Forecast(NamedTuple):
    """Values of a learning curve with standard errors, shape (m,) each."""

    value: FloatArray
    se: FloatArray


class LearningCurve(NamedTuple):
    """Area = limit - gold n_gold^-e - preference n_preference^-e, averaged over exponents e.

    Parameters
    ----------
    exponent, weight : ndarray of shape (e,)
        Exponents and how well each fits, summing to one.
    coefficient : ndarray of shape (e, c)
    covariance, contrast_covariance : ndarray of shape (e, c, c)
        For the area, and for differences of it, from which what is common to a round is gone.
    has_preference : bool
        Whether the number of preference labels was varied.
    df : float
        Degrees of freedom of the errors.
    """

    exponent: FloatArray
    weight: FloatArray
    coefficient: FloatArray
    covariance: FloatArray
    contrast_covariance: FloatArray
    has_preference: bool
    df: float

    def forecast(self, cells: Cells, minus: Cells | None = None) -> Forecast:
        """Return the area with these numbers of labels, or what it is beyond that with others.

        Parameters
        ----------
        cells : Cells
        minus : Cells, optional
            Of one element.
        """
        values, variances = [], []
        covariance = self.covariance if minus is None else self.contrast_covariance
        for k, exponent in enumerate(self.exponent):
            x = _terms(cells, exponent, self.has_preference)
            if minus is not None:
                x = x - _terms(minus, exponent, self.has_preference)
            values.append(x @ self.coefficient[k])
            variances.append(np.einsum("ij,jk,ik->i", x, covariance[k], x))
        value = self.weight @ np.array(values)
        # What the exponents disagree about is uncertain too.
        between = self.weight @ (np.array(values) - value) ** 2
        return Forecast(value, np.sqrt(self.weight @ np.array(variances) + between))

    def critical(self, level: float) -> float:
        """Return how many standard errors make an interval."""
        return float(stdtrit(self.df, 0.5 + level / 2))


def fit_learning_curve(areas: FloatArray, cells: Cells, test_to_train: float) -> LearningCurve:
    """Fit the inverse power law to the areas of subsamples.

    Parameters
    ----------
    areas : ndarray of shape (rounds, k)
    cells : Cells
        Of k elements.
    test_to_train : float
        Test queries per training query.

    Notes
    -----
    For one exponent the law is linear; it is fitted by least squares to the mean areas, with
    limit free and losses that cannot be negative. The covariance of the mean areas over rounds that
    share their queries is Nadeau and Bengio's, (1 / rounds + n_test / n_train) times that over
    rounds. Exponents are weighted by the likelihood of their residuals, whose variance is that of
    differences between cells of one round.

    The factor n_test / n_train is r / (1 - r) for the correlation r of two rounds, which is taken
    to be the share q of the queries that a test holds. Differences between cells are correlated
    less. What comes of the test queries alone is the same in all cells of a round. What comes of
    the training labels alone is of second order, because the area is flat at the best ranking: it
    is carried by pairs of labels, and its covariance between rounds is the same for all cells,
    however many labels they have. Both are gone from a difference. What is left comes of test
    queries together with training labels, and two rounds share it only where they share both: r
    is q times the share of the labels that a cell trains on.
    """
    rounds = len(areas)
    mean = areas.mean(axis=0)
    spread = (1 / rounds + test_to_train) * np.cov(areas, rowvar=False)
    centred = areas - areas.mean(axis=1, keepdims=True)
    noise = (1 / rounds + test_to_train) * np.var(centred, axis=0, ddof=1).mean()
    shared = _shared_by_rounds(cells, test_to_train)
    contrast_spread = (1 / rounds + np.outer(shared, shared)) * np.cov(centred, rowvar=False)
    has_preference = np.unique(cells.n_preference).size > 1
    coefficients, covariances, contrasts, misfit = [], [], [], []
    for exponent in _EXPONENTS:
        x = _terms(cells, exponent, has_preference)
        projection = np.linalg.pinv(x)
        coefficient = projection @ mean
        # More labels do not harm: a loss that comes out negative is taken to be none.
        used = np.append(True, coefficient[1:] > 0)
        projection = np.zeros_like(projection)
        projection[used] = np.linalg.pinv(x[:, used])
        coefficient = projection @ mean
        coefficients.append(coefficient)
        full = np.linalg.pinv(x)  # the sign is uncertain too, so errors are those of the free fit
        covariances.append(full @ spread @ full.T)
        contrasts.append(full @ contrast_spread @ full.T)
        misfit.append(float(np.sum((mean - x @ coefficient) ** 2)) / noise)
    likelihood = np.exp(-(np.array(misfit) - min(misfit)) / 2)
    return LearningCurve(
        _EXPONENTS,
        likelihood / likelihood.sum(),
        np.array(coefficients),
        np.array(covariances),
        np.array(contrasts),
        has_preference,
        float(rounds - 1),
    )


def _shared_by_rounds(cells: Cells, test_to_train: float) -> FloatArray:
    """Return sqrt(r / (1 - r)) for each cell, r being the correlation of two rounds."""
    in_test = test_to_train / (1 + test_to_train)
    gold = (1 - in_test) * cells.n_gold / cells.n_gold.max()
    preference = cells.n_preference / max(1.0, cells.n_preference.max())
    r = in_test * np.maximum(gold, preference)
    return np.sqrt(r / (1 - r))


def _terms(cells: Cells, exponent: float, has_preference: bool) -> FloatArray:
    columns = [np.ones(len(cells.n_gold)), -(cells.n_gold**-exponent)]
    if has_preference:
        columns.append(-(cells.n_preference**-exponent))
    return np.column_stack(columns)


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
    margin = critical * area.se
    columns = (area.value, area.value - margin, area.value + margin, more.value, lower, upper)
    return _points(wanted, prices, np.array(columns))


def _points(wanted: Cells, prices: Prices, columns: FloatArray) -> tuple[ForecastPoint, ...]:
    cost = wanted.n_gold * prices.gold + wanted.n_preference * prices.preference
    counts = (wanted.n_gold.astype(int), wanted.n_preference.astype(int), cost)
    rows = zip(*(column.tolist() for column in (*counts, *columns)), strict=True)
    return tuple(ForecastPoint(*row) for row in rows)


@dataclass(frozen=True)
class ExpectedArea(Judged):
    """Forecasts of the area of the efficiency gain of a router trained on more labels.

    The verdict is on the claim that the law may be trusted as far as it is asked about; `needed`
    are the gold labels with which there would be a forecast.

    Parameters
    ----------
    points : tuple of ForecastPoint
        The rows of the frame; NaN where the pilot is too small.
    prices : Prices
    rounds : int
    cells : Cells
        Numbers of labels that the router was trained on.
    areas : ndarray of shape (rounds, k)
        What it reached.
    curve : LearningCurve or None
    """

    points: tuple[ForecastPoint, ...]
    prices: Prices
    rounds: int
    cells: Cells = field(repr=False)
    areas: FloatArray = field(repr=False)
    curve: LearningCurve | None = field(repr=False)

    _TITLE = "Expected area of the efficiency gain"
    _ROWS = "points"
    _COLUMNS = (
        "n_gold, n_preference, cost, area, ci_low=lower, ci_high=upper, increase, "
        "increase_low=increase_lower, increase_high=increase_upper"
    )
    _NOTES = (
        "{self.reason}",
        "increase: over the area with the labels that the pilot trained on. Intervals hold the "
        "noise of the pilot and the doubt about the exponent, not that about the law itself.",
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

    def plot(self, ax: Any = None) -> Any:
        """Draw the learning curve over the number of gold labels, with the pilot's areas."""
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
        y = "area of the efficiency gain, in gold units"
        return label_axes(ax, "gold labels", y, legend="lower right")

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
        return ExpectedArea.inconclusive(
            Finding(Verdict.INCONCLUSIVE, least.count, reason),
            points=_points(wanted, prices, np.full((6, wanted.n_gold.size), np.nan)),
            cells=Cells(np.empty(0), np.empty(0)),
            areas=np.empty((0, 0)),
            **known,
        )
    held_out = max(25, data.n_gold // 4) if n_test is None else int(n_test)
    cells = _cells(data, held_out)
    router = MetaRouter() if router is None else router
    seed = seed_of(random_state)
    areas = areas_of_subsamples(data, router, cells, held_out, rounds, seed, n_jobs)
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
