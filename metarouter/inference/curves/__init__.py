"""Curves of what routing by a score gains, and how far they may be from the truth."""

from __future__ import annotations

from metarouter.inference.curves._curve_values import (
    EFFECTS,
    AtThresholds,
    AtUsage,
    CurveName,
    curve_influence,
    curve_of,
    effects_over_queries,
    effects_over_usage,
    rank_weighted_influence,
)
from metarouter.inference.curves._deviations import (
    BandMethod,
    BandOptions,
    BandResult,
    BandSettings,
    Deviations,
    band_settings,
    deviations_of,
    floor_at_ends,
    least_share,
    skewness_at_ends,
)
from metarouter.inference.curves._scored_queries import (
    GoldGain,
    ScoredQueries,
    as_gains,
    running_sums,
    scored_queries,
    sorted_gains,
)
