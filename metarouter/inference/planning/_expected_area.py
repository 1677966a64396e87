"""Forecasts of the area of the efficiency gain that more labels would bring."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import joblib
import numpy as np
from numpy.typing import ArrayLike

from metarouter.datasets import LabelledQueries
from metarouter.evaluation._efficiency_gain import rank_gains
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference._limits import DECISION_THRESHOLDS, Verdict
from metarouter.inference._result import Finding, Judged
from metarouter.inference.intervals import FloatArray, interval_of
from metarouter.inference.planning._plan import Labels, Prices, as_prices, too_few, verdict_alone
from metarouter.routing import MetaRouter
from metarouter.utils.arguments import validated
from metarouter.utils.groups import group_codes
from metarouter.utils.parameters import NUMBERS, REGRESSOR, whole
from metarouter.utils.plotting import label_axes, new_axes, show_numbers_on_log_axis
from metarouter.utils.random import seed_of, seeded
from metarouter.utils.style import reference_line


def _areas_of_one_round(
    data: LabelledQueries, router: Any, cells: Labels, n_test: int, source: np.random.SeedSequence
) -> FloatArray:
    """Train on nested random parts of the pilot; areas on gold labels left out, shape (k,)."""
    rng = np.random.default_rng(source)
    seed = int(rng.integers(2**31))
    # Whole groups are drawn until enough gold labels are in the test part; the rest trains.
    cluster = np.arange(data.n_queries) if data.groups is None else group_codes(data.groups)
    n_gold_of = np.bincount(cluster, weights=data.has_gold)
    drawn = rng.permutation(np.flatnonzero(n_gold_of))
    n_drawn = 1 + np.searchsorted(np.cumsum(n_gold_of[drawn]), n_test)
    in_test = np.isin(cluster, drawn[:n_drawn])
    gold = rng.permutation(np.flatnonzero(~in_test & data.has_gold))
    preference = rng.permutation(np.flatnonzero(~in_test & data.has_preference))
    test, every = data.subset(in_test & data.has_gold), np.arange(data.n_queries)
    weight = np.ones(test.n_queries) if test.weight is None else test.weight
    share = weight / weight.sum()
    gain = test.gold - share @ test.gold
    areas = []
    for n_gold, n_preference in zip(*cells, strict=True):
        golden = np.isin(every, gold[: int(n_gold)])
        judged = np.isin(every, preference[: int(n_preference)])
        part = replace(
            data,
            gold=np.where(golden, data.gold, np.nan),
            preference=np.where(judged, data.preference, np.nan),
        )
        rows = part.subset(golden | judged).training_rows()
        fitted = seeded(router, seed).fit(
            rows.X, rows.y, rows.is_gold, sample_weight=rows.sample_weight, groups=rows.groups
        )
        ranked = rank_gains(gain, fitted.predict(test.X), share)
        areas.append(share @ (gain * ranked.distribution))
    # The covariance of gain and rank, as that of a sample: with n - 1.
    return np.array(areas) * test.n_queries / (test.n_queries - 1)


_EXPONENTS = np.array([0.25, 0.5, 0.75, 1.0, 1.5])
_FEWEST_TRAINED_ON = 20  # gold labels


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
    largest : Labels
        The most labels that were trained on, arrays of shape (1,).
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
    largest: Labels
    has_preference: bool
    df: float

    def area(self, labels: Labels) -> Forecast:
        """Return the area with these numbers of labels."""
        return self._forecast(_terms(labels, self.has_preference), self.covariance)

    def increase(self, labels: Labels) -> Forecast:
        """Return what the area is beyond that with the most labels of the pilot."""
        x = _terms(labels, self.has_preference) - _terms(self.largest, self.has_preference)
        return self._forecast(x, self.contrast_covariance)

    def _forecast(self, x: FloatArray, covariance: FloatArray) -> Forecast:
        values = np.einsum("emc,ec->em", x, self.coefficient)
        variances = np.einsum("emc,ecd,emd->em", x, covariance, x)
        value = self.weight @ values
        # What the exponents disagree about is uncertain too.
        variances += (values - value) ** 2
        return Forecast(value, np.sqrt(self.weight @ variances))


def fit_learning_curve(areas: FloatArray, cells: Labels, test_to_train: float) -> LearningCurve:
    """Fit the inverse power law to the areas of subsamples.

    Parameters
    ----------
    areas : ndarray of shape (rounds, k)
    cells : Labels
        Arrays of shape (k,), the largest last.
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
    rounds, mean = len(areas), areas.mean(axis=0)
    centred = areas - areas.mean(axis=1, keepdims=True)
    spread = (1 / rounds + test_to_train) * np.cov(areas, rowvar=False)
    noise = (1 / rounds + test_to_train) * np.var(centred, axis=0, ddof=1).mean()
    noise = max(noise, np.finfo(float).tiny)  # areas that are all alike fit any exponent
    in_test = test_to_train / (1 + test_to_train)
    gold = (1 - in_test) * cells.n_gold / cells.n_gold.max()
    preference = cells.n_preference / max(1.0, cells.n_preference.max())
    r = in_test * np.maximum(gold, preference)
    shared = np.sqrt(r / (1 - r))
    contrast_spread = (1 / rounds + np.outer(shared, shared)) * np.cov(centred, rowvar=False)
    has_preference = np.unique(cells.n_preference).size > 1
    x = _terms(cells, has_preference)
    free = np.linalg.pinv(x)
    # More labels do not harm: a loss that comes out negative is taken to be none.
    used = free @ mean > 0
    used[:, 0] = True
    coefficient = used * (np.linalg.pinv(x * used[:, None], rcond=1e-12) @ mean)
    misfit = np.sum((mean - np.einsum("ekc,ec->ek", x, coefficient)) ** 2, axis=1) / noise
    likelihood = np.exp(-(misfit - misfit.min()) / 2)
    # The sign is uncertain too, so errors are those of the free fit.
    of_errors = free.swapaxes(1, 2)
    return LearningCurve(
        exponent=_EXPONENTS,
        weight=likelihood / likelihood.sum(),
        coefficient=coefficient,
        covariance=free @ spread @ of_errors,
        contrast_covariance=free @ contrast_spread @ of_errors,
        largest=Labels(cells.n_gold[-1:], cells.n_preference[-1:]),
        has_preference=has_preference,
        df=float(rounds - 1),
    )


