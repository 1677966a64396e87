"""Data diagnostics: overlap, nuisances, and what may have gone unmeasured."""

from __future__ import annotations

from metarouter.inference.diagnostics._diagnostics import Check, Diagnostics, check_data
from metarouter.inference.diagnostics._nuisance_checks import (
    NuisanceQuality,
    OverlapReport,
    nuisance_quality,
    overlap_report,
)
from metarouter.inference.diagnostics._sensitivity import SensitivityAnalysis, sensitivity_analysis
