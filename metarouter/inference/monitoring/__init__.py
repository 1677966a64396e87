"""Monitoring of a router after deployment (Meta-Router, appendix A.1).

An update is read in five files, in this order:

- ``_monitor``: what users hold; ``_inputs``: settings and batches are validated;
- ``_state``: all that is kept, and its file; made of sums and scores of gains (``_quantities``,
  with their confidence sequences) and of alarms (``_drift``). Each is frozen, and returns what it
  becomes, so that a refused batch leaves no trace.

``_report`` has verdicts and figures.

The names that users need are those of ``metarouter.inference``.
"""

from __future__ import annotations

from metarouter.inference.monitoring._monitor import RouterMonitor
from metarouter.inference.monitoring._report import MonitorReport