def _terms(labels: Labels, has_preference: bool) -> FloatArray:
    """Return what the coefficients of the law are multiplied by, (e, m, c)."""
    counts = labels if has_preference else labels[:1]
    powers = [-(count ** -_EXPONENTS[:, None]) for count in counts]
    return np.stack([np.ones_like(powers[0]), *powers], axis=-1)


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
    curve: LearningCurve | None, wanted: Labels, prices: Prices, level: float
) -> tuple[ForecastPoint, ...]:
    """Forecast the area at every wanted pair, and its increase; NaN where there is no curve."""
    columns: Any = np.full((6, wanted.n_gold.size), np.nan)
    if curve is not None:
        area, more, largest = curve.area(wanted), curve.increase(wanted), curve.largest
        lower, upper = interval_of(*more, curve.df, level)
        # More labels do no harm: that is how the law is fitted, and it bounds the increase too.
        above = (wanted.n_gold >= largest.n_gold) & (wanted.n_preference >= largest.n_preference)
        below = (wanted.n_gold <= largest.n_gold) & (wanted.n_preference <= largest.n_preference)
        lower = np.where(above, np.maximum(lower, 0.0), lower)
        upper = np.where(below, np.minimum(upper, 0.0), upper)
        columns = (area.value, *interval_of(*area, curve.df, level), more.value, lower, upper)
    columns = (*(count.astype(int) for count in wanted), wanted.cost(prices), *columns)
    rows = zip(*(column.tolist() for column in columns), strict=True)
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
    cells : Labels
        Numbers of labels that the router was trained on, shape (k,).
    areas : ndarray of shape (rounds, k)
        What it reached.
    curve : LearningCurve or None
    """

    points: tuple[ForecastPoint, ...]
    prices: Prices
    rounds: int
    cells: Labels = field(repr=False)
    areas: FloatArray = field(repr=False)
    curve: LearningCurve | None = field(repr=False)

    _TITLE = "Expected area of the efficiency gain"
    _ROWS = "points"
    _COLUMNS = (
        "n_gold, n_preference, cost, area, ci_low=lower, ci_high=upper, increase, "
        "increase_low=increase_lower, increase_high=increase_upper"
    )
    _FACTS = {
        "gold labels trained on": "{self._trained_on}",
        "rounds": "{self.rounds}",
        "level": "{self.level:g}",
        "verdict": "{self.verdict}",
    }
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
            If there is no learning curve, or money for fewer than 20 gold labels.
        """
        if self.curve is None:
            raise MetaRouterError(f"There is no learning curve. {self.reason}")
        least = _FEWEST_TRAINED_ON * self.prices.gold
        if not money > least:
            raise MetaRouterError(
                f"money={money:g} buys fewer than {_FEWEST_TRAINED_ON} gold labels; give more than "
                f"{least:g}."
            )
        gold = np.linspace(_FEWEST_TRAINED_ON, money / self.prices.gold, 400)[:-1]
        preference = (money - gold * self.prices.gold) / self.prices.preference
        tried = Labels(np.floor(gold), np.maximum(1.0, np.floor(preference)))
        points = points_of(self.curve, tried, self.prices, self.level)
        return max(points, key=lambda point: point.area)

    def plot(self, ax: Any = None) -> Any:
        """Draw the learning curve over the number of gold labels, with the pilot's areas."""
        ax = new_axes(ax, height=4.2)
        if self.curve is None:
            return verdict_alone(ax, self.verdict)
        n_gold, n_preference = self.cells
        shown = n_preference == n_preference[-1]
        last = max(n_gold[-1], *(point.n_gold for point in self.points))
        gold = np.geomspace(n_gold[0], last, 80)
        area = self.curve.area(Labels(gold, np.full(80, n_preference[-1])))
        color = "#0072B2"
        ax.plot(gold, area.value, color=color, label=f"{n_preference[-1]:.0f} preference labels")
        limits = interval_of(*area, self.curve.df, self.level)
        ax.fill_between(gold, *limits, color=color, alpha=0.18, linewidth=0)
        ax.plot(n_gold[shown], self.areas.mean(axis=0)[shown], "o", color="#1A1A1A", label="pilot")
        ax.axvline(n_gold[-1], **reference_line())
        show_numbers_on_log_axis(ax)
        y = "area of the efficiency gain, in gold units"
        return label_axes(ax, "gold labels", y, legend="lower right")

    @property
    def _trained_on(self) -> str:
        return "{:.0f} to {:.0f}".format(*self.cells.n_gold[[0, -1]]) if self.curve else "none"


