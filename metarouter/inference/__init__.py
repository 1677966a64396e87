"""Bands, tests, guarantees and checks: what may be claimed from the labels at hand.

Names are loaded on first use, so that ``import metarouter.inference`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the names below, for readers of types
    from metarouter.inference._limits import *  # noqa: F403
    from metarouter.inference.bands import *  # noqa: F403
    from metarouter.inference.bias import *  # noqa: F403
    from metarouter.inference.comparisons import *  # noqa: F403
    from metarouter.inference.diagnostics import *  # noqa: F403
    from metarouter.inference.guarantees import *  # noqa: F403
    from metarouter.inference.labels import *  # noqa: F403
    from metarouter.inference.monitoring import *  # noqa: F403
    from metarouter.inference.planning import *  # noqa: F403

_ROOMS = {
    "_limits": "DECISION_THRESHOLDS decision_thresholds LIMITS limits_table MINIMA "
    "MINIMUM_SAMPLE_SIZES Verdict",
    "bands": "BandOptions cost_quality_band CostQualityBand CurveBand efficiency_gain_band "
    "performance_gap_band PerformanceGapBand qini_band rank_weighted_effects "
    "RankWeightedEffects ScoredQueries toc_band",
    "bias": "best_linear_projection BestLinearProjection calibration_test CalibrationTest "
    "mean_shift_test MeanShiftTest sorted_group_effects SortedGroupEffects",
    "comparisons": "AllPairs compare_all_pairs difference_band model_leaderboard ModelLeaderboard",
    "diagnostics": "Check check_data Diagnostics nuisance_quality NuisanceQuality overlap_report "
    "OverlapReport sensitivity_analysis SensitivityAnalysis",
    "guarantees": "CertifiedThreshold certify_predictions certify_threshold Constraint "
    "ConstraintEstimate max_cost max_cost_ratio max_loss max_missed_gain max_share "
    "max_slow_share min_gain min_gap_share min_saving Outcome Promise",
    "labels": "doubly_robust_gains DoublyRobustGains held_out_predictions HeldOutPredictions "
    "LabelOptions",
    "monitoring": "MonitorReport RouterMonitor",
    "planning": "expected_area ExpectedArea ForecastPoint LabelPlan LabelSuggestion plan_labels "
    "PlanOption sampling_weights suggest_labels",
}
_HOME = {name: room for room, names in _ROOMS.items() for name in names.split()}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"metarouter.inference.{_HOME[name]}"), name)
    raise AttributeError(f"module 'metarouter.inference' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
