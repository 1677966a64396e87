"""Routing among reward models: one call per pair of answers, to the model that is right there."""

from __future__ import annotations

from bandits.reward_models.baselines import (
    LASER,
    CalibratedPanel,
    FrozenOffline,
    Racing,
    WeightedScore,
    majority_vote,
)
from bandits.reward_models.bayesian_router import BayesianRouter
from bandits.reward_models.controlled import make_drifting_pairs, replay_pairs
from bandits.reward_models.offline import OfflineRewardRouter, load_offline_router
from bandits.reward_models.pair_encoder import PairEncoder
from bandits.reward_models.pairs import RewardVerdicts, pair_features, read_verdicts
from bandits.reward_models.rewards import (
    RewardNormalizer,
    agreement_reward,
    dpo_loss,
    loss_advantage,
    verified_reward,
)
from bandits.reward_models.trl_reward import RoutedReward

__all__ = [
    "LASER",
    "BayesianRouter",
    "CalibratedPanel",
    "FrozenOffline",
    "OfflineRewardRouter",
    "PairEncoder",
    "Racing",
    "RewardNormalizer",
    "RewardVerdicts",
    "RoutedReward",
    "WeightedScore",
    "agreement_reward",
    "dpo_loss",
    "load_offline_router",
    "loss_advantage",
    "majority_vote",
    "make_drifting_pairs",
    "pair_features",
    "read_verdicts",
    "replay_pairs",
    "verified_reward",
]
