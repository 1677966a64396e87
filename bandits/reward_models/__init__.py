"""Routing among reward models: one call per pair of answers, to the model that is right there."""

from __future__ import annotations

from bandits.reward_models.bayesian_router import BayesianRouter
from bandits.reward_models.offline import OfflineRewardRouter, load_offline_router
from bandits.reward_models.pairs import RewardVerdicts, pair_features, read_verdicts

__all__ = [
    "BayesianRouter",
    "OfflineRewardRouter",
    "RewardVerdicts",
    "load_offline_router",
    "pair_features",
    "read_verdicts",
]
