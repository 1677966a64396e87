"""Curves of what routing by a score gains, averages over them, and how far they may be off."""

from __future__ import annotations

from metarouter.inference.bands._cost_quality_band import CostQualityBand, cost_quality_band
from metarouter.inference.bands._curve_bands import (
    CurveBand,
    curve_band,
    efficiency_gain_band,
    qini_band,
    toc_band,
)
from metarouter.inference.bands._curves import (
    Curve,
    CurveName,
    Gold,
    Kept,
    ScoredQueries,
    as_queries,
    curve_at,
)
from metarouter.inference.bands._estimates import (
    BandOptions,
    BandResult,
    Estimates,
    estimated,
    method_for_ranks,
)
from metarouter.inference.bands._performance_gap_band import (
    PerformanceGapBand,
    performance_gap_band,
)
from metarouter.inference.bands._rank_weighted_effects import (
    EFFECTS,
    RankWeightedEffects,
    effects_over_usage,
    rank_weighted_effects,
    rank_weighted_influence,
)
