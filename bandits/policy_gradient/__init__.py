"""Routers that learn a policy by gradients, one for every trade-off between quality and cost."""

from __future__ import annotations

from bandits.policy_gradient.barp import BaRP
from bandits.policy_gradient.base import MissingPropensityWarning
from bandits.policy_gradient.full_information import FullInformationBaRP

__all__ = ["BaRP", "FullInformationBaRP", "MissingPropensityWarning"]
