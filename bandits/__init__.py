"""Routers that learn from partial feedback, as estimators under the scikit-learn API.

Names are loaded on first use, so that ``import bandits`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from metarouter import __version__

if TYPE_CHECKING:
    from bandits._persistence import load_bandit
    from bandits.base import BanditRouter
    from bandits.baselines import BetaTS, Constant, OracleRouter, RandomRouter
    from bandits.dueling import DuelingReplay, FGTSRouter
    from bandits.linear import EpsilonGreedy, LinTS, LinUCB, SquareCB
    from bandits.policy_gradient import BaRP, FullInformationBaRP
    from bandits.replay import Replay, ReplayError
    from bandits.reward_models import BayesianRouter

_HOME = {
    "BaRP": "policy_gradient",
    "BanditRouter": "base",
    "BayesianRouter": "reward_models",
    "BetaTS": "baselines",
    "Constant": "baselines",
    "DuelingReplay": "dueling",
    "EpsilonGreedy": "linear",
    "FGTSRouter": "dueling",
    "FullInformationBaRP": "policy_gradient",
    "LinTS": "linear",
    "LinUCB": "linear",
    "OracleRouter": "baselines",
    "RandomRouter": "baselines",
    "Replay": "replay",
    "ReplayError": "replay",
    "SquareCB": "linear",
    "load_bandit": "_persistence",
}

__all__ = [
    "BaRP",
    "BanditRouter",
    "BayesianRouter",
    "BetaTS",
    "Constant",
    "DuelingReplay",
    "EpsilonGreedy",
    "FGTSRouter",
    "FullInformationBaRP",
    "LinTS",
    "LinUCB",
    "OracleRouter",
    "RandomRouter",
    "Replay",
    "ReplayError",
    "SquareCB",
    "__version__",
    "load_bandit",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"bandits.{_HOME[name]}"), name)
    raise AttributeError(f"module 'bandits' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
