"""Curves of what routing by a score gains, with bands, and what a band says about a claim."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.inference._limits import Verdict, about, rows_needed
from metarouter.inference._result import Finding
from metarouter.inference.bands._curves import (
    Curve,
    CurveName,
    Gold,
    Kept,
    ScoredQueries,
    as_queries,
    curve_at,
)
from metarouter.inference.bands._estimates import BandOptions, BandResult, errors_at_ends, estimated
from metarouter.inference.intervals import FloatArray, skewed_limits, third_over_second
from metarouter.utils.arguments import validated
from metarouter.utils.plotting import label_axes, new_axes
from metarouter.utils.style import random_line, router_styles

_NAMES = {
    "efficiency_gain": ("Efficiency gain", "efficiency gain per query"),
    "toc": ("Targeting operator characteristic", "gain of the queries sent beyond that of all"),
    "qini": ("Qini curve", "gain per query over sending none"),
}
_CELLS = 2**18  # of the influence values that are looked at together: 2 MB


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
    _DRAWN: ClassVar[str] = "value"
    _XLABEL: ClassVar[str] = "share of queries sent to the primary model"
    _YLABEL: ClassVar[str] = ""

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
        (drawn,) = ax.plot(self.usage, getattr(self, self._DRAWN), **curve_line(name))
        color = drawn.get_color()
        for limit in (self.lower, self.upper):
            ax.plot(self.usage, limit, color=color, linewidth=0.7, linestyle=(0, (1, 1.5)))
        if band:
            limits = self.band_lower, self.band_upper
            ax.fill_between(self.usage, *limits, color=color, alpha=0.18, linewidth=0)
        self._draw_random(ax)
        ax.set_xlim(0, 1)
        labels = self._XLABEL.format(self=self), self._YLABEL.format(self=self)
        return label_axes(ax, *labels, legend="best")

    def _draw_random(self, ax: Any) -> None:
        ax.plot([0, 1], [0, 1], **random_line())


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

    _TITLE = "{self._names[0]}"
    _XLABEL = "share of {self._sent}"
    _YLABEL = "{self._names[1]}"
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

    @property
    def _names(self) -> tuple[str, ...]:
        versus = "" if self.reference is None else f", minus {self.reference}"
        return tuple(name + versus for name in _NAMES[self.curve])

    @property
    def _sent(self) -> str:
        return "the extra cost spent" if self.per_cost else "queries sent to the primary model"

    def _draw_random(self, ax: Any) -> None:
        end = self.total if self.curve == "qini" and self.reference is None else 0.0
        ax.plot([0, 1], [0, end], **(random_line() | {"label": self.reference or "random"}))


def curve_line(name: str) -> dict[str, Any]:
    """Keyword arguments for the curve of a router: its points lie too close for markers."""
    return router_styles([name])[name].line() | {"marker": None}


def above_zero(what: str, value: float, margin: float, n: int) -> Finding:
    """Judge the claim that an estimate is above zero."""
    if value > margin:
        return Finding(Verdict.PASS, None, f"{what} is above zero.")
    if value < -margin:
        return Finding(Verdict.FAIL, None, f"{what} is below zero.")
    needed = rows_needed(n, margin, value)
    reason = f"The interval contains zero. {_labels_that_would_do(needed, n)}"
    return Finding(Verdict.INCONCLUSIVE, needed, reason)


def somewhere_above_zero(
    usage: FloatArray, value: FloatArray, lower: FloatArray, upper: FloatArray, n: int
) -> Finding:
    """Judge the claim that a curve lies above zero somewhere, by a band for all of it."""
    above, below, margin = lower > 0, upper < 0, value - lower
    if above.any():
        reason = f"The band lies above zero {_between(usage, above)}"
        if not below.any():
            return Finding(Verdict.PASS, None, f"{reason}.")
        return Finding(Verdict.CAUTION, None, f"{reason}, but below zero {_between(usage, below)}.")
    if below.any():
        return Finding(Verdict.FAIL, None, f"The band lies below zero {_between(usage, below)}.")
    ratio = np.divide(value, margin, out=np.full_like(value, -np.inf), where=margin > 0)
    best = int(np.argmax(ratio))
    needed = rows_needed(n, float(margin[best]), float(value[best]))
    place = f" at a share of {100 * usage[best]:.3g}%"
    reason = f"The band contains zero all along. {_labels_that_would_do(needed, n, place)}"
    return Finding(Verdict.INCONCLUSIVE, needed, reason)


def _between(usage: FloatArray, where: NDArray[np.bool_]) -> str:
    places = np.flatnonzero(where)
    first, last = places[[0, -1]]
    if first == last:
        return f"at usage {usage[first]:.2f}"
    gaps = "" if where[first:last].all() else ", with gaps"
    return f"at usages from {usage[first]:.2f} to {usage[last]:.2f}{gaps}"


def _labels_that_would_do(needed: int | None, n: int, place: str = "") -> str:
    if needed is None:
        return f"The estimate is not above zero, so that more labels would not help; {n} are there."
    return (
        f"If the estimate{place} is right, {about(needed, n)} gold labels would settle it; {n} are "
        "there."
    )


@validated()
def efficiency_gain_band(
    gold_gain: Gold,
    psi_hat: ArrayLike | None = None,
    *,
    cost: ArrayLike | None = None,
    grid: ArrayLike | None = None,
    thresholds: ArrayLike | None = None,
    **options: Unpack[BandOptions],
) -> CurveBand:
    """Efficiency gain over random routing, with limits for one usage and a band for all.

    Parameters
    ----------
    gold_gain : array-like of shape (n,), DoublyRobustGains or ScoredQueries
        Gold labels of the test queries, or their doubly robust scores; or `ScoredQueries`, which
        say what these arrays are and take the place of all, weights and groups among them.
    psi_hat, cost : array-like of shape (n,), optional
        As of `ScoredQueries`. With costs, all from zero up, usage is the share of the extra cost
        that is spent, and random routing that of the same spend.
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
        If a setting is out of its range, or an array is missing or given twice.

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
    queries = as_queries(gold_gain, options, psi_hat=psi_hat, cost=cost).by_cost()
    return _router_band("efficiency_gain", queries, grid, thresholds, options)


