"""A router in a service: many threads, feedback whenever it comes, and nothing lost by a crash."""

from __future__ import annotations

from bandits.live.counts import LiveCounts, Receipt
from bandits.live.history import read_history
from bandits.live.live_router import Decision, LiveRouter

__all__ = ["Decision", "LiveCounts", "LiveRouter", "Receipt", "read_history"]
