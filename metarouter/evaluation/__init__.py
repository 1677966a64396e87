"""What a router gains over random routing, with the uncertainty of that statement."""

from __future__ import annotations

from metarouter.evaluation._curve import EfficiencyGainCurve, efficiency_gain_curve
from metarouter.evaluation._efficiency_gain import (
    efficiency_gain,
    total_efficiency,
    usage_ratio,
)
from metarouter.evaluation.compare import RouterComparison, compare_routers
from metarouter.evaluation.default_routers import default_routers
from metarouter.evaluation.display import EfficiencyGainDisplay
from metarouter.evaluation.reduce_dimension import reduce_dimension
from metarouter.evaluation.study import MonteCarloStudy
from metarouter.evaluation.study_result import StudyResult

__all__ = [
    "EfficiencyGainCurve",
    "EfficiencyGainDisplay",
    "MonteCarloStudy",
    "RouterComparison",
    "StudyResult",
    "compare_routers",
    "default_routers",
    "efficiency_gain",
    "efficiency_gain_curve",
    "reduce_dimension",
    "total_efficiency",
    "usage_ratio",
]
