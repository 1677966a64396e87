"""Estimates of the reward of every arm from the reward of one: what the policy gradient is fed.

Whatever the estimate R(n, K), the gradient of sum_a pi_a R_a by the logits is pi (R - <pi, R>).
With `reinforce` that is BaRP's (r - b)(1[a] - pi), equation 5; with `doubly_robust` it has the
same mean and less variance.

An outcome is divided by the probability with which its arm was chosen: pi(a) where the policy
itself has drawn it, the propensity where a log says so (`clipped_propensity`). Arrays are torch's.
"""

from __future__ import annotations

from typing import Any

__all__ = ["clipped_propensity", "doubly_robust", "entropy_slope", "logit_slope", "reinforce"]


def clipped_propensity(chance: Any, propensity: Any, clip: float) -> Any:
    """Return propensities so raised that no importance weight pi / propensity is above `clip`.

    Parameters
    ----------
    chance : tensor
        pi(a) of the logged arms.
    propensity : tensor of the same shape
    clip : float
    """
    return propensity.maximum(chance / clip)


def reinforce(chance: Any, arm: Any, reward: Any, propensity: Any, baseline: Any) -> Any:
    """Return (r - b) / propensity for the chosen arm and 0 for the others, shape (n, K).

    Parameters
    ----------
    chance : tensor of shape (n, K)
        pi, the probabilities of the arms.
    arm : tensor of int of shape (n, 1)
    reward, propensity, baseline : tensor of shape (n, 1)
    """
    shown = (reward - baseline) / propensity
    return chance.new_zeros(chance.shape).scatter_(1, arm, shown)


def doubly_robust(arm: Any, reward: Any, propensity: Any, predicted: Any) -> Any:
    """Return the predicted rewards, that of the chosen arm corrected by its weighted residual.

    R = r_hat + 1[a] (r - r_hat(a)) / propensity. Unbiased where nothing is clipped, whatever the
    predictions, which must not know this reward; the better they are the less it varies (Dudik,
    Langford & Li 2011).

    Parameters
    ----------
    predicted : tensor of shape (n, K)
        r_hat; the other parameters are those of `reinforce`.
    """
    residual = (reward - predicted.gather(1, arm)) / propensity
    return predicted.scatter_add(1, arm, residual)


def logit_slope(chance: Any, estimate: Any) -> Any:
    """Return the gradient of sum_a pi_a R_a by the logits: pi (R - <pi, R>)."""
    weighted = chance * estimate
    return weighted - chance * weighted.sum(1, keepdim=True)


def entropy_slope(chance: Any, log_chance: Any) -> Any:
    """Return the gradient of the entropy by the logits: -pi (log pi + H)."""
    surprise = chance * log_chance
    return chance * surprise.sum(1, keepdim=True) - surprise
