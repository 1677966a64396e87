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
    running_sums,
    steady_ends,
    steady_skewness,
)
from metarouter.inference.intervals import FloatArray, Limits, skewed_limits, unit_sums
from metarouter.utils.columns import as_finite_column, as_grid

__all__ = ["as_where", "assembled", "curve_band", "steady_errors"]

_FEWEST_ABOVE = 20  # halves without a query above a threshold must be out of the question


def curve_band(
    curve: CurveName,
    queries: ScoredQueries,
    where: AtUsage | AtThresholds,
    settings: BandSettings,
) -> CurveBand:
    """Estimate a curve, its errors, its limits and its band."""
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
    se, one, all_at_once = np.full(value.size, np.nan), np.nan, np.nan
    band = Limits(se, se)
    if lack is None:
        pull = cache(pull)  # the influence method has use for it twice
        deviations = deviations_of(statistic, pull, queries, settings)
        se = steady_errors(curve, deviations.se, usage, queries)
        one, all_at_once = deviations.pointwise(settings.level), deviations.critical(settings.level)
        pulls, both = unit_sums(pull(), queries.units), curve != "qini"
        skewness = steady_skewness(pulls, se, usage, queries.effective_units, both=both)
        band = skewed_limits(value, se, all_at_once, skewness)
    verdict, needed, reason = lack or somewhere_above_zero(usage, value, band, queries.n_gold)
    return CurveBand(
        curve=curve,
        usage=usage,
        value=value,
        se=se,
        lower=value - one * se,
        upper=value + one * se,
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
    return steady_ends(se * scale, usage, queries.effective_units, both=curve != "qini") / scale
