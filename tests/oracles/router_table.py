"""What a router brings, by looking at one query after another."""

from __future__ import annotations


def outcomes_of(choices, quality, cost, preference, cost_cap):
    """Mean score, cost, reward and regret of choices given as positions of arms."""
    w_quality, w_cost = preference
    score = spent = reward = regret = 0.0
    for row, arm in enumerate(choices):
        rewards = [
            w_quality * q - w_cost * min(c / cost_cap, 1.0)
            for q, c in zip(quality[row], cost[row], strict=True)
        ]
        score += quality[row][arm]
        spent += cost[row][arm]
        reward += rewards[arm]
        regret += max(rewards) - rewards[arm]
    return tuple(total / len(choices) for total in (score, spent, reward, regret))
