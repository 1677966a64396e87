"""Bands of one router's curves, and of the averages over them."""

from __future__ import annotations

from metarouter.inference.bands._cost_quality_band import CostQualityBand, cost_quality_band
from metarouter.inference.bands._curve_bands import (
    CurveBand,
    as_where,
    curve_band,
    efficiency_gain_band,
    qini_band,
    toc_band,
    too_few_queries,
)
from metarouter.inference.bands._performance_gap_band import (
    PerformanceGapBand,
    performance_gap_band,
)
from metarouter.inference.bands._rank_weighted_effects import (
    RankWeightedEffects,
    rank_weighted_effects,
)
