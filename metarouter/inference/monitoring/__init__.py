"""Monitoring of a router after deployment (Meta-Router, appendix A.1).

An update is read in five files, in this order:

- ``_monitor``: what users hold; ``_batch``: a batch is validated;
- ``_state``: all that is kept, made of ``_sums`` (sums, scores of gains) and ``_drift`` (alarms).
  Each is frozen, and returns what it becomes, so that a refused batch leaves no trace.

A report takes ``_settings``, ``_quantities`` (confidence sequences) and ``_report`` (verdicts,
figures); ``_archive`` is one file, without pickle.

The names that users need are those of ``metarouter.inference``.
"""

from __future__ import annotations

from metarouter.inference.monitoring._monitor import RouterMonitor
from metarouter.inference.monitoring._report import MonitorReport
