"""Bands, tests, guarantees and checks: what may be claimed from the labels at hand.

Names are loaded on first use, so that ``import metarouter.inference`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metarouter.inference._limits import LIMITS, MINIMA, Verdict, limits_table
    from metarouter.inference.bands._band_result import CurveBand
    from metarouter.inference.bands._cost_quality_band import cost_quality_band
    from metarouter.inference.bands._cost_quality_result import CostQualityBand
    from metarouter.inference.bands._gain_bands import efficiency_gain_band, qini_band, toc_band
    from metarouter.inference.bands._performance_gap_band import performance_gap_band
    from metarouter.inference.bands._performance_gap_result import PerformanceGapBand
    from metarouter.inference.bands._rank_weighted_effects import rank_weighted_effects
    from metarouter.inference.bands._rank_weighted_result import RankWeightedEffects
    from metarouter.inference.bias._calibration import calibration_test
    from metarouter.inference.bias._calibration_result import CalibrationTest
    from metarouter.inference.bias._mean_shift import mean_shift_test
    from metarouter.inference.bias._mean_shift_result import MeanShiftTest
    from metarouter.inference.bias._projection import best_linear_projection
    from metarouter.inference.bias._projection_result import BestLinearProjection
    from metarouter.inference.bias._sorted_groups import sorted_group_effects
    from metarouter.inference.bias._sorted_groups_result import SortedGroupEffects
    from metarouter.inference.comparisons._all_pairs import compare_all_pairs
    from metarouter.inference.comparisons._all_pairs_result import AllPairs
    from metarouter.inference.comparisons._difference_band import difference_band
    from metarouter.inference.diagnostics._diagnostics import check_data
    from metarouter.inference.diagnostics._diagnostics_result import Check, Diagnostics
    from metarouter.inference.diagnostics._nuisance_quality import nuisance_quality
    from metarouter.inference.diagnostics._nuisance_quality_result import NuisanceQuality
    from metarouter.inference.diagnostics._overlap_report import overlap_report
    from metarouter.inference.diagnostics._overlap_report_result import OverlapReport
    from metarouter.inference.diagnostics._sensitivity import sensitivity_analysis
    from metarouter.inference.diagnostics._sensitivity_result import SensitivityAnalysis
    from metarouter.inference.guarantees._certify import certify_predictions
    from metarouter.inference.guarantees._certify_router import certify_threshold
    from metarouter.inference.guarantees._observed import Promise
    from metarouter.inference.guarantees._result import CertifiedThreshold
    from metarouter.inference.labels._doubly_robust import doubly_robust_gains
    from metarouter.inference.labels._doubly_robust_result import DoublyRobustGains
    from metarouter.inference.labels._held_out import HeldOutPredictions, held_out_predictions
    from metarouter.inference.monitoring._monitor import RouterMonitor
    from metarouter.inference.monitoring._report import MonitorReport
    from metarouter.inference.planning._expected_area import expected_area
    from metarouter.inference.planning._expected_area_result import ExpectedArea, ForecastPoint
    from metarouter.inference.planning._plan import plan_labels
    from metarouter.inference.planning._plan_result import LabelPlan, PlanOption

_HOME = {
    "LIMITS": "_limits",
    "MINIMA": "_limits",
    "AllPairs": "comparisons._all_pairs_result",
    "BestLinearProjection": "bias._projection_result",
    "CalibrationTest": "bias._calibration_result",
    "CertifiedThreshold": "guarantees._result",
    "Check": "diagnostics._diagnostics_result",
    "CostQualityBand": "bands._cost_quality_result",
    "CurveBand": "bands._band_result",
    "Diagnostics": "diagnostics._diagnostics_result",
    "DoublyRobustGains": "labels._doubly_robust_result",
    "ExpectedArea": "planning._expected_area_result",
    "ForecastPoint": "planning._expected_area_result",
    "HeldOutPredictions": "labels._held_out",
    "LabelPlan": "planning._plan_result",
    "MeanShiftTest": "bias._mean_shift_result",
    "MonitorReport": "monitoring._report",
    "NuisanceQuality": "diagnostics._nuisance_quality_result",
    "OverlapReport": "diagnostics._overlap_report_result",
    "PerformanceGapBand": "bands._performance_gap_result",
    "PlanOption": "planning._plan_result",
    "Promise": "guarantees._observed",
    "RankWeightedEffects": "bands._rank_weighted_result",
    "RouterMonitor": "monitoring._monitor",
    "SensitivityAnalysis": "diagnostics._sensitivity_result",
    "SortedGroupEffects": "bias._sorted_groups_result",
    "Verdict": "_limits",
    "best_linear_projection": "bias._projection",
    "calibration_test": "bias._calibration",
    "certify_predictions": "guarantees._certify",
    "certify_threshold": "guarantees._certify_router",
    "check_data": "diagnostics._diagnostics",
    "compare_all_pairs": "comparisons._all_pairs",
    "cost_quality_band": "bands._cost_quality_band",
    "difference_band": "comparisons._difference_band",
    "doubly_robust_gains": "labels._doubly_robust",
    "efficiency_gain_band": "bands._gain_bands",
    "expected_area": "planning._expected_area",
    "held_out_predictions": "labels._held_out",
    "limits_table": "_limits",
    "mean_shift_test": "bias._mean_shift",
    "nuisance_quality": "diagnostics._nuisance_quality",
    "overlap_report": "diagnostics._overlap_report",
    "performance_gap_band": "bands._performance_gap_band",
    "plan_labels": "planning._plan",
    "qini_band": "bands._gain_bands",
    "rank_weighted_effects": "bands._rank_weighted_effects",
    "sensitivity_analysis": "diagnostics._sensitivity",
    "sorted_group_effects": "bias._sorted_groups",
    "toc_band": "bands._gain_bands",
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
    "sensitivity_analysis",
    "sorted_group_effects",
    "toc_band",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"metarouter.inference.{_HOME[name]}"), name)
    raise AttributeError(f"module 'metarouter.inference' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
