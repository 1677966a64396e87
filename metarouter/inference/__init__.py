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
    from metarouter.inference.comparisons import AllPairs, compare_all_pairs, difference_band
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
        Promise,
        certify_predictions,
        certify_threshold,
    )
    from metarouter.inference.labels import (
        DoublyRobustGains,
        HeldOutPredictions,
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

_HOME = {
    "LIMITS": "_limits",
    "MINIMA": "_limits",
    "AllPairs": "comparisons",
    "BestLinearProjection": "bias",
    "CalibrationTest": "bias",
    "CertifiedThreshold": "guarantees",
    "Check": "diagnostics",
    "CostQualityBand": "bands",
    "CurveBand": "bands",
    "Diagnostics": "diagnostics",
    "DoublyRobustGains": "labels",
    "ExpectedArea": "planning",
    "ForecastPoint": "planning",
    "HeldOutPredictions": "labels",
    "LabelPlan": "planning",
    "LabelSuggestion": "planning",
    "MeanShiftTest": "bias",
    "MonitorReport": "monitoring",
    "NuisanceQuality": "diagnostics",
    "OverlapReport": "diagnostics",
    "PerformanceGapBand": "bands",
    "PlanOption": "planning",
    "Promise": "guarantees",
    "RankWeightedEffects": "bands",
    "RouterMonitor": "monitoring",
    "SensitivityAnalysis": "diagnostics",
    "SortedGroupEffects": "bias",
    "Verdict": "_limits",
    "best_linear_projection": "bias",
    "calibration_test": "bias",
    "certify_predictions": "guarantees",
    "certify_threshold": "guarantees",
    "check_data": "diagnostics",
    "compare_all_pairs": "comparisons",
    "cost_quality_band": "bands",
    "difference_band": "comparisons",
    "doubly_robust_gains": "labels",
    "efficiency_gain_band": "bands",
    "expected_area": "planning",
    "held_out_predictions": "labels",
    "limits_table": "_limits",
    "mean_shift_test": "bias",
    "nuisance_quality": "diagnostics",
    "overlap_report": "diagnostics",
    "performance_gap_band": "bands",
    "plan_labels": "planning",
    "sampling_weights": "planning",
    "suggest_labels": "planning",
    "qini_band": "bands",
    "rank_weighted_effects": "bands",
    "sensitivity_analysis": "diagnostics",
    "sorted_group_effects": "bias",
    "toc_band": "bands",
}

__all__ = [
    "LIMITS",
    "MINIMA",
    "AllPairs",
    "BestLinearProjection",
    "CalibrationTest",
    "CertifiedThreshold",
    "Check",
    "CostQualityBand",
    "CurveBand",
    "Diagnostics",
    "DoublyRobustGains",
    "ExpectedArea",
    "ForecastPoint",
    "HeldOutPredictions",
    "LabelPlan",
    "LabelSuggestion",
    "MeanShiftTest",
    "MonitorReport",
    "NuisanceQuality",
    "OverlapReport",
    "PerformanceGapBand",
    "PlanOption",
    "Promise",
    "RankWeightedEffects",
    "RouterMonitor",
    "SensitivityAnalysis",
    "SortedGroupEffects",
    "Verdict",
    "best_linear_projection",
    "calibration_test",
    "certify_predictions",
    "certify_threshold",
    "check_data",
    "compare_all_pairs",
    "cost_quality_band",
    "difference_band",
    "doubly_robust_gains",
    "efficiency_gain_band",
    "expected_area",
    "held_out_predictions",
    "limits_table",
    "mean_shift_test",
    "nuisance_quality",
    "overlap_report",
    "performance_gap_band",
    "plan_labels",
    "qini_band",
    "rank_weighted_effects",
    "sampling_weights",
    "sensitivity_analysis",
    "sorted_group_effects",
    "suggest_labels",
    "toc_band",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"metarouter.inference.{_HOME[name]}"), name)
    raise AttributeError(f"module 'metarouter.inference' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
