"""Monitoring of a router after deployment (Meta-Router, appendix A.1).

- ``_monitor``: what users hold; it validates a batch and hands it on to ``_state``.
- ``_blocks``, ``_gain_scores``, ``_drift``: what is remembered. Each is frozen,
  and returns what it becomes, so that a refused batch leaves no trace.
- ``_moments``, ``_quantities``: formulas on arrays.
- ``_report``: what is said.
- ``_state``: one file, without pickle.

The names that users need are those of ``metarouter.inference``.
"""

from __future__ import annotations

from metarouter.inference.monitoring._monitor import RouterMonitor
from metarouter.inference.monitoring._report import MonitorReport
