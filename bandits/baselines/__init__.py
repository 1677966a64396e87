"""Routers to beat: one arm for all, arms at random, and the best arm in hindsight."""

from __future__ import annotations

from bandits.baselines.constant import Constant
from bandits.baselines.oracle_router import OracleRouter, oracle_actions
from bandits.baselines.random_router import RandomRouter

__all__ = ["Constant", "OracleRouter", "RandomRouter", "oracle_actions"]
