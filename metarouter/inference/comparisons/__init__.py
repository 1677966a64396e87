"""Routers compared on the same queries."""

from __future__ import annotations

from metarouter.inference.comparisons._all_pairs import compare_all_pairs
from metarouter.inference.comparisons._all_pairs_result import AllPairs
from metarouter.inference.comparisons._difference_band import difference_band

__all__ = ["AllPairs", "compare_all_pairs", "difference_band"]
