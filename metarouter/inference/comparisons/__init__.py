"""Routers compared on the same queries."""

from __future__ import annotations

from metarouter.inference.comparisons._all_pairs import AllPairs, compare_all_pairs
from metarouter.inference.comparisons._difference_band import difference_band
from metarouter.inference.comparisons._model_leaderboard import ModelLeaderboard, model_leaderboard
