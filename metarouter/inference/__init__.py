"""Bands, tests, guarantees and checks: what may be claimed from the labels at hand.

Names are loaded on first use, so that ``import metarouter.inference`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metarouter.inference._limits import LIMITS, MINIMA, Verdict, limits_table
    from metarouter.inference.bands import (
        CostQualityBand,
        CurveBand,
        PerformanceGapBand,
        RankWeightedEffects,
        cost_quality_band,
        efficiency_gain_band,
        performance_gap_band,
        qini_band,
        rank_weighted_effects,
        toc_band,
    )
    from metarouter.inference.bias import (
        BestLinearProjection,
        CalibrationTest,
        MeanShiftTest,
        SortedGroupEffects,
        best_linear_projection,
        calibration_test,
        mean_shift_test,
        sorted_group_effects,
    )
    from metarouter.inference.comparisons import (
        AllPairs,
        ModelLeaderboard,
        compare_all_pairs,
        difference_band,
        model_leaderboard,
    )
    from metarouter.inference.curves import BandOptions
    from metarouter.inference.diagnostics import (
        Check,
        Diagnostics,
        NuisanceQuality,
        OverlapReport,
        SensitivityAnalysis,
        check_data,
        nuisance_quality,
        overlap_report,
        sensitivity_analysis,
    )
    from metarouter.inference.guarantees import (
        CertifiedThreshold,
        Constraint,
        ConstraintEstimate,
        Outcome,
        Promise,
        certify_predictions,
        certify_threshold,
        max_cost,
        max_cost_ratio,
        max_loss,
        max_missed_gain,
        max_share,
        max_slow_share,
        min_gain,
        min_gap_share,
        min_saving,
    )
    from metarouter.inference.labels import (
        DoublyRobustGains,
        HeldOutPredictions,
        LabelOptions,
        doubly_robust_gains,
        held_out_predictions,
    )
    from metarouter.inference.monitoring import MonitorReport, RouterMonitor
    from metarouter.inference.planning import (
        ExpectedArea,
        ForecastPoint,
        LabelPlan,
        LabelSuggestion,
        PlanOption,
        expected_area,
        plan_labels,
        sampling_weights,
        suggest_labels,
    )

_ROOMS = {
    "_limits": "LIMITS limits_table MINIMA Verdict",
    "bands": "cost_quality_band CostQualityBand CurveBand efficiency_gain_band "
    "performance_gap_band PerformanceGapBand qini_band rank_weighted_effects "
    "RankWeightedEffects toc_band",
    "bias": "best_linear_projection BestLinearProjection calibration_test CalibrationTest "
    "mean_shift_test MeanShiftTest sorted_group_effects SortedGroupEffects",
    "curves": "BandOptions",
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