_GOLD_SIZES, _PREFERENCE_SIZES = 4, 2
_SMALLEST_PART = 1 / 4


@validated(
    router=[REGRESSOR, None],
    n_gold=[whole(), NUMBERS],
    n_preference=[whole(at_least=0), NUMBERS, None],
    rounds=[whole(at_least=3)],
    n_test=[whole(at_least=2), None],
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
    prices = as_prices(gold_price, preference_price)
    wanted = _wanted(n_gold, data.n_preference if n_preference is None else n_preference)
    if data.n_preference and not wanted.n_preference.all():
        raise MetaRouterError(
            "n_preference holds 0, of which the law of a pilot with preference labels says "
            "nothing; give numbers from 1 up."
        )
    curve, cells, areas = None, Labels(np.empty(0), np.empty(0)), np.empty((0, 0))
    finding = too_few("gold_rows_learning_curve", data.n_gold)
    if finding is None:
        held_out = max(25, data.n_gold // 4) if n_test is None else n_test
        cells = _cells(data, held_out)
        router = MetaRouter() if router is None else router
        rounds_made = joblib.Parallel(n_jobs=n_jobs)(
            joblib.delayed(_areas_of_one_round)(data, router, cells, held_out, source)
            for source in np.random.SeedSequence(seed_of(random_state)).spawn(rounds)
        )
        areas = np.array(rounds_made)
        curve = fit_learning_curve(areas, cells, held_out / cells.n_gold[-1])
        finding = _judge(wanted, curve)
    return ExpectedArea(
        points=points_of(curve, wanted, prices, level),
        prices=prices,
        rounds=rounds,
        cells=cells,
        areas=areas,
        curve=curve,
        level=level,
        **finding._asdict(),
    )


def _cells(data: LabelledQueries, n_test: int) -> Labels:
    """Cross some numbers of gold labels with some of preference labels; the largest is last."""
    # Where groups are kept together the test part can be larger, by at most one group less one.
    sizes = [1] if data.groups is None else np.unique(data.groups, return_counts=True)[1]
    largest_group = int(max(sizes))
    gold = data.n_gold - n_test - largest_group + 1
    both = data.n_paired / max(1, data.n_gold)
    preference = data.n_preference - int(np.ceil(both * (n_test + largest_group - 1)))
    if gold < _FEWEST_TRAINED_ON:
        raise DataError(
            f"n_test={n_test} leaves {gold} of {data.n_gold} gold labels to train on; lower it."
        )
    golds = np.geomspace(max(_FEWEST_TRAINED_ON, _SMALLEST_PART * gold), gold, _GOLD_SIZES).round()
    preferences = np.array([float(max(0, preference))])
    if preference >= 100:
        preferences = np.geomspace(_SMALLEST_PART * preference, preference, _PREFERENCE_SIZES)
    return Labels(np.repeat(golds, preferences.size), np.tile(preferences.round(), golds.size))


def _wanted(n_gold: ArrayLike, n_preference: ArrayLike) -> Labels:
    try:
        wanted = np.array(np.broadcast_arrays(np.atleast_1d(n_gold), n_preference), dtype=float)
    except ValueError:
        wanted = np.empty((2, 0))
    possible = np.isfinite(wanted) & (wanted >= np.array([[1.0], [0.0]]))
    if wanted.ndim != 2 or not wanted.size or not possible.all():
        raise MetaRouterError(
            "n_gold must hold numbers from 1 up, and n_preference as many from 0 up."
        )
    return Labels(*wanted)


def _judge(wanted: Labels, curve: LearningCurve) -> Finding:
    """Judge the claim that the law may be trusted as far as it is asked about."""
    gold, preference = (float(count[0]) for count in curve.largest)
    reach = float(wanted.n_gold.max()) / gold
    if curve.has_preference:
        reach = max(reach, float(wanted.n_preference.max()) / preference)
    verdict = DECISION_THRESHOLDS["extrapolation"].judge(reach, reach)
    reason = (
        f"The forecast reaches {reach:.1f} times as far as the labels that the pilot trained on "
        f"({gold:.0f} gold, {preference:.0f} preference)"
    )
    if verdict is Verdict.FAIL:
        reason += ": too far; ask again with more labels"
        verdict = Verdict.INCONCLUSIVE
    return Finding(verdict, None, f"{reason}.")
