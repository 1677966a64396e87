"""Estimates of the reward of every arm from the reward of one: what the policy gradient is fed.

Whatever the estimate R(n, K), the gradient of sum_a pi_a R_a by the logits is pi (R - <pi, R>).
With `reinforce` that is BaRP's (r - b)(1[a] - pi), equation 5; with `doubly_robust` it has the
same mean and less variance.

`weight` is pi(a) / propensity of the chosen arms, clipped: 1 where the policy itself has chosen.
Arrays are torch's.
"""

from __future__ import annotations

from typing import Any

__all__ = ["doubly_robust", "entropy_slope", "logit_slope", "reinforce"]


def reinforce(chance: Any, arm: Any, reward: Any, weight: Any, baseline: Any) -> Any:
    """Return weight (r - b) / pi(a) for the chosen arm and 0 for the others, shape (n, K).

    Parameters
    ----------
    chance : tensor of shape (n, K)
        pi, the probabilities of the arms.
    arm : tensor of int of shape (n, 1)
    reward, weight, baseline : tensor of shape (n, 1)
    """
    shown = weight * (reward - baseline) / chance.gather(1, arm)
    return chance.new_zeros(chance.shape).scatter_(1, arm, shown)


def doubly_robust(chance: Any, arm: Any, reward: Any, weight: Any, predicted: Any) -> Any:
    """Return the predicted rewards, that of the chosen arm corrected by its weighted residual.

    R = r_hat + 1[a] weight (r - r_hat(a)) / pi(a). Unbiased where the weight is not clipped,
    whatever the predictions, which must not know this reward; the better they are the less it
    varies (Dudik, Langford & Li 2011).

    Parameters
    ----------
    predicted : tensor of shape (n, K)
        r_hat; the other parameters are those of `reinforce`.
    """
    residual = weight * (reward - predicted.gather(1, arm)) / chance.gather(1, arm)
    return predicted.scatter_add(1, arm, residual)


def logit_slope(chance: Any, estimate: Any) -> Any:
    """Return the gradient of sum_a pi_a R_a by the logits: pi (R - <pi, R>)."""
    weighted = chance * estimate
    return weighted - chance * weighted.sum(1, keepdim=True)


def entropy_slope(chance: Any, log_chance: Any) -> Any:
    """Return the gradient of the entropy by the logits: -pi (log pi + H)."""
    surprise = chance * log_chance
    return chance * surprise.sum(1, keepdim=True) - surprise
