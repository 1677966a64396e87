"""Can the data bear it? Overlap, nuisances, and what may have gone unmeasured."""

from __future__ import annotations

from metarouter.inference.diagnostics._diagnostics import check_data
from metarouter.inference.diagnostics._diagnostics_result import Check, Diagnostics
from metarouter.inference.diagnostics._nuisance_quality import nuisance_quality
from metarouter.inference.diagnostics._nuisance_quality_result import NuisanceQuality
from metarouter.inference.diagnostics._overlap_report import overlap_report
from metarouter.inference.diagnostics._overlap_report_result import OverlapReport
from metarouter.inference.diagnostics._sensitivity import sensitivity_analysis
from metarouter.inference.diagnostics._sensitivity_result import SensitivityAnalysis

__all__ = [
    "Check",
    "Diagnostics",
    "NuisanceQuality",
    "OverlapReport",
    "SensitivityAnalysis",
    "check_data",
    "nuisance_quality",
    "overlap_report",
    "sensitivity_analysis",
]
