"""A curve with its bands.

What an interval or a band says about a claim, and how many gold labels would settle it.

The steps behind every band of a curve.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference._limits import MINIMA, Verdict, about, rows_needed, scarce
from metarouter.inference._result import Finding
from metarouter.inference.curves import (
    AtThresholds,
    AtUsage,
    BandMethod,
    BandSettings,
    CurveName,
    ScoredQueries,
    curve_influence,
    curve_of,
    deviations_of,
    floor_at_ends,
    least_share,
    running_sums,
    skewness_at_ends,
)
from metarouter.inference.intervals import (
    FloatArray,
    Limits,
    cluster_sums,
    skewed_limits,
    third_over_second,
)
from metarouter.utils.columns import as_finite_column, as_grid
from metarouter.utils.plotting import new_axes
from metarouter.utils.style import random_line, router_styles
from metarouter.utils.tables import Printed, thinned

if TYPE_CHECKING:
    import pandas as pd


_NAMES = {
    "efficiency_gain": ("Efficiency gain", "efficiency gain per query"),
    "toc": ("Targeting operator characteristic", "gain of the queries sent beyond that of all"),
    "qini": ("Qini curve", "gain per query over sending none"),
}


@dataclass(frozen=True)
class CurveBand(Printed):
    """A curve with pointwise limits and with a band that holds everywhere at once.

    Parameters
    ----------
    curve : {"efficiency_gain", "toc", "qini"}
    usage : ndarray of shape (m,)
        Share of the queries, or of the extra cost where costs were given, that is spent.
    value, se : ndarray of shape (m,)
        In gold units per query.
    lower, upper : ndarray of shape (m,)
        Limits that hold at one usage, chosen beforehand.
    band_lower, band_upper : ndarray of shape (m,)
        Limits that hold at all usages at once.
    critical : float
        Standard errors to either side of the curve that make the band.
    total : float
        Mean gain of sending every query.
    threshold : ndarray of shape (m,) or None
        Scores from which on queries are sent, where they were fixed beforehand.
    per_cost : bool
        Whether `usage` is a share of the extra cost.
    reference : str or None
        The router that the curve is a difference from.
    method : {"half_sample", "influence"}
    level : float
    n, n_units : int
        Queries, and independent units of them.
    n_draws : int
        Half-samples; 0 where the influence function was used.
    verdict : Verdict
        On the claim that the curve lies above zero somewhere, judged by the band.
    needed : int or None
        Gold labels that would settle an open verdict.
    reason : str
    """

    curve: CurveName
    usage: FloatArray
    value: FloatArray
    se: FloatArray
    lower: FloatArray
    upper: FloatArray
    band_lower: FloatArray
    band_upper: FloatArray
    critical: float
    total: float
    threshold: FloatArray | None
    per_cost: bool
    reference: str | None
    method: BandMethod
    level: float
    n: int
    n_units: int
    n_draws: int
    verdict: Verdict
    needed: int | None
    reason: str

    def to_frame(self) -> pd.DataFrame:
        """Return one row per point: usage, value, error, pointwise limits and band."""
        import pandas as pd

        threshold = {} if self.threshold is None else {"threshold": self.threshold}
        return pd.DataFrame(
            {"usage": self.usage}
            | threshold
            | {
                "value": self.value,
                "se": self.se,
                "ci_low": self.lower,
                "ci_high": self.upper,
                "band_low": self.band_lower,
                "band_high": self.band_upper,
            }
        )

    def plot(self, ax: Any = None, *, name: str = "router", band: bool = True) -> Any:
        """Draw the curve with its band, and the pointwise limits as thin lines inside it.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        name : str, default="router"
            Name in the legend; the house's router names have colours of their own.
        band : bool, default=True
            Draw the simultaneous band.

        Returns
        -------
        matplotlib Axes
        """
        ax = new_axes(ax, height=4.2)
        limits = (self.band_lower, self.band_upper) if band else None
        draw_band(ax, name, self.usage, self.value, (self.lower, self.upper), limits)
        if self.curve == "qini":
            ax.plot([0, 1], [0, self.total], **random_line())
        else:
            ax.axhline(0.0, **(random_line() | {"label": self.reference or "random"}))
        ax.set_xlabel(f"share of {self._usage()}")
        versus = "" if self.reference is None else f", minus {self.reference}"
        ax.set_ylabel(_NAMES[self.curve][1] + versus)
        ax.set_xlim(0, 1)
        ax.legend(frameon=False, fontsize="small")
        return ax

    def _title(self) -> str:
        versus = "" if self.reference is None else f", difference from {self.reference}"
        return f"{_NAMES[self.curve][0]}{versus}"

    def _facts(self) -> dict[str, str]:
        return error_facts(self.n, self.n_units, self.method, self.n_draws) | {
            "level": f"{self.level:g}",
            "critical value of the band": f"{self.critical:.3f}",
            "gain of sending all": f"{self.total:.4f}",
            "verdict": str(self.verdict),
        }

    def _notes(self) -> tuple[str, ...]:
        return (
            f"usage: share of {self._usage()}. ci: holds at one usage; band: holds at all at once. "
            "Both are over new test queries, with the router held fixed.",
            self.reason,
        )

    def _usage(self) -> str:
        return "the extra cost spent" if self.per_cost else "queries sent to the primary model"

    def _written(self, decimals: int = 4) -> pd.DataFrame:
        return thinned(super()._written(decimals))


def error_facts(n: int, n_units: int, method: BandMethod, n_draws: int) -> dict[str, str]:
    """Say what the errors rest on."""
    groups = {} if n_units == n else {"independent groups": f"{n_units}"}
    how = "influence function" if method == "influence" else f"{n_draws} half-samples"
    return {"queries": f"{n}"} | groups | {"errors": how}


def curve_line(name: str) -> dict[str, Any]:
    """Keyword arguments for the curve of a router: its points lie too close for markers."""
    return router_styles([name])[name].line() | {"marker": None}


def draw_band(
    ax: Any,
    name: str,
    x: FloatArray,
    value: FloatArray,
    pointwise: tuple[FloatArray, FloatArray],
    simultaneous: tuple[FloatArray, FloatArray] | None,
) -> None:
    """Draw a curve, its pointwise limits as thin lines, and its simultaneous band as a surface."""
    (drawn,) = ax.plot(x, value, **curve_line(name))
    color = drawn.get_color()
    for limit in pointwise:
        ax.plot(x, limit, color=color, linewidth=0.7, linestyle=(0, (1, 1.5)))
    if simultaneous is not None:
        ax.fill_between(x, *simultaneous, color=color, alpha=0.18, linewidth=0)


def too_few_queries(queries: ScoredQueries) -> Finding | None:
    """Return INCONCLUSIVE where intervals would not hold their level, else None."""
    least, what, there = MINIMA["gold_rows"].count, "gold labels", queries.n_gold
    if queries.clusters is not None and queries.n_gold_clusters < MINIMA["clusters"].count:
        least, there = MINIMA["clusters"].count, queries.n_gold_clusters
        what = "independent groups with gold labels"
    if there >= least:
        return None
    return Finding(
        Verdict.INCONCLUSIVE,
        least,
        f"{scarce(there, what)} for an interval that holds its level; {least} would do.",
    )


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


_CELLS = 2**18  # of the influence values that are looked at together: 2 MB
_FEWEST_ABOVE = 20  # halves without a query above a threshold must be out of the question


def curve_band(
    curve: CurveName,
    queries: ScoredQueries,
    where: AtUsage | AtThresholds,
    settings: BandSettings,
) -> CurveBand:
    """Estimate a curve, its errors, its limits and its band."""
    where = with_anchors(where, queries)
    sums = running_sums(queries)
    points = where.read(sums)
    return assembled(
        curve,
        queries,
        where,
        settings,
        value=curve_of(curve, points)[0],
        usage=points.usage[0],
        total=float(points.total[0, 0]),
        statistic=lambda kept: curve_of(curve, where.read(running_sums(queries, kept))),
        influence=lambda columns: curve_influence(curve, queries, sums, points, where, columns),
    )


def assembled(
    curve: CurveName,
    queries: ScoredQueries,
    where: AtUsage | AtThresholds,
    settings: BandSettings,
    *,
    value: FloatArray,
    usage: FloatArray,
    total: float,
    statistic: Callable[[NDArray[np.bool_]], FloatArray],
    influence: Callable[[slice], FloatArray],
    reference: str | None = None,
) -> CurveBand:
    """Put limits, a band and a verdict around a curve."""
    shortage = too_few_queries(queries)
    se, all_at_once = np.full(value.size, np.nan), np.nan
    single = band = Limits(se, se)
    if shortage is None:
        deviations = deviations_of(statistic, lambda: influence(slice(None)), queries, settings)
        se = floored_errors(curve, deviations.se, usage, queries)
        one = deviations.pointwise(settings.level)
        all_at_once = deviations.taken(where.shown).critical(settings.level)
        ratio = _third_over_second(influence, queries, usage.size)
        skewness = skewness_at_ends(
            ratio, se, usage, queries.clusters_for_errors, both=curve != "qini"
        )
        band = skewed_limits(value, se, all_at_once, skewness)
        # Read near two standard errors, symmetric limits do unless few gains carry the variance.
        single = Limits(value - one * se, value + one * se)
        if queries.clusters_for_errors < queries.effective_clusters:
            single = skewed_limits(value, se, one, skewness)
    usage, value, se = usage[where.shown], value[where.shown], se[where.shown]
    single, band = (Limits(*(end[where.shown] for end in limits)) for limits in (single, band))
    verdict, needed, reason = shortage or somewhere_above_zero(usage, value, band, queries.n_gold)
    return CurveBand(
        curve=curve,
        usage=usage,
        value=value,
        se=se,
        lower=single.lower,
        upper=single.upper,
        band_lower=band.lower,
        band_upper=band.upper,
        critical=all_at_once,
        total=total,
        threshold=where.threshold if isinstance(where, AtThresholds) else None,
        per_cost=queries.cost is not None,
        reference=reference,
        method=settings.method,
        level=settings.level,
        n=queries.n,
        n_units=queries.n_units,
        n_draws=settings.draws_used,
        verdict=verdict,
        needed=needed,
        reason=reason,
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


def floored_errors(
    curve: CurveName, se: FloatArray, usage: FloatArray, queries: ScoredQueries
) -> FloatArray:
    """Keep errors at the ends of a curve from resting on a handful of queries."""
    scale = usage if curve == "toc" else np.ones(usage.size)
    return (
        floor_at_ends(se * scale, usage, queries.clusters_for_errors, both=curve != "qini") / scale
    )
