"""What is known of importance weights and reward models: statistics of at least 0, and their means.

Notation of `_estimators`. Weights lie in [0, W] and average 1; w q - q_pi averages 0, whatever the
model q, as long as it was fitted on other rows. Rewards and predictions lie in [low, high].
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bandits.off_policy._empirical_likelihood import MomentConstraints

__all__ = ["constraints_of_model", "constraints_of_weights", "joined"]

Array = NDArray[np.float64]


def constraints_of_weights(weight: Array, max_weight: float) -> MomentConstraints:
    """Return 1 - w / W and w / W: with their sum, that of a distribution, is known to be 1."""
    share = weight / max_weight
    return MomentConstraints(
        np.column_stack([1 - share, share]), np.array([1 - 1 / max_weight, 1 / max_weight])
    )


def constraints_of_model(
    weight: Array, expected: Array, of_action: Array, reward_range: tuple[float, float]
) -> MomentConstraints:
    """Return w (q - low) + high - q_pi and w (high - q) + q_pi - low, both of mean high - low.

    They differ from high - low by plus and minus w q - q_pi and the weight's own deviation from 1.
    """
    low, high = reward_range
    above = weight * (of_action - low) + high - expected
    below = weight * (high - of_action) + expected - low
    return MomentConstraints(np.column_stack([above, below]), np.full(2, high - low))


def joined(*parts: MomentConstraints) -> MomentConstraints:
    """Return all slacks side by side."""
    return MomentConstraints(
        np.column_stack([part.slack for part in parts]),
        np.concatenate([part.mean for part in parts]),
    )