@validated()
def toc_band(
    gold_gain: Gold,
    psi_hat: ArrayLike | None = None,
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
    queries = as_queries(gold_gain, options, psi_hat=psi_hat)
    return _router_band("toc", queries, grid, thresholds, options)


@validated()
def qini_band(
    gold_gain: Gold,
    psi_hat: ArrayLike | None = None,
    *,
    cost: ArrayLike | None = None,
    grid: ArrayLike | None = None,
    thresholds: ArrayLike | None = None,
    **options: Unpack[BandOptions],
) -> CurveBand:
    """Qini curve: gain per query over sending none, against what is sent or spent.

    It ends at the mean gain, which is uncertain, unlike the efficiency gain's end at zero. With
    costs, gain per unit of cost sorts best.

    Parameters
    ----------
    gold_gain, psi_hat, cost, grid, thresholds, **options
        As in `efficiency_gain_band`, whose errors this raises.

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
    queries = as_queries(gold_gain, options, psi_hat=psi_hat, cost=cost).by_cost()
    return _router_band("qini", queries, grid, thresholds, options)


def _router_band(
    name: CurveName,
    queries: ScoredQueries,
    grid: ArrayLike | None,
    thresholds: ArrayLike | None,
    options: BandOptions,
) -> CurveBand:
    curve = curve_at(name, queries, grid, thresholds).anchored(queries)
    return curve_band(
        curve,
        queries,
        options,
        lambda kept: curve.values(queries.sums(kept)),
        partial(curve.influence, queries),
    )


def curve_band(
    curve: Curve,
    queries: ScoredQueries,
    options: BandOptions,
    statistic: Callable[[Kept], FloatArray],
    influence: Callable[[slice], FloatArray],
    reference: str | None = None,
) -> CurveBand:
    """Put limits, a band and a verdict around a curve.

    Its values on halves of the queries, shape (b, m), are computed by `statistic`, influence times
    share on some of its points, shape (n, some), by `influence`.
    """
    found = estimated(statistic, lambda: influence(slice(None)), queries, options)
    critical = found.taken(curve.shown).critical()
    usage = curve.points(queries.sums()).usage[0]
    step = max(1, _CELLS // queries.n)
    parts = (influence(slice(k, k + step)) for k in range(0, usage.size, step))
    skew = np.concatenate([third_over_second(queries.by_cluster(part)) for part in parts])
    n_effective, both = queries.clusters_for_errors, curve.name != "qini"
    scale = usage if curve.name == "toc" else 1.0
    se, skewness = errors_at_ends(found.se, usage, n_effective, skew=skew, scale=scale, both=both)
    band = skewed_limits(found.value, se, critical, skewness)
    # Read near two standard errors, symmetric limits do unless few gains carry the variance.
    few = n_effective < queries.effective_clusters
    single = skewed_limits(found.value, se, found.pointwise, skewness if few else 0.0)
    columns = {
        "usage": usage,
        "value": found.value,
        "se": se,
        "lower": single.lower,
        "upper": single.upper,
        "band_lower": band.lower,
        "band_upper": band.upper,
    }
    shown: dict[str, Any] = {name: column[curve.shown] for name, column in columns.items()}
    finding = somewhere_above_zero(
        shown["usage"], shown["value"], shown["band_lower"], shown["band_upper"], queries.n_gold
    )
    return CurveBand(
        curve=curve.name,
        critical=critical,
        total=float(queries.share @ queries.gain),
        threshold=curve.threshold,
        per_cost=queries.per_cost,
        reference=reference,
        **shown,
        **found.judged(finding),
    )
