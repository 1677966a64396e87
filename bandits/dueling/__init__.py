"""Routers that learn from which of two answers was preferred."""

from __future__ import annotations

from bandits.dueling.base import DuelingRouter
from bandits.dueling.fgts import FGTSRouter

__all__ = ["DuelingRouter", "FGTSRouter"]
