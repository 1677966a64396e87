"""Thresholds that keep a budget and a quality with a stated probability.

What is public is exported by :mod:`metarouter.inference`.
"""

from __future__ import annotations

from metarouter.inference.guarantees._certify import (
    as_delta,
    certify_predictions,
    certify_threshold,
)
from metarouter.inference.guarantees._constraints import check_limit
from metarouter.inference.guarantees._result import CertifiedThreshold, Promise

__all__ = [
    "CertifiedThreshold",
    "Promise",
    "as_delta",
    "certify_predictions",
    "certify_threshold",
    "check_limit",
]
