"""Tables, figures and reports that say what was found, and how sure one may be of it."""

from __future__ import annotations

from metarouter.inference.bias import MeanShift, mean_shift
from metarouter.reporting._analyse import ReportSettings, RoutingAnalysis, analyse
from metarouter.reporting._claims import (
    Claim,
    Trend,
    check_claims,
    check_trends,
    compare_splits,
    differing_verdicts,
    verdict,
)
from metarouter.reporting._document import Document
from metarouter.reporting._report_method import package_versions
from metarouter.reporting._routing_report import routing_report
from metarouter.reporting._study_report import (
    StudyReport,
    save_efficiency_gain_figure,
    write_study_report,
)
from metarouter.reporting._truth import truth_frame
from metarouter.reporting._write_document import write_document
from metarouter.utils.markdown import markdown_table

__all__ = [
    "Claim",
    "Document",
    "MeanShift",
    "ReportSettings",
    "RoutingAnalysis",
    "StudyReport",
    "Trend",
    "analyse",
    "check_claims",
    "check_trends",
    "compare_splits",
    "differing_verdicts",
    "markdown_table",
    "mean_shift",
    "package_versions",
    "routing_report",
    "save_efficiency_gain_figure",
    "truth_frame",
    "verdict",
    "write_document",
    "write_study_report",
]
