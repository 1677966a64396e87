"""Monitoring of a router after deployment (Meta-Router, appendix A.1).

An update is read in four files: ``_monitor`` (what users hold, what is kept, and its file),
``_inputs`` (settings and batches are validated), ``_quantities`` (sums, scores of gains, estimates)
and ``_drift`` (alarms). ``_report`` has verdicts and figures.
"""

from __future__ import annotations

from metarouter.inference.monitoring._monitor import RouterMonitor
from metarouter.inference.monitoring._report import MonitorReport
