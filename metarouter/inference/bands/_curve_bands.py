"""The steps behind every band of a curve."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference.bands._band_result import CurveBand
from metarouter.inference.bands._claims_of_bands import somewhere_above_zero, too_few_queries
from metarouter.inference.curves import (
    AtThresholds,
    AtUsage,
    BandSettings,
    CurveName,
    ScoredQueries,
    curve_of,
    curve_pulls,
    deviations_of,
    least_share,
    running_sums,
    steady_ends,
    steady_skewness,
)
from metarouter.inference.intervals import FloatArray, Limits, skewed_limits, unit_sums
from metarouter.utils.columns import as_finite_column, as_grid

__all__ = ["as_where", "assembled", "curve_band", "steady_errors", "with_anchors"]

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
        pull=lambda: curve_pulls(curve, queries, sums, points, where),
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
    pull: Callable[[], FloatArray],
    reference: str | None = None,
) -> CurveBand:
    """Put limits, a band and a verdict around a curve."""
    lack = too_few_queries(queries)
    se, all_at_once = np.full(value.size, np.nan), np.nan
    single = band = Limits(se, se)
    if lack is None:
        pull = cache(pull)  # the influence method has use for it twice
        deviations = deviations_of(statistic, pull, queries, settings)
        se = steady_errors(curve, deviations.se, usage, queries)
        one = deviations.pointwise(settings.level)
        all_at_once = deviations.taken(where.shown).critical(settings.level)
        pulls, both = unit_sums(pull(), queries.units), curve != "qini"
        skewness = steady_skewness(pulls, se, usage, queries.units_for_errors, both=both)
        band = skewed_limits(value, se, all_at_once, skewness)
        # Read near two standard errors, symmetric limits do unless few gains carry the variance.
        single = Limits(value - one * se, value + one * se)
        if queries.units_for_errors < queries.effective_units:
            single = skewed_limits(value, se, one, skewness)
    usage, value, se = usage[where.shown], value[where.shown], se[where.shown]
    single, band = (Limits(*(end[where.shown] for end in limits)) for limits in (single, band))
    verdict, needed, reason = lack or somewhere_above_zero(usage, value, band, queries.n_gold)
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

    `steady_ends` takes errors near the ends of a curve from there, whatever usages are asked for.
    """
    if isinstance(where, AtThresholds) or queries.units_for_errors == queries.effective_units:
        return where
    inner = least_share(queries.units_for_errors)
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


def steady_errors(
    curve: CurveName, se: FloatArray, usage: FloatArray, queries: ScoredQueries
) -> FloatArray:
    """Keep errors at the ends of a curve from resting on a handful of queries."""
    scale = usage if curve == "toc" else np.ones(usage.size)
    return steady_ends(se * scale, usage, queries.units_for_errors, both=curve != "qini") / scale
