"""Linear contextual bandits with exact Gaussian posteriors."""

from __future__ import annotations

from bandits.linear.base import LinearBandit
from bandits.linear.epsilon_greedy import EpsilonGreedy
from bandits.linear.lin_ts import LinTS
from bandits.linear.lin_ucb import LinUCB
from bandits.linear.square_cb import SquareCB

__all__ = ["EpsilonGreedy", "LinTS", "LinUCB", "LinearBandit", "SquareCB"]
