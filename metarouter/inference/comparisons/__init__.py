"""Routers, and models, compared on the same queries."""

from __future__ import annotations

from metarouter.inference.comparisons._model_leaderboard import ModelLeaderboard, model_leaderboard
from metarouter.inference.comparisons._router_comparisons import (
    AllPairs,
    compare_all_pairs,
    difference_band,
)
