"""Thresholds that keep a budget and a quality with a stated probability.

What is public is exported by :mod:`metarouter.inference`.
"""

from __future__ import annotations

from metarouter.inference.guarantees._certify import as_delta, certify_predictions
from metarouter.inference.guarantees._certify_router import certify_threshold
from metarouter.inference.guarantees._demands import check_limit
from metarouter.inference.guarantees._observed import Promise
from metarouter.inference.guarantees._result import CertifiedThreshold

__all__ = [
    "CertifiedThreshold",
    "Promise",
    "as_delta",
    "certify_predictions",
    "certify_threshold",
    "check_limit",
]
