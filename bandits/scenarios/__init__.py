"""Worlds that change while a router learns: prices, quality, models, and feedback."""

from __future__ import annotations

from bandits.scenarios.arms import NewModel, WithdrawnModel
from bandits.scenarios.feedback import (
    CensoredFeedback,
    DelayedFeedback,
    MissingFeedback,
    PoisonedFeedback,
)
from bandits.scenarios.outcomes import PriceChange, QualityDrift, QualitySwap
from bandits.scenarios.standard import standard_scenarios
from bandits.scenarios.stream import Scenario, Stream

__all__ = [
    "CensoredFeedback",
    "DelayedFeedback",
    "MissingFeedback",
    "NewModel",
    "PoisonedFeedback",
    "PriceChange",
    "QualityDrift",
    "QualitySwap",
    "Scenario",
    "Stream",
    "WithdrawnModel",
    "standard_scenarios",
]
