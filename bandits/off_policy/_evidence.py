"""What a log says of a policy, row by row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandits.off_policy import _estimators as formulas
from bandits.off_policy._empirical_likelihood import MomentConstraints
from bandits.off_policy._moment_constraints import (
    constraints_of_model,
    constraints_of_weights,
    joined,
)
from bandits.off_policy.logged_feedback import LoggedFeedback

__all__ = ["LARGEST_WEIGHT", "Evidence", "evidence_on", "largest_weight"]

Array = NDArray[np.float64]

# Squares of larger weights overflow; one such row would be worth more than any log.
LARGEST_WEIGHT = 1e100


@dataclass(frozen=True)
class Evidence:
    """Importance weights, rewards and, where there is one, a reward model.

    Attributes
    ----------
    weight, reward : ndarray of shape (n,)
        w and r.
    reward_range : pair of float
    max_weight : float
    expected, of_action : ndarray of shape (n,), or None
        q_pi and q.
    """

    weight: Array
    reward: Array
    reward_range: tuple[float, float]
    max_weight: float
    expected: Array | None = None
    of_action: Array | None = None

    @property
    def won(self) -> Array:
        """What the policy wins: w (r - low), of mean value - low."""
        return self.weight * np.maximum(self.reward - self.reward_range[0], 0.0)

    @property
    def missed(self) -> Array:
        """What it misses: w (high - r), of mean high - value."""
        return self.weight * np.maximum(self.reward_range[1] - self.reward, 0.0)

    def doubly_robust(self, weight: Array) -> Array:
        """Return the doubly robust scores, with weights that may have been cut."""
        if self.expected is None or self.of_action is None:
            raise ValueError("Doubly robust scores need a reward model.")
        return formulas.dr_scores(weight, self.reward, self.expected, self.of_action)

    def known(self) -> MomentConstraints:
        """Return all statistics whose means are known."""
        of_weights = constraints_of_weights(self.weight, self.max_weight)
        if self.expected is None or self.of_action is None:
            return of_weights
        of_model = constraints_of_model(
            self.weight, self.expected, self.of_action, self.reward_range
        )
        return joined(of_weights, of_model)


def evidence_on(log: LoggedFeedback, target: Array, predicted: Array | None = None) -> Evidence:
    """Gather what a log says of a policy with some target probabilities, shape (n, n_arms)."""
    return Evidence(
        formulas.importance_weights(target, log.arm, log.propensity),
        log.reward,
        log.reward_range,
        largest_weight(log),
        None if predicted is None else formulas.dm_scores(target, predicted),
        None if predicted is None else predicted[np.arange(log.n), log.arm],
    )


def largest_weight(log: LoggedFeedback) -> float:
    """Return the weight of the rarest action, had a policy been certain of it; 1e100 at most."""
    rarest = max(float(log.least_propensity or log.propensity.min()), 1.0 / LARGEST_WEIGHT)
    return max(1.0 / rarest, 1.0 + 1e-9)
