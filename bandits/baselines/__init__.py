"""Routers to beat: one arm for all, arms at random or by their means, and the best in hindsight."""

from __future__ import annotations

from bandits.baselines.beta_ts import BetaTS
from bandits.baselines.constant import Constant
from bandits.baselines.oracle_router import OracleRouter, oracle_actions
from bandits.baselines.random_router import RandomRouter

__all__ = ["BetaTS", "Constant", "OracleRouter", "RandomRouter", "oracle_actions"]
