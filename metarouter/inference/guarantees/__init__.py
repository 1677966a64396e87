"""Thresholds that keep a budget and a quality with a stated probability.

What is public is exported by :mod:`metarouter.inference`.
"""

from __future__ import annotations

from metarouter.inference.guarantees._certify import (
    as_delta,
    certify_predictions,
    certify_threshold,
)
from metarouter.inference.guarantees._constraints import (
    CertifyingQueries,
    Constraint,
    Outcome,
    as_constraints,
    constraint_of,
    max_cost,
    max_cost_ratio,
    max_loss,
    max_missed_gain,
    max_share,
    max_slow_share,
    min_gain,
    min_gap_share,
    min_saving,
)
from metarouter.inference.guarantees._result import CertifiedThreshold, ConstraintEstimate

Promise = ConstraintEstimate  # its former name, kept for one release
