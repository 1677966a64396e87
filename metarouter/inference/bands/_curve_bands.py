"""Curves of what routing by a score gains, with bands, and what a band says about a claim."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference._limits import MINIMA, Verdict, about, rows_needed, scarce
from metarouter.inference._result import Finding
from metarouter.inference.curves import (
    AtThresholds,
    AtUsage,
    BandOptions,
    BandResult,
    CurveName,
    GoldGain,
    ScoredQueries,
    band_settings,
    curve_influence,
    curve_of,
    deviations_of,
    floor_at_ends,
    least_share,
    running_sums,
    scored_queries,
    skewness_at_ends,
)
from metarouter.inference.intervals import (
    FloatArray,
    Limits,
    cluster_sums,
    skewed_limits,
    third_over_second,
)
from metarouter.utils.arguments import validated
from metarouter.utils.columns import as_finite_column, as_grid
from metarouter.utils.plotting import label_axes, new_axes
from metarouter.utils.style import random_line, router_styles

_NAMES = {
    "efficiency_gain": ("Efficiency gain", "efficiency gain per query"),
    "toc": ("Targeting operator characteristic", "gain of the queries sent beyond that of all"),
    "qini": ("Qini curve", "gain per query over sending none"),
}


_CELLS = 2**18  # of the influence values that are looked at together: 2 MB
_FEWEST_ABOVE = 20  # halves without a query above a threshold must be out of the question


@dataclass(frozen=True, kw_only=True)
class UsageBand(BandResult):
    """A curve over the share that is sent, with limits at one share and at all at once.

    Parameters
    ----------
    usage : ndarray of shape (m,)
        Share of the queries, or of the extra cost where costs were given, that is spent.
    lower, upper : ndarray of shape (m,)
        Limits that hold at one usage, chosen beforehand.
    band_lower, band_upper : ndarray of shape (m,)
        Limits that hold at all usages at once.
    critical : float
        Standard errors to either side of the curve that make the band.
    """

    usage: FloatArray
    lower: FloatArray
    upper: FloatArray
    band_lower: FloatArray
    band_upper: FloatArray
    critical: float

    _IS_CURVE = True
    _CURVE: ClassVar[str] = "value"  # the attribute that is drawn

    def plot(self, ax: Any = None, *, name: str = "router", band: bool = True) -> Any:
        """Draw the curve with its band, and the pointwise limits as thin lines inside it.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        name : str, default="router"
            Name in the legend; the house's router names have colours of their own.
        band : bool, default=True
            Draw the simultaneous band.
        """
        ax = new_axes(ax, height=4.2)
        (drawn,) = ax.plot(self.usage, getattr(self, self._CURVE), **curve_line(name))
        color = drawn.get_color()
        for limit in (self.lower, self.upper):
            ax.plot(self.usage, limit, color=color, linewidth=0.7, linestyle=(0, (1, 1.5)))
        if band:
            limits = self.band_lower, self.band_upper
            ax.fill_between(self.usage, *limits, color=color, alpha=0.18, linewidth=0)
        self._draw_random(ax)
        ax.set_xlim(0, 1)
        return label_axes(ax, f"share of {self._sent}", self._ylabel, legend="best")

    def _draw_random(self, ax: Any) -> None:
        ax.plot([0, 1], [0, 1], **random_line())

    @property
    def _sent(self) -> str:
        return "queries sent to the primary model"

    @property
    def _ylabel(self) -> str:
        return ""


@dataclass(frozen=True, kw_only=True)
class CurveBand(UsageBand):
    """A curve with pointwise limits and with a band that holds everywhere at once.

    The verdict is on the claim that the curve lies above zero somewhere, judged by the band.

    Parameters
    ----------
    curve : {"efficiency_gain", "toc", "qini"}
    value, se : ndarray of shape (m,)
        In gold units per query.
    total : float
        Mean gain of sending every query.
    threshold : ndarray of shape (m,) or None
        Scores from which on queries are sent, where they were fixed beforehand.
    per_cost : bool
        Whether `usage` is a share of the extra cost.
    reference : str or None
        The router that the curve is a difference from.
    """

    curve: CurveName
    value: FloatArray
    se: FloatArray
    total: float
    threshold: FloatArray | None
    per_cost: bool
    reference: str | None

    _COLUMNS = (
        "usage, threshold, value, se, ci_low=lower, ci_high=upper, band_low=band_lower, "
        "band_high=band_upper"
    )
    _FACTS = BandResult._ERRORS | {
        "level": "{self.level:g}",
        "critical value of the band": "{self.critical:.3f}",
        "gain of sending all": "{self.total:.4f}",
        "verdict": "{self.verdict}",
    }
    _NOTES = (
        "usage: share of {self._sent}. ci: holds at one usage; band: holds at all at once. "
        "Both are over new test queries, with the router held fixed.",
        "{self.reason}",
    )

    def _draw_random(self, ax: Any) -> None:
        if self.curve == "qini":
            ax.plot([0, 1], [0, self.total], **random_line())
        else:
            ax.axhline(0.0, **(random_line() | {"label": self.reference or "random"}))

    def _title(self) -> str:
        versus = "" if self.reference is None else f", difference from {self.reference}"
        return f"{_NAMES[self.curve][0]}{versus}"

    @property
    def _sent(self) -> str:
        return "the extra cost spent" if self.per_cost else super()._sent

    @property
    def _ylabel(self) -> str:
        versus = "" if self.reference is None else f", minus {self.reference}"
        return _NAMES[self.curve][1] + versus


def curve_line(name: str) -> dict[str, Any]:
    """Keyword arguments for the curve of a router: its points lie too close for markers."""
    return router_styles([name])[name].line() | {"marker": None}


def too_few_queries(queries: ScoredQueries) -> Finding | None:
    """Return INCONCLUSIVE where intervals would not hold their level, else None."""
    minimum, what, there = MINIMA["gold_rows"], "gold labels", queries.n_gold
    if queries.clusters is not None and MINIMA["clusters"].missing(queries.n_gold_clusters):
        minimum, there = MINIMA["clusters"], queries.n_gold_clusters
        what = "independent groups with gold labels"
    if not minimum.missing(there):
        return None
    reason = (
        f"{scarce(there, what)} for an interval that holds its level; {minimum.count} would do."
    )
    return Finding(Verdict.INCONCLUSIVE, minimum.count, reason)


def above_zero(what: str, value: float, margin: float, n: int) -> Finding:
    """Judge the claim that an estimate is above zero."""
    if value > margin:
        return Finding(Verdict.PASS, None, f"{what} is above zero.")
    if value < -margin:
        return Finding(Verdict.FAIL, None, f"{what} is below zero.")
    needed = rows_needed(n, margin, value)
    return Finding(Verdict.INCONCLUSIVE, needed, f"The interval contains zero. {_would(needed, n)}")


def somewhere_above_zero(usage: FloatArray, value: FloatArray, limits: Limits, n: int) -> Finding:
    """Judge the claim that a curve lies above zero somewhere, by a band for all of it."""
    above, below, margin = limits.lower > 0, limits.upper < 0, value - limits.lower
    if above.any():
        words = f"The band lies above zero {_between(usage, above)}"
        if not below.any():
            return Finding(Verdict.PASS, None, f"{words}.")
        return Finding(Verdict.CAUTION, None, f"{words}, but below zero {_between(usage, below)}.")
    if below.any():
        return Finding(Verdict.FAIL, None, f"The band lies below zero {_between(usage, below)}.")
    with np.errstate(divide="ignore", invalid="ignore"):
        best = int(np.argmax(np.where(margin > 0, value / margin, -np.inf)))
    needed = rows_needed(n, float(margin[best]), float(value[best]))
    place = f" at a share of {100 * usage[best]:.3g}%"
    words = f"The band contains zero all along. {_would(needed, n, place)}"
    return Finding(Verdict.INCONCLUSIVE, needed, words)


def _between(usage: FloatArray, where: NDArray[np.bool_]) -> str:
    places = np.flatnonzero(where)
    first, last = usage[places[0]], usage[places[-1]]
    if first == last:
        return f"at usage {first:.2f}"
    gaps = "" if where[places[0] : places[-1]].all() else ", with gaps"
    return f"at usages from {first:.2f} to {last:.2f}{gaps}"


def _would(needed: int | None, n: int, place: str = "") -> str:
    if needed is None:
        return f"The estimate is not above zero, so that more labels would not help; {n} are there."
    return (
        f"If the estimate{place} is right, {about(needed, n)} gold labels would settle it; {n} are "
        "there."
    )


@validated()
def efficiency_gain_band(
    gold_gain: GoldGain,
    psi_hat: ArrayLike,
    *,
    cost: ArrayLike | None = None,
    grid: ArrayLike | None = None,
    thresholds: ArrayLike | None = None,
    **options: Unpack[BandOptions],
) -> CurveBand:
    """Efficiency gain over random routing, with limits for one usage and a band for all.

    Parameters
    ----------
    gold_gain : array-like of shape (n,) or DoublyRobustGains
        Gold labels of the test queries, or their doubly robust scores (`doubly_robust_gains`).
    psi_hat : array-like of shape (n,)
        What the router sorts queries by, from a router that has not seen these labels. Queries
        with equal values are sent in random order, and the expected curve is returned.
    cost : array-like of shape (n,), optional
        What the primary model costs beyond the alternative, from zero up. Usage is then the share
        of the extra cost that is spent, and random routing that of the same spend.
    grid : array-like, optional
        Increasing usages at which to give the curve; by default 0, 0.01, ..., 1.
    thresholds : array-like, optional
        Scores from which on queries are sent, fixed beforehand, instead of usages. The usage that
        they lead to is then estimated, and the band is about the gain at the threshold.
    **options
        Of `BandOptions`: weights, groups, and how errors are found.

    Raises
    ------
    DataError
        If the inputs differ in length, are empty, hold missing or infinite values, or costs are
        negative.
    MetaRouterError
        If a setting is out of its range.

    See Also
    --------
    metarouter.evaluation.efficiency_gain_curve : The curve without a band, and its area.
    rank_weighted_effects : Area, AUTOC and Qini coefficient with intervals.

    Notes
    -----
    The band is sup-t: ``EG(u) +- c se(u)``, where c is the quantile of the largest of all |t|. It
    is over new test queries, with the router held fixed. At the ends of the curve, where fewer
    than 30 queries lie on one side, se is not taken to be below that at 30, scaled by the square
    root of their number.

    References
    ----------
    Yadlowsky et al. (2025), Evaluating treatment prioritization rules via rank-weighted average
    treatment effects, JASA 120; Montiel Olea and Plagborg-Moller (2019), Simultaneous confidence
    bands, Journal of Applied Econometrics 34.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> psi = rng.standard_normal(500)
    >>> band = efficiency_gain_band(psi + rng.standard_normal(500), psi)
    >>> band.to_frame()[["usage", "value", "band_low", "band_high"]].iloc[[25, 50, 75]].round(2)
        usage  value  band_low  band_high
    25   0.25   0.32      0.25       0.39
    50   0.50   0.42      0.34       0.50
    75   0.75   0.34      0.27       0.41
    >>> print(band.verdict, band.reason)
    PASS The band lies above zero at usages from 0.01 to 0.99.
    """
    queries = scored_queries(gold_gain, psi_hat, options, cost)
    return _curve_band("efficiency_gain", queries, as_where(queries, grid, thresholds), options)


@validated()
def toc_band(
    gold_gain: GoldGain,
    psi_hat: ArrayLike,
    *,
    grid: ArrayLike | None = None,
    thresholds: ArrayLike | None = None,
    **options: Unpack[BandOptions],
) -> CurveBand:
    """Targeting operator characteristic: mean gain of the queries sent beyond that of all.

    Parameters
    ----------
    gold_gain, psi_hat, **options
        As in `efficiency_gain_band`, whose errors this raises.
    grid : array-like, optional
        Increasing usages above 0; by default 0.01, 0.02, ..., 1.
    thresholds : array-like, optional
        Scores fixed beforehand, each reached by at least 20 queries.

    Raises
    ------
    DataError
        If a mean would be taken over too few queries.

    Notes
    -----
    ``TOC(u) = E[r | the share u of highest scores] - E[r]``, which is EG(u) / u: at usages both
    have the same t statistics and one critical value (Yadlowsky et al. 2025, section 2).

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> psi = rng.standard_normal(500)
    >>> band = toc_band(psi + rng.standard_normal(500), psi, thresholds=[0.0, 1.0])
    >>> band.to_frame()[["threshold", "usage", "value", "band_low", "band_high"]].round(2)
       threshold  usage  value  band_low  band_high
    0        1.0   0.17   1.43      1.17       1.69
    1        0.0   0.48   0.86      0.72       1.00
    """
    queries = scored_queries(gold_gain, psi_hat, options)
    where = as_where(queries, grid, thresholds, per_query_sent=True)
    return _curve_band("toc", queries, where, options)


@validated()
def qini_band(
    gold_gain: GoldGain,
    psi_hat: ArrayLike,
    *,
    cost: ArrayLike | None = None,
    grid: ArrayLike | None = None,
    thresholds: ArrayLike | None = None,
    **options: Unpack[BandOptions],
) -> CurveBand:
    """Qini curve: gain per query over sending none, against what is sent or spent.

    It ends at the mean gain, which is uncertain, unlike the efficiency gain's end at zero.

    Parameters
    ----------
    gold_gain, cost, grid, thresholds, **options
        As in `efficiency_gain_band`, whose errors this raises.
    psi_hat : array-like of shape (n,)
        What the router sorts queries by; with costs, gain per unit of cost sorts best.

    References
    ----------
    Sverdrup, Wu, Athey and Wager (2023), Qini curves for multi-armed treatment rules,
    arXiv:2306.11979.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> psi, cost = rng.standard_normal(500), rng.uniform(1, 3, 500)
    >>> band = qini_band(psi + rng.standard_normal(500), psi / cost, cost=cost, grid=[0.25, 1.0])
    >>> band.to_frame()[["usage", "value", "band_low", "band_high"]].round(2)
       usage  value  band_low  band_high
    0   0.25   0.33      0.27       0.40
    1   1.00   0.02     -0.12       0.15
    """
    queries = scored_queries(gold_gain, psi_hat, options, cost)
    return _curve_band("qini", queries, as_where(queries, grid, thresholds), options)


def _curve_band(
    curve: CurveName, queries: ScoredQueries, where: AtUsage | AtThresholds, options: BandOptions
) -> CurveBand:
    return curve_band(
        curve,
        queries,
        where,
        options,
        lambda where, kept: curve_of(curve, where.read(running_sums(queries, kept))),
        lambda where: partial(curve_influence, curve, queries, where),
    )


def curve_band(
    curve: CurveName,
    queries: ScoredQueries,
    where: AtUsage | AtThresholds,
    options: BandOptions,
    statistic: Callable[[AtUsage | AtThresholds, NDArray[np.bool_]], FloatArray],
    influence_at: Callable[[AtUsage | AtThresholds], Callable[[slice], FloatArray]],
    reference: str | None = None,
) -> CurveBand:
    """Put limits, a band and a verdict around a curve.

    Parameters
    ----------
    curve, queries, where, options, reference
        As of the band.
    statistic : callable
        The curve on halves of the queries, shape (b, m), from where it is read and booleans of
        shape (b, n).
    influence_at : callable
        From where the curve is read to a function that returns influence times share on some of
        its points, shape (n, some).
    """
    settings, where = band_settings(options), with_anchors(where, queries)
    usage = where.read(queries.sums).usage[0]
    value = statistic(where, np.ones((1, queries.n), dtype=bool))[0]
    influence = influence_at(where)
    shortage = too_few_queries(queries)
    se, critical = np.full(value.size, np.nan), np.nan
    single = band = Limits(se, se)
    if shortage is None:
        deviations = deviations_of(
            partial(statistic, where), lambda: influence(slice(None)), queries, settings
        )
        n_effective, both = queries.clusters_for_errors, curve != "qini"
        scale = usage if curve == "toc" else np.ones(usage.size)
        se = floor_at_ends(deviations.se * scale, usage, n_effective, both=both) / scale
        one = deviations.pointwise(settings.level)
        critical = deviations.taken(where.shown).critical(settings.level)
        ratio = _third_over_second(influence, queries, usage.size)
        skewness = skewness_at_ends(ratio, se, usage, n_effective, both=both)
        band = skewed_limits(value, se, critical, skewness)
        # Read near two standard errors, symmetric limits do unless few gains carry the variance.
        single = Limits(value - one * se, value + one * se)
        if n_effective < queries.effective_clusters:
            single = skewed_limits(value, se, one, skewness)
    usage, value, se, lower, upper, band_lower, band_upper = (
        column[where.shown] for column in (usage, value, se, *single, *band)
    )
    finding = shortage or somewhere_above_zero(
        usage, value, Limits(band_lower, band_upper), queries.n_gold
    )
    return CurveBand(
        curve=curve,
        usage=usage,
        value=value,
        se=se,
        lower=lower,
        upper=upper,
        band_lower=band_lower,
        band_upper=band_upper,
        critical=critical,
        total=float(queries.share @ queries.gain),
        threshold=where.threshold if isinstance(where, AtThresholds) else None,
        per_cost=queries.cost is not None,
        reference=reference,
        **settings.known(queries),
        **finding._asdict(),
    )


def _third_over_second(
    influence: Callable[[slice], FloatArray], queries: ScoredQueries, n_points: int
) -> FloatArray:
    """Ratio of the cumulants of every point, a few points at a time."""
    step = max(1, _CELLS // queries.n)
    return np.concatenate(
        [
            third_over_second(cluster_sums(influence(slice(k, k + step)), queries.clusters))
            for k in range(0, n_points, step)
        ]
    )


def as_where(
    queries: ScoredQueries,
    grid: ArrayLike | None,
    thresholds: ArrayLike | None = None,
    *,
    per_query_sent: bool = False,
) -> AtUsage | AtThresholds:
    """Return the usages or the thresholds at which a curve is read.

    Parameters
    ----------
    queries : ScoredQueries
    grid : array-like or None
        Usages; by default 0, 0.01, ..., 1.
    thresholds : array-like or None
        Scores from which on queries are sent.
    per_query_sent : bool, default=False
        Whether the curve is a mean over the queries sent, which needs some.

    Raises
    ------
    MetaRouterError
        If both are given.
    DataError
        If either is malformed, or a mean would be taken over too few queries.
    """
    if thresholds is not None:
        if grid is not None:
            raise MetaRouterError(
                "grid and thresholds are both given: give usages, or scores to send queries from."
            )
        return _at_thresholds(queries, thresholds, per_query_sent)
    usage = as_grid(grid)
    if per_query_sent and usage[0] == 0:
        if grid is not None:
            raise DataError(
                "grid holds usage 0, where no query is sent to take a mean of: start above 0."
            )
        usage = usage[1:]
    return AtUsage(usage)


def with_anchors(where: AtUsage | AtThresholds, queries: ScoredQueries) -> AtUsage | AtThresholds:
    """Read the curve also where enough gains lie on either side, if gains are rare and large.

    `floor_at_ends` takes errors near the ends of a curve from there, whatever usages are asked for.
    """
    if isinstance(where, AtThresholds) or queries.clusters_for_errors == queries.effective_clusters:
        return where
    inner = least_share(queries.clusters_for_errors)
    grid = np.union1d(where.grid, [inner, 1 - inner])
    return AtUsage(grid, np.searchsorted(grid, where.grid))


def _at_thresholds(
    queries: ScoredQueries, thresholds: ArrayLike, per_query_sent: bool
) -> AtThresholds:
    falling = np.unique(as_finite_column(thresholds, "thresholds"))[::-1]
    block = np.searchsorted(-queries.score, -falling, side="right")
    sent = np.concatenate([[0], queries.ends])[block]
    rare = int((sent < _FEWEST_ABOVE).sum())
    if per_query_sent and rare:
        raise DataError(
            f"{rare} of {falling.size} thresholds are reached by fewer than {_FEWEST_ABOVE} of "
            f"{queries.n} queries, too few to take a mean of: leave those thresholds out."
        )
    return AtThresholds(falling, block)
