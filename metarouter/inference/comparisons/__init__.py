"""Routers compared on the same queries."""

from __future__ import annotations

from metarouter.inference.comparisons._all_pairs import AllPairs, compare_all_pairs
from metarouter.inference.comparisons._difference_band import difference_band

__all__ = ["AllPairs", "compare_all_pairs", "difference_band"]
