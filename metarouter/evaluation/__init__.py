"""What a router gains over random routing, with the uncertainty of that statement."""

from __future__ import annotations

from metarouter.evaluation._clustered import Estimates, clustered_means
from metarouter.evaluation._curve import EfficiencyGainCurve, efficiency_gain_curve
from metarouter.evaluation._efficiency_gain import (
    efficiency_gain,
    total_efficiency,
    usage_ratio,
)
from metarouter.evaluation._performance_gap import average_gap
from metarouter.evaluation.compare import RouterComparison, compare_routers
from metarouter.evaluation.cost_quality import CostQualityCurve, cost_quality_curve
from metarouter.evaluation.cost_quality_display import CostQualityDisplay
from metarouter.evaluation.default_routers import default_routers
from metarouter.evaluation.display import EfficiencyGainDisplay
from metarouter.evaluation.performance_gap import PerformanceGapCurve, performance_gap_curve
from metarouter.evaluation.reduce_dimension import reduce_dimension
from metarouter.evaluation.study import MonteCarloStudy
from metarouter.evaluation.study_result import StudyResult

__all__ = [
    "CostQualityCurve",
    "CostQualityDisplay",
    "EfficiencyGainCurve",
    "EfficiencyGainDisplay",
    "Estimates",
    "MonteCarloStudy",
    "PerformanceGapCurve",
    "RouterComparison",
    "StudyResult",
    "average_gap",
    "clustered_means",
    "compare_routers",
    "cost_quality_curve",
    "default_routers",
    "efficiency_gain",
    "efficiency_gain_curve",
    "performance_gap_curve",
    "reduce_dimension",
    "total_efficiency",
    "usage_ratio",
]
