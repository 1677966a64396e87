"""Bands, tests, guarantees and checks: what may be claimed from the labels at hand.

Names are loaded on first use, so that ``import metarouter.inference`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metarouter.inference._calibration import calibration_test
    from metarouter.inference._calibration_result import CalibrationTest
    from metarouter.inference._diagnostics import check_data
    from metarouter.inference._diagnostics_result import Check, Diagnostics
    from metarouter.inference._held_out import HeldOutPredictions, held_out_predictions
    from metarouter.inference._limits import LIMITS, MINIMA, Verdict, limits_table
    from metarouter.inference._mean_shift import mean_shift_test
    from metarouter.inference._mean_shift_result import MeanShiftTest
    from metarouter.inference._nuisance_quality import nuisance_quality
    from metarouter.inference._nuisance_quality_result import NuisanceQuality
    from metarouter.inference._overlap_report import overlap_report
    from metarouter.inference._overlap_report_result import OverlapReport
    from metarouter.inference._projection import best_linear_projection
    from metarouter.inference._projection_result import BestLinearProjection
    from metarouter.inference._sensitivity import sensitivity_analysis
    from metarouter.inference._sensitivity_result import SensitivityAnalysis
    from metarouter.inference._sorted_groups import sorted_group_effects
    from metarouter.inference._sorted_groups_result import SortedGroupEffects

_HOME = {
    "LIMITS": "_limits",
    "MINIMA": "_limits",
    "BestLinearProjection": "_projection_result",
    "CalibrationTest": "_calibration_result",
    "Check": "_diagnostics_result",
    "Diagnostics": "_diagnostics_result",
    "HeldOutPredictions": "_held_out",
    "MeanShiftTest": "_mean_shift_result",
    "NuisanceQuality": "_nuisance_quality_result",
    "OverlapReport": "_overlap_report_result",
    "SensitivityAnalysis": "_sensitivity_result",
    "SortedGroupEffects": "_sorted_groups_result",
    "Verdict": "_limits",
    "best_linear_projection": "_projection",
    "calibration_test": "_calibration",
    "check_data": "_diagnostics",
    "held_out_predictions": "_held_out",
    "limits_table": "_limits",
    "mean_shift_test": "_mean_shift",
    "nuisance_quality": "_nuisance_quality",
    "overlap_report": "_overlap_report",
    "sensitivity_analysis": "_sensitivity",
    "sorted_group_effects": "_sorted_groups",
}

__all__ = [
    "LIMITS",
    "MINIMA",
    "BestLinearProjection",
    "CalibrationTest",
    "Check",
    "Diagnostics",
    "HeldOutPredictions",
    "MeanShiftTest",
    "NuisanceQuality",
    "OverlapReport",
    "SensitivityAnalysis",
    "SortedGroupEffects",
    "Verdict",
    "best_linear_projection",
    "calibration_test",
    "check_data",
    "held_out_predictions",
    "limits_table",
    "mean_shift_test",
    "nuisance_quality",
    "overlap_report",
    "sensitivity_analysis",
    "sorted_group_effects",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"metarouter.inference.{_HOME[name]}"), name)
    raise AttributeError(f"module 'metarouter.inference' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
