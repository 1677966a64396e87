"""Curves of what routing by a score gains, and how far they may be from the truth."""

from __future__ import annotations

from metarouter.inference.curves._curve_values import (
    AtThresholds,
    AtUsage,
    CurveName,
    curve_of,
    curve_pulls,
    running_sums,
)
from metarouter.inference.curves._deviations import (
    BandMethod,
    BandSettings,
    Deviations,
    Seed,
    band_settings,
    deviations_of,
    least_share,
    method_for_ranks,
    steady_ends,
    steady_skewness,
)
from metarouter.inference.curves._rank_weighted import (
    EFFECTS,
    effects_over_queries,
    effects_over_usage,
    rank_weighted_pulls,
)
from metarouter.inference.curves._scored_queries import (
    GoldGain,
    ScoredQueries,
    as_gains,
    scored_queries,
    sorted_gains,
)

__all__ = [
    "EFFECTS",
    "AtThresholds",
    "AtUsage",
    "BandMethod",
    "BandSettings",
    "CurveName",
    "Deviations",
    "GoldGain",
    "ScoredQueries",
    "Seed",
    "as_gains",
    "band_settings",
    "curve_of",
    "curve_pulls",
    "deviations_of",
    "effects_over_queries",
    "effects_over_usage",
    "least_share",
    "method_for_ranks",
    "rank_weighted_pulls",
    "running_sums",
    "scored_queries",
    "sorted_gains",
    "steady_ends",
    "steady_skewness",
]
